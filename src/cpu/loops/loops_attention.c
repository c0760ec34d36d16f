/* loops_attention.c: what becomes of tiles of scores; compiled once per instruction set.
 *
 * Holds true: of a lane, all is computed by vectors of the same width in the same order of keys. */
#include "cpu/attention.h"
#include "loops.h"

#include "fma.h"
#include "scalar/scalar_math.h"

#define T float
#define WORD int32_t
#define EXP f32_exp_below
#define COLS (2 * BYTES / 4)
#define NAME(x) x##_f32
#include "attention_loops.h"

#define T double
#define WORD int64_t
#define EXP f64_exp_below
#define COLS (2 * BYTES / 8)
#define NAME(x) x##_f64
#include "attention_loops.h"

extern const cr__attention_loops CR__PASTE(cr__attention_loops_, CR__ISA)[2];
const cr__attention_loops CR__PASTE(cr__attention_loops_, CR__ISA)[2] = {
    {forward_f32, backward_f32, scale_f32, dot_f32},
    {forward_f64, backward_f64, scale_f64, dot_f64},
};
