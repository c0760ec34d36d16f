/* patches.c: the patches of images as columns, and back.
 *
 * Holds true: planes are contiguous. A piece of work is a row of the result: of columns, or of an image, whose sums
 * one thread adds up, in the order of the patch's elements. */
#include <string.h>

#include "convert.h"
#include "cpu.h"
#include "reduce.h"
#include "scalar/windows.h"

typedef struct patches {
  const cr__view *out, *from;
  cr__windows y, x;
  int64_t size; /* bytes of an element */
  int compute;
} patches;

/* The elements of a row of patches that lie in the image, where an element of the first one would have column `shift`:
 * those of patches *first .. *last. */
static void inside(const cr__windows *w, int64_t shift, int64_t *first, int64_t *last) {
  *first = shift < 0 ? (-shift - 1) / w->stride + 1 : 0;
  *last = shift < w->size ? (w->size - 1 - shift) / w->stride + 1 : 0;
  if (*last > w->result) *last = w->result;
  if (*first > *last) *first = *last;
}

/* ---- Columns of an image ----------------------------------------------------------------------- */

/* Row `piece` of the columns: one element of all patches of a plane. */
static void unfold_row(const patches *p, int64_t piece) {
  const cr__windows *y = &p->y, *x = &p->x;
  int64_t j = piece % x->kernel, i = piece / x->kernel % y->kernel;
  int64_t plane = piece / x->kernel / y->kernel, first, last;
  const char *from = p->from->data + plane * y->size * x->size * p->size;
  char *to = p->out->data + piece * y->result * x->result * p->size;
  int64_t shift = j * x->dilation - x->padding;
  inside(x, shift, &first, &last);
  for (int64_t o = 0; o < y->result; o++, to += x->result * p->size) {
    int64_t row = o * y->stride + i * y->dilation - y->padding;
    if (row < 0 || row >= y->size) {
      memset(to, 0, (size_t)(x->result * p->size));
      continue;
    }
    const char *line = from + (row * x->size + first * x->stride + shift) * p->size;
    memset(to, 0, (size_t)(first * p->size));
    cr__read_run(to + first * p->size, p->out->dtype, line, p->from->dtype, x->stride,
                 last - first);
    memset(to + last * p->size, 0, (size_t)((x->result - last) * p->size));
  }
}

static void unfold_rows(void *job, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end && !cr__cpu_stopped(); i++) unfold_row(job, i);
}

/* `from`: planes of size[1] x size[2]; `out`, of the same dtype: for each of them window[1] * window[2] rows, one for
 * each element of a patch, of result[1] * result[2] patches. All are contiguous, and all numbers of the first dim 1, or
 * no padding. */
int cr__cpu_unfold(cr__launch *k) {
  patches p = {.out = &k->unfold.out, .from = &k->unfold.from};
  p.y = (cr__windows){k->unfold.size[1],   k->unfold.result[1],  k->unfold.window[1],
                      k->unfold.stride[1], k->unfold.padding[1], k->unfold.dilation[1]};
  p.x = (cr__windows){k->unfold.size[2],   k->unfold.result[2],  k->unfold.window[2],
                      k->unfold.stride[2], k->unfold.padding[2], k->unfold.dilation[2]};
  p.size = (int64_t)cr__size_of((cr_dtype)p.out->dtype);
  int64_t n = k->unfold.planes * p.y.kernel * p.x.kernel;
  return cr__cpu_share(n, n * p.y.result * p.x.result / 2, unfold_rows, &p);
}

/* ---- And back ---------------------------------------------------------------------------------- */

#define ADD(T)                                                                       \
  do {                                                                               \
    T *to = (T *)(void *)sums + first * x->stride + shift;                           \
    const T *values = (const T *)(const void *)from;                                 \
    for (int64_t o = first; o < last; o++) to[(o - first) * x->stride] += values[o]; \
  } while (0)

/* Adds to a row of sums one element of each of a row of patches, which begins at `from`. */
static void add_row(const patches *p, char *sums, const char *from, int64_t shift) {
  const cr__windows *x = &p->x;
  int64_t first, last;
  inside(x, shift, &first, &last);
  if (first == last) return;
  if (p->compute == CR__COMPUTE_F32) ADD(float);
  else if (p->compute == CR__COMPUTE_F64) ADD(double);
  else ADD(int64_t);
}

static void fold_row(const void *job, int64_t piece, char *room) {
  const patches *p = job;
  const cr__windows *y = &p->y, *x = &p->x;
  int64_t row = piece % y->size, plane = piece / y->size;
  int64_t width = (int64_t)cr__compute_size(p->compute);
  int type = cr__compute_dtype(p->compute);
  char *to = p->out->data + piece * x->size * p->size;
  char *sums = p->out->dtype == type ? to : room, *copy = room + x->size * width;
  memset(sums, 0, (size_t)(x->size * width));
  for (int64_t i = 0; i < y->kernel; i++) {
    int64_t o = row + y->padding - i * y->dilation;
    if (o < 0 || o % y->stride || (o /= y->stride) >= y->result) continue;
    for (int64_t j = 0; j < x->kernel; j++) {
      int64_t column = (plane * y->kernel + i) * x->kernel + j;
      const char *from = p->from->data + (column * y->result + o) * x->result * p->size;
      if (p->from->dtype != type) {
        cr__convert(copy, type, from, p->from->dtype, x->result);
        from = copy;
      }
      add_row(p, sums, from, j * x->dilation - x->padding);
    }
  }
  if (sums != to) cr__convert(to, p->out->dtype, sums, type, x->size);
}

/* The slots as for unfold with `out` and `from` in each other's place; sums of bool are true where one is. */
int cr__cpu_fold(cr__launch *k) {
  patches p = {.out = &k->fold.out, .from = &k->fold.from};
  p.y = (cr__windows){k->fold.size[1],   k->fold.result[1],  k->fold.window[1],
                      k->fold.stride[1], k->fold.padding[1], k->fold.dilation[1]};
  p.x = (cr__windows){k->fold.size[2],   k->fold.result[2],  k->fold.window[2],
                      k->fold.stride[2], k->fold.padding[2], k->fold.dilation[2]};
  p.size = (int64_t)cr__size_of((cr_dtype)p.out->dtype);
  p.compute = cr__compute_of(p.out->dtype);
  int64_t n = k->fold.planes * p.y.size;
  int64_t work = k->fold.planes * p.y.kernel * p.x.kernel * p.y.result * p.x.result;
  return cr__cpu_lines(k->op, n, work,
                       cr__compute_size(p.compute) * (size_t)(p.x.size + p.x.result), fold_row, &p);
}
