/* pointwise.c: what happens before the loops of an elementwise operation: promotion, broadcasting,
 * the result.
 *
 * Holds true: operands come first in an operation's parameters, its numbers after them. A tensor of
 * 0 dims on the CPU may join tensors of another device: it is read as a number. */
#include <stdio.h>
#include <string.h>

#include "pointwise.h"

/* One call on its way to a backend. */
typedef struct call {
  const cr_op *op;
  const cr__impl *impl;
  const cr_value *args;
  cr_device device;
  cr_dtype compute, result;
  int ndim;
  int64_t numel;
  int64_t shape[CR_MAX_DIMS];
  cr_value own[CR__MAX_OPERANDS + 4]; /* args, where a number had to be replaced */
} call;

static const int64_t one_step = 1;

/* ---- Dtypes ---- */

static cr_dtype computes_in(cr_dtype d) {
  return d == CR_FLOAT16 || d == CR_BFLOAT16 ? CR_FLOAT32 : d;
}

/* For storage, but compared and chosen all the same: as an integer that has its values or, where only equality or
 * no value counts, its bits. CR_DTYPE_NONE: no. */
static cr_dtype stands_for(const cr__impl *impl, cr_dtype d) {
  switch (impl->pointwise) {
  case CR__PW_lt:
  case CR__PW_le:
  case CR__PW_gt:
  case CR__PW_ge: return d == CR_UINT64 ? CR_DTYPE_NONE : CR_INT64;
  case CR__PW_eq:
  case CR__PW_ne: return CR_INT64;
  case CR__PW_where:
  case CR__PW_masked_fill: return d == CR_UINT64 ? CR_INT64 : d == CR_UINT32 ? CR_INT32 : CR_INT16;
  default: return CR_DTYPE_NONE;
  }
}

static bool accepts(const cr__impl *impl, cr_dtype d) {
  static const uint8_t bit[] = {[CR_BOOLEAN] = CR__BOOL_OK,
                                [CR_INTEGRAL] = CR__INTS_OK,
                                [CR_FLOATING] = CR__FLOAT_OK,
                                [CR_COMPLEX] = CR__COMPLEX_OK};
  return impl->dtypes & bit[cr__category(d)];
}

static int refuse_dtype(const cr_op *op, const cr__impl *impl, cr_dtype d) {
  if (cr__is_stored(d)) return cr__fail_stored(op, d);
  static const char *const takes[] = {"nothing",
                                      "integers",
                                      "bools",
                                      "integers and bools",
                                      "floats",
                                      "floats and integers",
                                      "floats and bools",
                                      "floats, integers and bools"};
  int mask = (impl->dtypes & CR__INTS_OK ? 1 : 0) | (impl->dtypes & CR__BOOL_OK ? 2 : 0) |
             (impl->dtypes & CR__FLOAT_OK ? 4 : 0);
  return cr__fail(CR_E_DTYPE, "%s: cannot compute in %s; it takes %s", op->lua, cr_dtype_name(d),
                  takes[mask]);
}

/* The dtype of the operands together, before the operation's own rule. */
static cr_dtype promoted(const cr__impl *impl, const cr_value *args) {
  cr__promotion p = CR__PROMOTION_INIT;
  for (int i = 0; i < impl->noperand; i++) {
    const cr_value *v = &args[i];
    if (impl->mask >> i & 1) continue;
    if (v->kind == CR_TENSOR) {
      if (impl->rule == CR__PROMOTE_SELF) return (cr_dtype)v->u.t->dtype;
      cr__promote_add(&p, v->u.t->ndim > 0 ? 0 : 1, (cr_dtype)v->u.t->dtype);
    } else {
      cr__promote_add(&p, 2, cr__scalar_dtype(v));
    }
  }
  return cr__promote_result(&p);
}

static inline int set_dtypes(call *c, cr_dtype d) {
  const cr__impl *impl = c->impl;
  if (impl->rule == CR__PROMOTE_FLOAT && !cr__is_inexact(d)) d = cr_default_dtype();
  cr_dtype as = CR__UNLIKELY(cr__is_stored(d)) ? stands_for(impl, d) : d;
  if (CR__UNLIKELY(as < 0 || !accepts(impl, as))) return refuse_dtype(c->op, impl, d);
  c->compute = computes_in(as);
  c->result = impl->rule == CR__PROMOTE_BOOL ? CR_BOOL : d;
  return 0;
}

cr_dtype cr__pointwise_dtype(const cr_op *op, const cr_value *args) {
  return promoted(&cr__impls[op->id], args);
}

/* Dtypes that are for storage join no integers. */
static int check_apart(const call *c) {
  cr_dtype first = CR_DTYPE_NONE, other = CR_DTYPE_NONE;
  for (int i = 0; i < c->impl->noperand; i++) {
    if (c->impl->mask >> i & 1 || c->args[i].kind != CR_TENSOR) continue;
    cr_dtype d = (cr_dtype)c->args[i].u.t->dtype;
    if (cr__is_inexact(d)) return 0;
    if (first < 0) first = d;
    else if (other < 0 && cr__are_apart(first, d)) other = d;
  }
  return other < 0 ? 0 : cr__fail_apart(c->op->lua, first, other);
}

static int check_masks(const call *c) {
  for (int i = 0; i < c->impl->noperand; i++) {
    if (!(c->impl->mask >> i & 1) || c->args[i].kind != CR_TENSOR) continue;
    cr_dtype d = (cr_dtype)c->args[i].u.t->dtype;
    if (d != CR_BOOL && d != CR_UINT8)
      return cr__fail(CR_E_DTYPE, "%s: %s must be a bool tensor, got %s; x:ne(0) makes one",
                      c->op->lua, c->op->params[i].name, cr_dtype_name(d));
  }
  return 0;
}

/* ---- Powers ---- */

/* A power by a common number is a product, so that x ^ 2, x:pow(2) and x * x agree to the bit. */
static const struct {
  int16_t from, to;
  bool ints;
  double exponent;
} shortcuts[] = {
    {CR__PW_pow, CR__PW_square, true, 2},      {CR__PW_pow, CR__PW_cube, true, 3},
    {CR__PW_pow, CR__PW_sqrt, false, 0.5},     {CR__PW_pow, CR__PW_reciprocal, false, -1},
    {CR__PW_pow, CR__PW_rsqrt, false, -0.5},   {CR__PW_pow, CR__PW_recip_square, false, -2},
    {CR__PW_pow_d, CR__PW_twice, false, 2},    {CR__PW_pow_d, CR__PW_cube_d, false, 3},
    {CR__PW_pow_d, CR__PW_sqrt_d, false, 0.5},
};

void cr__shorten_power(cr_dtype compute, const cr_value *v, int32_t *pointwise, int32_t *nin) {
  double exponent = v->kind == CR_FLOAT ? v->u.f : (double)v->u.i;
  for (size_t i = 0; i < sizeof shortcuts / sizeof *shortcuts; i++) {
    if (shortcuts[i].from != *pointwise || shortcuts[i].exponent != exponent) continue;
    if (!shortcuts[i].ints && !cr__is_inexact(compute)) continue;
    *pointwise = shortcuts[i].to;
    *nin = 1;
    return;
  }
}

/* ---- Calling the backend ---- */

static inline int run_backend(const call *c, cr__elementwise *e) {
  const cr__impl *impl = c->impl;
  e->op = c->op->lua;
  e->device = c->device;
  e->pointwise = impl->pointwise;
  e->compute = c->compute;
  e->nin = impl->noperand;
  e->nk = c->op->nparam - impl->noperand;
  for (int j = 0; j < e->nk; j++) e->k[j] = c->args[impl->noperand + j];
  if (cr__is_power(impl) && e->in[0].data && !e->in[1].data && e->in[1].number.kind != CR_NONE)
    cr__shorten_power(c->compute, &e->in[1].number, &e->pointwise, &e->nin);
  return cr__elementwise_run(e);
}

static void set_number(cr__operand *o, cr_value number) {
  o->data = NULL;
  o->dtype = CR_DTYPE_NONE;
  o->stride = NULL;
  o->number = number;
}

static void set_operand(cr__operand *o, const cr_tensor *t, const int64_t *stride) {
  o->data = cr__data(t);
  o->dtype = t->dtype;
  o->stride = stride;
}

/* All operands of `out`'s shape and contiguous, or numbers: one dim. */
static inline int run_flat(const call *c, cr_tensor *out) {
  if (out->numel == 0) return 0;
  cr__elementwise e;
  e.ndim = 1;
  e.shape = &out->numel;
  set_operand(&e.out, out, &one_step);
  for (int i = 0; i < c->impl->noperand; i++) {
    if (c->args[i].kind == CR_TENSOR) set_operand(&e.in[i], c->args[i].u.t, &one_step);
    else set_number(&e.in[i], c->args[i]);
  }
  return run_backend(c, &e);
}

static int run_strided(const call *c, cr_tensor *out) {
  if (out->numel == 0) return 0;
  cr__elementwise e;
  int64_t strides[CR__MAX_OPERANDS][CR_MAX_DIMS];
  int skip = 0; /* leading dims of size 1 mean nothing */
  while (skip + 1 < c->ndim && c->shape[skip] == 1) skip++;
  e.ndim = c->ndim - skip;
  e.shape = c->shape + skip;
  set_operand(&e.out, out, cr__steps(out) + skip);
  for (int i = 0; i < c->impl->noperand; i++) {
    const cr_value *v = &c->args[i];
    if (v->kind != CR_TENSOR) {
      set_number(&e.in[i], *v);
      continue;
    }
    const cr_tensor *t = v->u.t;
    if (t->storage->device != c->device) {
      cr_value number = cr__load_scalar(cr__data(t), (cr_dtype)t->dtype);
      bool real = cr__is_inexact(c->compute);
      set_number(&e.in[i], real ? cr__by_value((cr_dtype)t->dtype, number) : number);
      continue;
    }
    cr__broadcast_strides(t->ndim, cr__sizes(t), cr__steps(t), c->ndim, c->shape, strides[i]);
    set_operand(&e.in[i], t, strides[i] + skip);
  }
  return run_backend(c, &e);
}

/* ---- Pure calls ---- */

/* The model of the common case: the first operand, if all tensors are contiguous and have its
 * dtype, shape and device, and no number changes the dtype or is too large for it. Else NULL. */
static inline __attribute__((always_inline)) cr_tensor *
flat_model(const cr_op *op, const cr__impl *impl, const cr_value *args) {
  cr_tensor *t = args[0].u.t;
  if (args[0].kind != CR_TENSOR || impl->mask || !(t->flags & CR__CONTIGUOUS)) return NULL;
  for (int i = 1; i < impl->noperand; i++) {
    const cr_value *v = &args[i];
    if (v->kind != CR_TENSOR) {
      if (!cr__joins(impl, (cr_dtype)t->dtype, v)) return NULL;
      continue;
    }
    const cr_tensor *u = v->u.t;
    if (u->dtype != t->dtype || u->ndim != t->ndim || !(u->flags & CR__CONTIGUOUS)) return NULL;
    if (u->storage->device != t->storage->device) return NULL;
    for (int d = 0; d < t->ndim; d++)
      if (u->dims[d] != t->dims[d]) return NULL;
  }
  if (op->nparam > impl->noperand && !cr__all_join(op, impl, (cr_dtype)t->dtype, args)) return NULL;
  return t;
}

/* All tensors lie on one device; those of 0 dims on the CPU may join any. */
static int set_device(call *c) {
  const cr_tensor *first = NULL;
  for (int i = 0; i < c->impl->noperand; i++) {
    const cr_tensor *t = c->args[i].kind == CR_TENSOR ? c->args[i].u.t : NULL;
    if (!t || (first && t->storage->device == first->storage->device)) continue;
    if (!first || (first->ndim == 0 && first->storage->device == CR_CPU)) {
      first = t;
    } else if (t->ndim > 0 || t->storage->device != CR_CPU) {
      return cr__fail_devices(c->op->lua, first->storage->device, t->storage->device);
    }
  }
  c->device = first->storage->device;
  return 0;
}

/* Puts what a number beyond the dtype stands for in its place, and widens the computation. */
static int fit_numbers(call *c) {
  const cr__impl *impl = c->impl;
  if (cr__is_inexact(c->compute) && cr__takes_any(impl)) return 0;
  if (c->args != c->own) memcpy(c->own, c->args, c->op->nparam * sizeof *c->own);
  c->args = c->own;
  cr_dtype result = impl->rule == CR__PROMOTE_BOOL ? c->compute : c->result;
  return cr__fit_numbers(c->op, c->own, &c->compute, result);
}

/* Everything about the call but the flat case: shape, device, dtypes. */
static int plan(call *c) {
  bool any = false;
  c->ndim = 0;
  for (int i = 0; i < c->impl->noperand; i++) {
    if (c->args[i].kind != CR_TENSOR) continue;
    const cr_tensor *t = c->args[i].u.t;
    int code = cr__broadcast_into(c->op->lua, &c->ndim, c->shape, t->ndim, cr__sizes(t));
    if (code) return code;
    any = true;
  }
  if (!any)
    return cr__fail(CR_E_ARGUMENT, "%s: got numbers only; at least one argument must be a tensor",
                    c->op->lua);
  int code = check_masks(c);
  if (!code) code = check_apart(c);
  if (!code) code = set_device(c);
  if (cr__compare_exactly(c->impl, c->args, c->own)) c->args = c->own;
  if (!code) code = set_dtypes(c, promoted(c->impl, c->args));
  return code ? code : fit_numbers(c);
}

/* A result keeps the order of dims in memory of the first operand that has its shape. */
static cr_tensor *new_result(const call *c) {
  for (int i = 0; i < c->impl->noperand; i++) {
    if (c->args[i].kind != CR_TENSOR) continue;
    cr_tensor *t = c->args[i].u.t;
    if (!cr__has_shape(t, c->ndim, c->shape) || t->storage->device != c->device) continue;
    if (t->flags & CR__CONTIGUOUS) break;
    return cr__new_strided_like(c->op->lua, t, c->result);
  }
  return cr__new(c->op->lua, c->result, c->device, c->ndim, c->shape);
}

int cr__run_pointwise(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout) {
  call c;
  (void)nout;
  c.op = op;
  c.impl = &cr__impls[op->id];
  c.args = args;
  cr_tensor *t = flat_model(op, c.impl, args);
  int code = t ? set_dtypes(&c, (cr_dtype)t->dtype) : plan(&c);
  if (CR__UNLIKELY(code)) return code;
  if (t) {
    c.device = t->storage->device;
    out[0] = cr__new(op->lua, c.result, c.device, t->ndim, cr__sizes(t));
  } else {
    out[0] = new_result(&c);
  }
  if (!out[0]) return cr_error_code();
  code = t ? run_flat(&c, out[0]) : run_strided(&c, out[0]);
  if (CR__UNLIKELY(code)) {
    cr_release(out[0]);
    out[0] = NULL;
  }
  return code;
}

/* ---- Calls into a given tensor: in place, and out = ---- */

/* The name of the call in messages: add_ where the result goes into the first argument. */
static const char *call_name(const call *c, const cr_tensor *out, cr__text *buffer) {
  bool in_place = c->args[0].kind == CR_TENSOR && c->args[0].u.t == out;
  snprintf(buffer->s, sizeof buffer->s, in_place ? "%s_" : "%s", c->op->lua);
  return buffer->s;
}

static int check_out(const call *c, const cr_tensor *out) {
  cr__text name;
  if (!cr__can_cast(c->result, (cr_dtype)out->dtype))
    return cr__fail(CR_E_DTYPE, "%s: the result is %s, which a tensor of %s cannot hold",
                    call_name(c, out, &name), cr_dtype_name(c->result),
                    cr_dtype_name((cr_dtype)out->dtype));
  if (out->storage->device != c->device)
    return cr__fail(CR_E_DEVICE, "%s: the output is on another device than the inputs",
                    call_name(c, out, &name));
  return 0;
}

/* Plans a call into `out`; *flat as for the pure form. */
static int plan_into(call *c, const cr_tensor *out, bool *flat) {
  cr__text name, have, want;
  const cr_tensor *t = flat_model(c->op, c->impl, c->args);
  *flat = t && out->flags & CR__CONTIGUOUS && cr__has_shape(out, t->ndim, cr__sizes(t));
  if (*flat) c->device = t->storage->device;
  int code = *flat ? set_dtypes(c, (cr_dtype)t->dtype) : plan(c);
  if (code) return code;
  if (!*flat && !cr__has_shape(out, c->ndim, c->shape))
    return cr__fail(CR_E_SHAPE, "%s: output with shape %s cannot grow to the broadcast shape %s",
                    call_name(c, out, &name), cr__shape_text(out->ndim, cr__sizes(out), &have),
                    cr__shape_text(c->ndim, c->shape, &want));
  return check_out(c, out);
}

int cr__pointwise_check_into(const cr_op *op, const cr_value *args, const cr_tensor *out) {
  call c = {.op = op, .impl = &cr__impls[op->id], .args = args};
  bool flat;
  return plan_into(&c, out, &flat);
}

bool cr__pointwise_fits(const cr_op *op, const cr_value *args, const cr_tensor *out) {
  int code = cr__pointwise_check_into(op, args, out);
  if (code) cr_error_clear();
  return !code;
}

int cr__pointwise_into(const cr_op *op, const cr_value *args, cr_tensor *out) {
  if (cr__impls[op->id].few && cr__run_few(op, args, out)) return 0;
  call c;
  cr_value safe[CR__MAX_OPERANDS + 4];
  cr_tensor *copies[CR__MAX_OPERANDS];
  int ncopy = 0;
  c.op = op;
  c.impl = &cr__impls[op->id];
  c.args = args;
  bool flat;
  int code = plan_into(&c, out, &flat);
  if (code) return code;
  args = c.args;
  memcpy(safe, args, op->nparam * sizeof *args);
  for (int i = 0; i < c.impl->noperand && !code; i++) {
    if (args[i].kind != CR_TENSOR || !cr__collides(args[i].u.t, out)) continue;
    cr_tensor *copy = cr__snapshot(op->lua, args[i].u.t);
    if (!copy) {
      code = cr_error_code();
      break;
    }
    copies[ncopy++] = copy;
    safe[i] = cr_of(copy);
  }
  c.args = safe;
  if (!code) code = flat ? run_flat(&c, out) : run_strided(&c, out);
  while (ncopy > 0) cr_release(copies[--ncopy]);
  return code;
}
