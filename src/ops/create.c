/* create.c: tensors filled with one number, ranges, the identity matrix.
 *
 * Holds true: every argument has been checked before memory is asked for, and counts are computed
 * without overflow: in 128 bits for integers, in float64 and then bounded for floats. */
#include <math.h>

#include "create.h"

/* The number that op fills with: its name says it, or its parameter. CR_NONE: none at all. */
static cr_value filling(const cr_op *op, cr_value value) {
  switch (op->id) {
  case CR__OP_zeros:
  case CR__OP_zeros_like:
  case CR__OP_new_zeros: return cr_int(0);
  case CR__OP_ones:
  case CR__OP_ones_like:
  case CR__OP_new_ones: return cr_int(1);
  default: return value;
  }
}

/* t, given up if it cannot be filled; CR_NONE leaves it as it is. */
static cr_tensor *filled(const char *op, cr_tensor *t, cr_value number) {
  if (!t || number.kind == CR_NONE) return t;
  return cr__filled(cr__fill(op, t, number), t);
}

cr_tensor *cr__run_full(const cr_op *op, cr__ints size, cr_dtype dtype, cr_device device,
                        cr_value fill_value) {
  cr_value number = filling(op, fill_value);
  bool by_value = fill_value.kind != CR_NONE && op->id != CR__OP_scalar_tensor;
  cr_dtype natural = by_value ? cr__scalar_dtype(&fill_value) : cr_default_dtype();
  int ndim = op->id == CR__OP_scalar_tensor ? 0 : size.n;
  return filled(op->name,
                cr__new(op->name, cr__given_dtype_or(dtype, natural),
                        cr__given_device_or(device, CR_CPU), ndim, size.at),
                number);
}

cr_tensor *cr__run_empty(const cr_op *op, cr__ints size, cr_dtype dtype, cr_device device) {
  return cr__new(op->name, cr__given_dtype_or(dtype, cr_default_dtype()),
                 cr__given_device_or(device, CR_CPU), size.n, size.at);
}

/* Strides must reach no further than memory, and not back. */
static int room_of(const cr_op *op, cr__ints size, cr__ints stride, int64_t *room) {
  int64_t numel, most = 0;
  cr__text text;
  int code = cr__count(op->name, size.n, size.at, &numel);
  if (!code && stride.n != size.n)
    code = cr__fail(CR_E_ARGUMENT, "%s: got %d sizes, but %d strides", op->name, size.n, stride.n);
  bool overflow = false;
  for (int d = 0; !code && d < size.n; d++) {
    int64_t reach;
    if (stride.at[d] < 0)
      return cr__fail(CR_E_ARGUMENT, "%s: stride %lld of dim %d is negative", op->name,
                      (long long)stride.at[d], d + 1);
    overflow |= numel > 0 && __builtin_mul_overflow(size.at[d] - 1, stride.at[d], &reach);
    overflow |= numel > 0 && !overflow && __builtin_add_overflow(most, reach, &most);
  }
  if (!code && (overflow || most == INT64_MAX))
    code = cr__fail(CR_E_SHAPE, "%s: shape %s with these strides reaches beyond all memory",
                    op->name, cr__shape_text(size.n, size.at, &text));
  *room = numel > 0 ? most + 1 : 0;
  return code;
}

cr_tensor *cr__run_empty_strided(const cr_op *op, cr__ints size, cr__ints stride, cr_dtype dtype,
                                 cr_device device, cr_tensor *self) {
  int64_t room;
  if (room_of(op, size, stride, &room)) return NULL;
  cr_dtype natural = self ? (cr_dtype)self->dtype : cr_default_dtype();
  cr_device here = self ? cr_device_of(self) : CR_CPU;
  cr_tensor *memory = cr__new(op->name, cr__given_dtype_or(dtype, natural),
                              cr__given_device_or(device, here), 1, &room);
  cr_tensor *t = memory ? cr__alias(memory, size.n, size.at, stride.at, 0) : NULL;
  cr_release(memory);
  return t;
}

cr_tensor *cr__run_empty_permuted(const cr_op *op, cr__ints size, cr__ints physical_layout,
                                  cr_dtype dtype, cr_device device) {
  int64_t stride[CR_MAX_DIMS], numel, step = 1;
  uint32_t mask;
  if (cr__count(op->name, size.n, size.at, &numel)) return NULL;
  if (physical_layout.n != size.n)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT,
                                  "%s: got %d dims for a tensor of %d; each is to be named once",
                                  op->name, physical_layout.n, size.n));
  if (cr__dim_mask(op->name, (cr_value[]){cr_ints(physical_layout.at, physical_layout.n)}, size.n,
                   &mask))
    return NULL;
  for (int i = size.n - 1; i >= 0; i--) {
    int d = 0;
    cr__wrap_dim(op->name, "physical_layout", physical_layout.at[i], size.n, &d);
    stride[d] = step;
    step *= size.at[d] > 0 ? size.at[d] : 1;
  }
  return cr__run_empty_strided(op, size, (cr__ints){stride, size.n}, dtype, device, NULL);
}

cr_tensor *cr__run_full_like(const cr_op *op, cr_tensor *self, cr_dtype dtype, cr_device device,
                             cr_value fill_value) {
  dtype = cr__given_dtype_or(dtype, (cr_dtype)self->dtype);
  device = cr__given_device_or(device, cr_device_of(self));
  cr_tensor *t = device == cr_device_of(self)
                     ? cr__new_strided_like(op->name, self, dtype)
                     : cr__new(op->name, dtype, device, self->ndim, cr__sizes(self));
  return filled(op->name, t, filling(op, fill_value));
}

cr_tensor *cr__run_new_full(const cr_op *op, cr_tensor *self, cr__ints size, cr_dtype dtype,
                            cr_device device, cr_value fill_value) {
  return filled(op->name,
                cr__new(op->name, cr__given_dtype_or(dtype, (cr_dtype)self->dtype),
                        cr__given_device_or(device, cr_device_of(self)), size.n, size.at),
                filling(op, fill_value));
}

/* ---- Ranges ------------------------------------------------------------------------------- */

static double number_of(cr_value v) { return v.kind == CR_FLOAT ? v.u.f : (double)v.u.i; }

/* Truncates; the caller has bounded the number. */
static int64_t integer_of(cr_value v) { return v.kind == CR_FLOAT ? (int64_t)v.u.f : v.u.i; }

static int check_finite(const cr_op *op, const char *name, cr_value number, bool to_int) {
  double x = number_of(number);
  if (!isfinite(x))
    return cr__fail(CR_E_ARGUMENT, "%s: %s must be a finite number, got %g", op->lua, name, x);
  if (!to_int || number.kind != CR_FLOAT || fabs(x) < 0x1p63) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s is %g, which no 64-bit integer holds", op->lua, name, x);
}

static int refuse_bool(const cr_op *op, cr_dtype dtype) {
  if (dtype != CR_BOOL) return 0;
  return cr__fail(CR_E_DTYPE, "%s: a range has numbers, not bool; compare the result with :ne(0)",
                  op->lua);
}

static int wrong_way(const cr_op *op, double start, double stop, double step) {
  if (step == 0) return cr__fail(CR_E_ARGUMENT, "%s: step must not be 0", op->lua);
  return cr__fail(CR_E_ARGUMENT, "%s: steps of %g never get from %g to %g", op->lua, step, start,
                  stop);
}

/* The count of start, start + step, ... below (above, for a negative step) stop. */
static int count_ints(const cr_op *op, int64_t start, int64_t stop, int64_t step, int64_t *n) {
  __int128 way = (__int128)stop - start, pace = step;
  if (pace == 0 || (way > 0 && pace < 0) || (way < 0 && pace > 0)) {
    return wrong_way(op, (double)start, (double)stop, (double)step);
  }
  if (pace < 0) way = -way, pace = -pace;
  __int128 count = (way + pace - 1) / pace;
  *n = count > INT64_MAX ? INT64_MAX : (int64_t)count;
  return 0;
}

static int count_floats(const cr_op *op, double start, double stop, double step, int64_t *n) {
  if (step == 0 || (stop > start && step < 0) || (stop < start && step > 0)) {
    return wrong_way(op, start, stop, step);
  }
  double count = ceil((stop - start) / step);
  *n = count < 0x1p63 ? (int64_t)count : INT64_MAX; /* too many: cr__new says so */
  return 0;
}

/* The first and the last number of a range, between which the others lie, must fit. */
static int check_ends(const cr_op *op, cr_dtype dtype, int64_t n, cr_value first, cr_value last) {
  if (n == 0) return 0;
  int code = cr__check_store(op->lua, dtype, &first);
  return code || n == 1 ? code : cr__check_store(op->lua, dtype, &last);
}

/* A range: how many numbers it has, the first one, and by what they grow, in integers or in floats. Integers between
 * float bounds are counted as floats are, but for int64, whose bounds are cut first (as PyTorch does both). */
typedef struct range {
  cr_dtype dtype;
  bool ints, counted_as_floats;
  int64_t n, first_int, step_int;
  double first, step;
} range;

/* Counts the range, all of whose numbers its dtype must hold. */
static int count(const cr_op *op, range *r, cr_value stop) {
  cr_value first = cr_float(r->first), last;
  int code = r->counted_as_floats
                 ? count_floats(op, r->first, number_of(stop), r->step, &r->n)
                 : count_ints(op, r->first_int, integer_of(stop), r->step_int, &r->n);
  if (code) return code;
  if (r->ints) {
    first = cr_int(r->first_int);
    last = cr_int((int64_t)((uint64_t)r->first_int + (uint64_t)(r->n - 1) * (uint64_t)r->step_int));
  } else last = cr_float(r->first + r->step * (double)(r->n - 1));
  return check_ends(op, r->dtype, r->n, first, last);
}

static int count_up(const cr_op *op, const range *r, const cr_tensor *t) {
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(t));
  cr__launch_view(&k, &k.arange.out, t);
  k.arange.ints = r->ints;
  k.arange.first_int = r->first_int, k.arange.step_int = r->step_int;
  k.arange.first = r->first, k.arange.step = r->step;
  return cr__launch_run(&k, CR__K_arange);
}

/* Without a start from 0, in steps of 1. */
cr_tensor *cr__run_arange(const cr_op *op, cr_value stop, cr_dtype dtype, cr_device device,
                          cr_value start, cr_value step) {
  if (start.kind == CR_NONE) start = cr_int(0), step = cr_int(1);
  bool floats = start.kind == CR_FLOAT || stop.kind == CR_FLOAT || step.kind == CR_FLOAT;
  range r = {.dtype = cr__given_dtype_or(dtype, floats ? cr_default_dtype() : CR_INT64)};
  bool whole = cr__category(r.dtype) == CR_INTEGRAL;
  int code = refuse_bool(op, r.dtype);
  if (!code) code = check_finite(op, "start", start, whole);
  if (!code) code = check_finite(op, "stop", stop, whole);
  if (!code) code = check_finite(op, "step", step, whole);
  if (code) return NULL;
  r.ints = whole || !floats;
  r.counted_as_floats = floats && r.dtype != CR_INT64;
  if (r.ints) r.first_int = integer_of(start), r.step_int = integer_of(step);
  r.first = number_of(start), r.step = number_of(step);
  if (count(op, &r, stop)) return NULL;
  cr_tensor *t = cr__new(op->lua, r.dtype, cr__given_device_or(device, CR_CPU), 1, &r.n);
  return t ? cr__filled(count_up(op, &r, t), t) : NULL;
}

/* The ends of a range of n numbers at equal distances, or of the powers of base with these exponents. */
static int check_span(const cr_op *op, cr_dtype dtype, int64_t n, cr_value start, cr_value stop,
                      const double *base) {
  if (!base) return check_ends(op, dtype, n, start, stop);
  return check_ends(op, dtype, n, cr_float(pow(*base, number_of(start))),
                    cr_float(pow(*base, number_of(stop))));
}

static int space_out(const cr_op *op, cr_value start, cr_value stop, const double *base,
                     const cr_tensor *t) {
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(t));
  cr__launch_view(&k, &k.linspace.out, t);
  bool ints = !base && cr__category((cr_dtype)t->dtype) == CR_INTEGRAL;
  k.linspace.powers = base != NULL, k.linspace.ints = ints;
  k.linspace.first_int = ints ? integer_of(start) : 0;
  k.linspace.last_int = ints ? integer_of(stop) : 0;
  k.linspace.first = number_of(start), k.linspace.last = number_of(stop);
  k.linspace.base = base ? *base : 0;
  return cr__launch_run(&k, CR__K_linspace);
}

/* linspace, and logspace, which alone has a base. */
cr_tensor *cr__run_linspace(const cr_op *op, cr_value start, cr_value stop, int64_t steps,
                            cr_dtype dtype, cr_device device, const double *base) {
  dtype = cr__given_dtype_or(dtype, cr_default_dtype());
  bool whole = cr__category(dtype) == CR_INTEGRAL;
  int code = refuse_bool(op, dtype);
  if (!code) code = check_finite(op, "start", start, whole);
  if (!code) code = check_finite(op, "stop", stop, whole);
  if (code) return NULL;
  if (steps < 0)
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "%s: steps must not be negative, got %lld",
                                  op->name, (long long)steps));
  if (check_span(op, dtype, steps, start, stop, base)) return NULL;
  cr_tensor *t = cr__new(op->name, dtype, cr__given_device_or(device, CR_CPU), 1, &steps);
  return t ? cr__filled(space_out(op, start, stop, base, t), t) : NULL;
}

cr_tensor *cr__run_eye(const cr_op *op, int64_t n, const int64_t *m, cr_dtype dtype,
                       cr_device device) {
  int64_t shape[] = {n, m ? *m : n};
  cr_tensor *t = filled(op->name,
                        cr__new(op->name, cr__given_dtype_or(dtype, cr_default_dtype()),
                                cr__given_device_or(device, CR_CPU), 2, shape),
                        cr_int(0));
  if (!t) return NULL;
  int64_t length = n < shape[1] ? n : shape[1], step = shape[1] + 1;
  cr_tensor *diagonal = cr__alias(t, 1, &length, &step, t->offset);
  int code = diagonal ? cr__fill(op->name, diagonal, cr_int(1)) : (int)cr_error_code();
  cr_release(diagonal);
  return cr__filled(code, t);
}
