/* reduce.c: reductions over dims: sums, products, extremes, moments, norms, truth.
 *
 * Holds true: all of them are one kernel, told how to map, fold and finish. Sums of float16 and
 * bfloat16 are gathered in wider types and rounded once. */
#include <math.h>
#include <string.h>

#include "reduce.h"

typedef struct recipe {
  cr__fold fold;
  cr__map map;
  cr__finish finish;
  cr_dtype compute, result;
  double power, number;
} recipe;

cr_tensor *cr__new_folded(const char *op, cr_tensor *self, uint32_t mask, bool keepdim,
                          cr_dtype dtype) {
  int64_t shape[CR_MAX_DIMS];
  int n = 0;
  for (int d = 0; d < self->ndim; d++) {
    bool folds = mask >> d & 1;
    if (!folds) shape[n++] = cr__sizes(self)[d];
    else if (keepdim) shape[n++] = 1;
  }
  return cr__new(op, dtype, cr_device_of(self), n, shape);
}

void cr__view_folded(cr__launch *k, cr__view *slot, const cr_tensor *out, const cr_tensor *self,
                     uint32_t mask) {
  cr__view *v = cr__launch_view(k, slot, out);
  v->ndim = self->ndim;
  for (int d = 0; d < self->ndim; d++) v->shape[d] = mask >> d & 1 ? 1 : cr__sizes(self)[d];
  cr__fill_strides(v->ndim, v->shape, v->stride);
}

int cr__need_float(const char *op, cr_dtype dtype, const char *advice) {
  if (cr__is_float(dtype)) return 0;
  return cr__fail(CR_E_DTYPE, "%s: expected a float dtype, got %s; %s", op, cr_dtype_name(dtype),
                  advice);
}

/* True if few elements were folded to the one of t: most small reductions are such. */
static bool fold_few(cr_tensor *self, const recipe *r, cr_tensor *t) {
  if (r->compute != (cr_dtype)self->dtype || r->map != CR__MAP_NONE) return false;
  if (r->fold > CR__FOLD_MIN || r->finish > CR__FINISH_DIVIDE) return false;
  cr__fold_few f = {.fold = r->fold, .finish = r->finish, .number = r->number};
  return cr__run_fold_few(&f, self, t);
}

/* The dims of `among` along which elements repeat. */
static uint32_t repeated(const cr_tensor *self, uint32_t among) {
  uint32_t found = 0;
  for (int d = 0; d < self->ndim; d++)
    if (among >> d & 1 && cr__steps(self)[d] == 0 && cr__sizes(self)[d] > 1) found |= 1u << d;
  return found;
}

/* Folds into `out`, which has the dims of self, or those that are folded fewer. Of elements that repeat along a dim,
 * one is read: what stays has one result then, and extremes are those of one. */
static int fold_into(const char *op, cr_tensor *self, uint32_t mask, const recipe *r,
                     const cr_tensor *out, bool whole) {
  cr__launch k;
  cr__launch_begin(&k, op, cr_device_of(self));
  cr__view *from = cr__launch_view(&k, &k.reduce.from, self);
  bool extreme = r->fold == CR__FOLD_MAX || r->fold == CR__FOLD_MIN;
  uint32_t once = repeated(self, (extreme ? mask : 0) | (whole ? ~mask : 0));
  for (int d = 0; d < from->ndim; d++)
    if (once >> d & 1) from->shape[d] = 1;
  if (whole) cr__launch_view(&k, &k.reduce.out, out);
  else cr__view_folded(&k, &k.reduce.out, out, self, mask);
  k.reduce.mask = mask, k.reduce.fold = r->fold, k.reduce.map = r->map;
  k.reduce.finish = r->finish, k.reduce.compute = r->compute;
  k.reduce.power = r->power, k.reduce.number = r->number;
  return cr__launch_run(&k, CR__K_reduce);
}

/* The same where elements repeat along the dims `same`, which stay: each is folded once, and copied. */
static int fold_repeated(const char *op, cr_tensor *self, uint32_t mask, uint32_t same,
                         const recipe *r, const cr_tensor *out) {
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < self->ndim; d++) shape[d] = (mask | same) >> d & 1 ? 1 : cr__sizes(self)[d];
  cr_tensor *few = cr__new(op, r->result, cr_device_of(self), self->ndim, shape);
  int code = few ? fold_into(op, self, mask, r, few, true) : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op, cr_device_of(self));
    cr__view_folded(&k, &k.copy.to, out, self, mask);
    cr__view *from = cr__launch_view(&k, &k.copy.from, few);
    for (int d = 0; d < self->ndim; d++)
      if (same >> d & 1) from->shape[d] = cr__sizes(self)[d], from->stride[d] = 0;
    code = cr__launch_run(&k, CR__K_copy);
  }
  cr_release(few);
  return code;
}

static cr_tensor *fold(const char *op, cr_tensor *self, uint32_t mask, bool keepdim,
                       const recipe *r) {
  cr_tensor *t = cr__new_folded(op, self, mask, keepdim, r->result);
  if (!t || fold_few(self, r, t)) return t;
  uint32_t same = self->numel ? repeated(self, ~mask) : 0;
  int code =
      same ? fold_repeated(op, self, mask, same, r, t) : fold_into(op, self, mask, r, t, false);
  return cr__filled(code, t);
}

static int need_elements(const char *op, const cr_tensor *self, uint32_t mask) {
  if (cr__fold_count(self, mask) > 0) return 0;
  cr__text text;
  return cr__fail(CR_E_SHAPE, "%s: there is no element to choose along an empty dim (shape %s)", op,
                  cr__shape_text(self->ndim, cr__sizes(self), &text));
}

/* Sums and products; a bool result is true where the exact one is not zero. */
static recipe total(cr__fold how, cr_dtype from, cr_dtype to) {
  cr_dtype compute = cr__is_float(to) ? to : to == CR_BOOL && cr__is_float(from) ? from : CR_INT64;
  return (recipe){.fold = how, .compute = compute, .result = to};
}

static int spread_recipe(const cr_op *op, cr_tensor *self, cr_value correction, int64_t n,
                         recipe *r) {
  double rest = (double)n - cr__number(correction);
  bool root = op->id == CR__OP_std;
  *r = (recipe){.fold = CR__FOLD_MOMENTS,
                .finish = root ? CR__FINISH_DIVIDE_ROOT : CR__FINISH_DIVIDE,
                .compute = (cr_dtype)self->dtype,
                .result = (cr_dtype)self->dtype,
                .number = rest > 0 ? rest : 0};
  return cr__need_float(op->name, (cr_dtype)self->dtype, "convert it first");
}

static int mean_recipe(const cr_op *op, cr_tensor *self, cr_dtype asked, int64_t n, recipe *r) {
  cr_dtype dtype = cr__given_dtype_or(asked, (cr_dtype)self->dtype);
  if (op->id == CR__OP_mean_or_zero && n == 0) n = 1;
  *r = (recipe){.fold = CR__FOLD_SUM,
                .finish = CR__FINISH_DIVIDE,
                .compute = dtype,
                .result = dtype,
                .number = (double)n};
  return cr__is_float(dtype) ? 0 : cr__need_float(op->name, dtype, cr__dtype_advice(op));
}

static int recipe_of(const cr_op *op, cr_tensor *self, cr_dtype asked, cr_value correction,
                     int64_t n, recipe *r) {
  cr_dtype dtype = (cr_dtype)self->dtype, truth = dtype == CR_UINT8 ? CR_UINT8 : CR_BOOL;
  switch (op->id) {
  case CR__OP_sum: *r = total(CR__FOLD_SUM, dtype, cr__sum_dtype(asked, dtype)); break;
  case CR__OP_prod: *r = total(CR__FOLD_PROD, dtype, cr__sum_dtype(asked, dtype)); break;
  case CR__OP_nansum:
    *r = total(CR__FOLD_SUM, dtype, cr__sum_dtype(asked, dtype));
    if (cr__is_float(dtype)) r->map = CR__MAP_NAN_TO_ZERO;
    if (cr__is_float(dtype) && !cr__is_float(r->compute)) r->compute = dtype;
    break;
  case CR__OP_mean:
  case CR__OP_mean_or_zero: return mean_recipe(op, self, asked, n, r);
  case CR__OP_var:
  case CR__OP_std: return spread_recipe(op, self, correction, n, r);
  case CR__OP_count_nonzero:
    *r = (recipe){CR__FOLD_SUM, CR__MAP_NONZERO, 0, dtype, CR_INT64, 0, 0};
    break;
  case CR__OP_all: *r = (recipe){CR__FOLD_MIN, CR__MAP_NONZERO, 0, dtype, truth, 0, 0}; break;
  case CR__OP_any: *r = (recipe){CR__FOLD_MAX, CR__MAP_NONZERO, 0, dtype, truth, 0, 0}; break;
  case CR__OP_amax:
  case CR__OP_max: *r = (recipe){CR__FOLD_MAX, 0, 0, dtype, dtype, 0, 0}; break;
  default: *r = (recipe){CR__FOLD_MIN, 0, 0, dtype, dtype, 0, 0}; break;
  }
  return 0;
}

cr_tensor *cr__run_reduce(const cr_op *op, cr_tensor *self, cr__ints dim, bool keepdim,
                          cr_dtype dtype, cr_value correction) {
  uint32_t mask;
  int code = cr__fold_mask(op->name, dim, self->ndim, &mask);
  recipe r;
  if (!code) code = recipe_of(op, self, dtype, correction, cr__fold_count(self, mask), &r);
  if (code) return cr__no_tensor(code);
  bool chooses = (r.fold == CR__FOLD_MAX || r.fold == CR__FOLD_MIN) && r.map == CR__MAP_NONE;
  if (chooses) code = need_elements(op->name, self, mask);
  return code ? NULL : fold(op->name, self, mask, keepdim, &r);
}

/* The sum of squares is gathered in float64, where squares of float32 do not overflow. */
static recipe norm_recipe(double p, cr_dtype result) {
  cr_dtype wide = CR_FLOAT64;
  if (p == 0) return (recipe){CR__FOLD_SUM, CR__MAP_NONZERO, 0, result, result, 0, 0};
  if (p == 1) return (recipe){CR__FOLD_SUM, CR__MAP_ABS, 0, result, result, 0, 0};
  if (p == 2) {
    return (recipe){CR__FOLD_SUM, CR__MAP_SQUARE, CR__FINISH_DIVIDE_ROOT, wide, result, 0, 1};
  }
  if (isinf(p)) {
    return (recipe){p > 0 ? CR__FOLD_MAX : CR__FOLD_MIN, CR__MAP_ABS, 0, result, result, 0, 0};
  }
  return (recipe){CR__FOLD_SUM, CR__MAP_POWER, CR__FINISH_POWER, wide, result, p, 0};
}

cr_tensor *cr__run_norm(const cr_op *op, cr_tensor *self, cr_value p, cr__ints dim, bool keepdim,
                        cr_dtype dtype) {
  double power = cr__number(p);
  dtype = cr__given_dtype_or(dtype, (cr_dtype)self->dtype);
  uint32_t mask;
  int code = cr__fold_mask(op->name, dim, self->ndim, &mask);
  if (!code) code = cr__is_float(dtype) ? 0 : cr__need_float(op->name, dtype, cr__dtype_advice(op));
  if (!code && (power < 0 || isinf(power))) code = need_elements(op->name, self, mask);
  if (code) return cr__no_tensor(code);
  recipe r = norm_recipe(power, dtype);
  return fold(op->name, self, mask, keepdim, &r);
}

cr_tensor *cr__run_norm_named(const cr_op *op, cr_tensor *self, const char *p, cr__ints dim,
                              bool keepdim, cr_dtype dtype) {
  (void)op;
  if (strcmp(p, "fro")) {
    cr_quoted text;
    return cr__no_tensor(cr__fail(CR_E_ARGUMENT, "norm: p is %s; it may be \"fro\" or a number",
                                  cr__quote(p, &text)));
  }
  return cr__call_norm(self, cr_int(2), dim.at, dim.n, keepdim, dtype);
}

cr_tensor *cr__run_logsumexp(const cr_op *op, cr_tensor *self, cr__ints dim, bool keepdim) {
  cr_tensor *result = NULL;
  uint32_t mask;
  int code = cr__fold_mask(op->name, dim, self->ndim, &mask);
  if (code) return cr__no_tensor(code);
  bool is_float = cr__is_float((cr_dtype)self->dtype);
  cr_tensor *x = is_float ? cr_retain(self) : cr__copy_of(op->name, self, cr_default_dtype());
  if (x) result = cr__new_folded(op->name, x, mask, keepdim, (cr_dtype)x->dtype);
  code = result ? 0 : (int)cr_error_code();
  if (!code) {
    cr__launch k;
    cr__launch_begin(&k, op->name, cr_device_of(x));
    cr__view_folded(&k, &k.reduce.out, result, x, mask);
    cr__launch_view(&k, &k.reduce.from, x);
    k.reduce.mask = mask, k.reduce.fold = CR__FOLD_LOGSUMEXP, k.reduce.map = CR__MAP_NONE;
    k.reduce.finish = CR__FINISH_NONE, k.reduce.compute = x->dtype;
    code = cr__launch_run(&k, CR__K_reduce);
  }
  cr_release(x);
  return cr__filled(code, result);
}
