/* truth.h: what the loops of `any` and `all` (loops_truth.c, built per instruction set) and their driver share.
 *
 * Holds true: elements are looked at as unsigned words of their size: one is zero if no bit of the mask is set. Both
 * questions are one: whether an element is found that decides, which is zero for `all`, and is not for `any`. */
#ifndef CR__CPU_TRUTH_H
#define CR__CPU_TRUTH_H

#include "cpu.h"

enum { CR__TRUTH_COLUMNS = 256 /* side by side, at most */ };

typedef struct cr__truth_loops {
  /* Whether one is found among n elements that lie side by side. */
  bool (*row)(const void *x, int64_t n, uint64_t mask, bool zero);
  /* Sets seen[j] where one is found in column j of w, rows lying `step` elements apart. */
  void (*columns)(uint8_t *seen, const void *x, int64_t rows, int64_t step, int64_t w,
                  uint64_t mask, bool zero);
} cr__truth_loops;

/* For elements of 1, 2, 4 and 8 bytes; the best for this machine. */
const cr__truth_loops *cr__truth_loops_here(void);

/* Whether any element over the dims of the mask, or all of them, are other than zero: `out`, of a dtype of one byte,
 * has size 1 there. False if it does not know the dtype. */
bool cr__truth_known(int dtype);
int cr__cpu_truth(const cr__view *out, const cr__view *in, uint32_t mask, bool all);

#endif
