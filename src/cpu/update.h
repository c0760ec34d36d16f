/* update.h: what the loops of optimizer steps (loops_update.c, built per instruction set) and the
 * kernels that drive them (update.c) share.
 *
 * Holds true: a loop takes n contiguous elements of one row, whose numbers are f and whose switches `on`. */
#ifndef CR__CPU_UPDATE_H
#define CR__CPU_UPDATE_H

#include "cpu.h"
#include "scalar/step.h"

typedef void (*cr__update_loop)(const double *f, unsigned on, char *const *data, int64_t n);
typedef struct cr__update_loops {
  cr__update_loop f32[CR__RULE_COUNT], f64[CR__RULE_COUNT];
} cr__update_loops;

#endif
