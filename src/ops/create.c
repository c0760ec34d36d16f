/* create.c: tensors filled with one number, ranges, the identity matrix.
 *
 * Holds true: every argument has been checked before memory is asked for, and counts are computed
 * without overflow: in 128 bits for integers, in float64 and then bounded for floats. */
#include <math.h>

#include "create.h"

static cr_value find(const cr_op *op, const cr_value *args, int type) {
  for (int i = op->nparam - 1; i >= 0; i--) {
    if (op->params[i].type == type) return args[i];
  }
  return cr_none();
}

/* The number that op fills with: its name says it, or its scalar parameter. CR_NONE: none at all. */
static cr_value filling(const cr_op *op, const cr_value *args) {
  switch (op->id) {
  case CR__OP_zeros:
  case CR__OP_zeros_like:
  case CR__OP_new_zeros: return cr_int(0);
  case CR__OP_ones:
  case CR__OP_ones_like:
  case CR__OP_new_ones: return cr_int(1);
  default: return find(op, args, CR_P_SCALAR);
  }
}

static int make_filled(const char *op, cr_dtype dtype, cr_device device, int ndim,
                       const int64_t *shape, cr_value number, cr_tensor **out) {
  cr_tensor *t = cr__new(op, dtype, device, ndim, shape);
  if (!t) return cr_error_code();
  return cr__give_if(number.kind == CR_NONE ? 0 : cr__fill(op, t, number), t, out);
}

int cr__run_full(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_value number = filling(op, args), size = find(op, args, CR_P_SHAPE);
  bool by_number = op->id == CR__OP_full || op->id == CR__OP_scalar_tensor;
  cr_dtype natural = by_number ? cr__scalar_dtype(&number) : cr_default_dtype();
  return make_filled(op->name, cr__dtype_or(find(op, args, CR_P_DTYPE), natural),
                     cr__device_or(find(op, args, CR_P_DEVICE), CR_CPU), size.n, size.u.is, number,
                     out);
}

int cr__run_empty(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  return cr__give(cr__new(op->name, cr__dtype_or(args[1], cr_default_dtype()),
                          cr__device_or(args[2], CR_CPU), args[0].n, args[0].u.is),
                  out);
}

int cr__run_full_like(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  cr_dtype dtype = cr__dtype_or(find(op, args, CR_P_DTYPE), (cr_dtype)self->dtype);
  cr_device device = cr__device_or(find(op, args, CR_P_DEVICE), cr_device_of(self));
  cr_value number = filling(op, args);
  if (device != cr_device_of(self)) {
    return make_filled(op->name, dtype, device, self->ndim, cr__sizes(self), number, out);
  }
  cr_tensor *t = cr__new_strided_like(op->name, self, dtype);
  if (!t) return cr_error_code();
  return cr__give_if(number.kind == CR_NONE ? 0 : cr__fill(op->name, t, number), t, out);
}

int cr__run_new_full(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  cr_tensor *self = args[0].u.t;
  return make_filled(op->name, cr__dtype_or(find(op, args, CR_P_DTYPE), (cr_dtype)self->dtype),
                     cr__device_or(find(op, args, CR_P_DEVICE), cr_device_of(self)), args[1].n,
                     args[1].u.is, filling(op, args), out);
}

/* ---- Ranges ------------------------------------------------------------------------------- */

static double number_of(cr_value v) { return v.kind == CR_FLOAT ? v.u.f : (double)v.u.i; }

/* Truncates; the caller has bounded the number. */
static int64_t integer_of(cr_value v) { return v.kind == CR_FLOAT ? (int64_t)v.u.f : v.u.i; }

static int check_finite(const cr_op *op, const cr_value *args, int n, bool to_int) {
  for (int i = 0; i < n; i++) {
    double x = number_of(args[i]);
    if (!isfinite(x)) {
      return cr__fail(CR_E_ARGUMENT, "%s: %s must be a finite number, got %g", op->lua,
                      op->params[i].name, x);
    }
    if (to_int && args[i].kind == CR_FLOAT && !(fabs(x) < 0x1p63)) {
      return cr__fail(CR_E_ARGUMENT, "%s: %s is %g, which no 64-bit integer holds", op->lua,
                      op->params[i].name, x);
    }
  }
  return 0;
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

int cr__run_arange(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool short_form = op->id == CR__OP_arange_to;
  cr_value start = short_form ? cr_int(0) : args[0], stop = args[short_form ? 0 : 1];
  cr_value step = short_form ? cr_int(1) : args[2];
  const cr_value *options = args + (short_form ? 1 : 3);
  bool floats = start.kind == CR_FLOAT || stop.kind == CR_FLOAT || step.kind == CR_FLOAT;
  cr_dtype dtype = cr__dtype_or(options[0], floats ? cr_default_dtype() : CR_INT64);
  bool ints = cr__category(dtype) == CR_INTEGRAL;
  int64_t n = 0;
  int code = refuse_bool(op, dtype);
  if (!code) code = check_finite(op, args, short_form ? 1 : 3, ints);
  if (code) return code;
  cr_value last;
  if (ints || !floats) {
    int64_t from = integer_of(start), by = integer_of(step);
    code = count_ints(op, from, integer_of(stop), by, &n);
    start = cr_int(from);
    last = cr_int((int64_t)((uint64_t)from + (uint64_t)(n - 1) * (uint64_t)by));
  } else {
    double from = number_of(start), by = number_of(step);
    code = count_floats(op, from, number_of(stop), by, &n);
    last = cr_float(from + by * (double)(n - 1));
  }
  if (!code) code = check_ends(op, dtype, n, start, last);
  if (code) return code;
  cr_tensor *t = cr__new(op->lua, dtype, cr__device_or(options[1], CR_CPU), 1, &n);
  if (!t) return cr_error_code();
  cr__launch k;
  cr__launch_begin(&k, op->lua, cr_device_of(t));
  cr__launch_view(&k, &k.arange.out, t);
  bool integers = k.arange.integers = ints || !floats;
  k.arange.start = integers ? integer_of(start) : 0;
  k.arange.step = integers ? integer_of(step) : 0;
  k.arange.first = number_of(start), k.arange.by = number_of(step);
  return cr__give_if(cr__launch_run(&k, CR__K_arange), t, out);
}

/* The ends of a range of n numbers at equal distances, or of the powers of base with these exponents. */
static int check_span(const cr_op *op, const cr_value *args, cr_dtype dtype, int64_t n) {
  if (op->id != CR__OP_logspace) return check_ends(op, dtype, n, args[0], args[1]);
  double base = args[3].u.f;
  return check_ends(op, dtype, n, cr_float(pow(base, number_of(args[0]))),
                    cr_float(pow(base, number_of(args[1]))));
}

int cr__run_linspace(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  bool powers = op->id == CR__OP_logspace;
  const cr_value *options = args + (powers ? 4 : 3);
  cr_dtype dtype = cr__dtype_or(options[0], cr_default_dtype());
  bool ints = cr__category(dtype) == CR_INTEGRAL;
  int64_t n = args[2].u.i;
  int code = refuse_bool(op, dtype);
  if (!code) code = check_finite(op, args, 2, ints);
  if (code) return code;
  if (n < 0) {
    return cr__fail(CR_E_ARGUMENT, "%s: steps must not be negative, got %lld", op->name,
                    (long long)n);
  }
  code = check_span(op, args, dtype, n);
  if (code) return code;
  cr_tensor *t = cr__new(op->name, dtype, cr__device_or(options[1], CR_CPU), 1, &n);
  if (!t) return cr_error_code();
  cr__launch k;
  cr__launch_begin(&k, op->name, cr_device_of(t));
  cr__launch_view(&k, &k.linspace.out, t);
  bool integers = k.linspace.integers = ints && !powers;
  k.linspace.powers = powers;
  k.linspace.first = integers ? integer_of(args[0]) : 0;
  k.linspace.last = integers ? integer_of(args[1]) : 0;
  k.linspace.from = number_of(args[0]), k.linspace.to = number_of(args[1]);
  k.linspace.base = powers ? args[3].u.f : 0;
  return cr__give_if(cr__launch_run(&k, CR__K_linspace), t, out);
}

int cr__run_eye(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  (void)nout;
  int64_t n = args[0].u.i, m = args[1].kind == CR_INT ? args[1].u.i : n;
  int code = make_filled(op->name, cr__dtype_or(args[2], cr_default_dtype()),
                         cr__device_or(args[3], CR_CPU), 2, (int64_t[]){n, m}, cr_int(0), out);
  if (code) return code;
  cr_tensor *t = out[0];
  cr_tensor *diagonal = cr__alias(t, 1, (int64_t[]){n < m ? n : m}, (int64_t[]){m + 1}, t->offset);
  code = diagonal ? cr__fill(op->name, diagonal, cr_int(1)) : (int)cr_error_code();
  cr_release(diagonal);
  return cr__give_if(code, t, out);
}
