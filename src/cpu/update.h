/* update.h: what the loops of optimizer steps (loops_update.c, built per instruction set) and the
 * kernels that drive them (update.c) share.
 *
 * Holds true: a loop takes n contiguous elements of one row; k is the launch, f the row's numbers. */
#ifndef CR__CPU_UPDATE_H
#define CR__CPU_UPDATE_H

#include "cpu.h"

typedef void (*cr__update_loop)(const cr__launch *k, const double *f, char *const *data, int64_t n);
typedef struct cr__update_loops {
  cr__update_loop sgd_f32, sgd_f64, adam_f32, adam_f64;
} cr__update_loops;

#endif
