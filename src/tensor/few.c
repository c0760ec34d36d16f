/* few.c: elementwise calls and reductions of few elements, which most small calls are, with next to nothing
 * around the loop.
 *
 * Holds true: a call goes this way if its tensors are contiguous ones of one shape on the CPU, all of a dtype
 * that the operation computes in and gives as it is. That leaves nothing to promote, to broadcast or to convert,
 * and implies what is asked of the arguments else; any other call is left as it came, for the general way. */
#include "call.h"
#include "home.h"
#include "pointwise.h"

typedef struct few_call {
  cr__few f;
  uintptr_t graph; /* 0: no operand takes part in a graph */
  _Alignas(16) char k[4 * CR__MAX_ELEMENT];
  char numbers[CR__MAX_OPERANDS][CR__MAX_ELEMENT];
} few_call;

static inline char *data_of(const cr_tensor *t, size_t size) {
  return t->storage->data + t->offset * (int64_t)size;
}

/* Not 0 if cr__requires(t) may hold. */
static inline uintptr_t graph_of(const cr_tensor *t) {
  return (uintptr_t)t->grad_fn | (uintptr_t)t->base | (t->flags & CR__REQUIRES_GRAD);
}

/* Whether u lies as t does, which is contiguous and on the CPU. */
static inline bool lies_as(const cr_tensor *u, const cr_tensor *t) {
  if (u->dtype != t->dtype || !(u->flags & CR__CONTIGUOUS)) return false;
  return u->storage->device == CR_CPU && cr__has_shape(u, t->ndim, t->dims);
}

static bool takes_number(const cr__impl *impl, int i, const cr_value *v) {
  return CR__NUMBERS & impl->kinds[i] & CR__KIND(v->kind);
}

/* Operand i, a number: as one element that repeats. */
static bool take_number(const cr__impl *impl, const cr_value *v, int i, few_call *c) {
  cr_dtype dtype = (cr_dtype)c->f.dtype;
  if (!takes_number(impl, i, v) || !cr__joins(impl, dtype, v)) return false;
  cr__store_scalar(c->numbers[i], dtype, v);
  c->f.in[i] = c->numbers[i];
  c->f.single |= 1u << i;
  if (i == 1 && c->f.nin == 2 && cr__is_power(impl))
    cr__shorten_power(dtype, v, &c->f.pointwise, &c->f.nin);
  return true;
}

/* The numbers that are no operands. */
static bool take_numbers(const cr_op *op, const cr__impl *impl, const cr_value *args, few_call *c) {
  cr_dtype dtype = (cr_dtype)c->f.dtype;
  for (int i = impl->noperand; i < op->nparam; i++)
    if (!takes_number(impl, i, &args[i])) return false;
  if (!cr__all_join(op, impl, dtype, args)) return false;
  for (int i = impl->noperand; i < op->nparam; i++)
    cr__store_scalar(c->k + (size_t)(i - impl->noperand) * cr__size_of(dtype), dtype, &args[i]);
  return true;
}

/* The first operand, as which the others and the result lie, and in c the call but for its output; NULL: the
 * call is none for this way. */
static inline __attribute__((always_inline)) cr_tensor *
prepare(const cr_op *op, const cr__impl *impl, const cr_value *args, few_call *c) {
  cr_tensor *t = args[0].u.t;
  if (args[0].kind != CR_TENSOR || !(impl->few >> t->dtype & 1)) return NULL;
  if (!(t->flags & CR__CONTIGUOUS) || t->storage->device != CR_CPU) return NULL;
  if ((uint64_t)t->numel - 1 >= CR__FEW) return NULL;
  size_t size = cr__size_of((cr_dtype)t->dtype);
  c->f.pointwise = impl->pointwise;
  c->f.dtype = t->dtype;
  c->f.n = (int32_t)t->numel;
  c->f.nin = impl->noperand;
  c->f.single = 0;
  c->f.k = c->k;
  c->f.in[0] = data_of(t, size);
  c->graph = graph_of(t);
  for (int i = 1; i < impl->noperand; i++) {
    const cr_tensor *u = args[i].u.t;
    if (CR__UNLIKELY(args[i].kind != CR_TENSOR)) {
      if (!take_number(impl, &args[i], i, c)) return NULL;
      continue;
    }
    if (!lies_as(u, t)) return NULL;
    c->f.in[i] = data_of(u, size);
    c->graph |= graph_of(u);
  }
  if (op->nparam > impl->noperand && !take_numbers(op, impl, args, c)) return NULL;
  return t;
}

static __attribute__((noinline)) int check(const cr_op *op, const cr_value *args) {
  cr__below++;
  int code = cr__impls[op->id].check(op, args, NULL, NULL);
  cr__below--;
  return code;
}

int cr__call_few(const cr_op *op, const cr__impl *impl, const cr_value *args, cr_tensor **out) {
  few_call c;
  const cr_tensor *t = prepare(op, impl, args, &c);
  if (!t) return CR__NOT_FEW;
  int code = impl->check ? check(op, args) : 0;
  if (CR__UNLIKELY(code)) return code;
  cr_dtype dtype = (cr_dtype)t->dtype;
  bool small = (size_t)t->numel * cr__size_of(dtype) <= CR__SMALL_DATA;
  cr_tensor *r = CR__LIKELY(small) ? cr__new_small(dtype, t->ndim, t->dims, t->numel)
                                   : cr__new(op->lua, dtype, CR_CPU, t->ndim, t->dims);
  if (CR__UNLIKELY(!r)) return (int)cr_error_code();
  c.f.out = r->storage->data;
  cr__cpu_backend.few(&c.f);
  out[0] = r;
  if (c.graph && cr__wants_node(op, args)) return cr__record_results(op, args, out, 1);
  return 0;
}

/* Whether a loop over whole blocks may write n bytes to `to` while it reads as many from `from`. */
static inline bool apart(const char *to, const char *from, size_t n) {
  return to == from || (uintptr_t)to - (uintptr_t)from + n - 1 >= 2 * n - 1;
}

bool cr__run_few(const cr_op *op, const cr_value *args, cr_tensor *out) {
  const cr__impl *impl = &cr__impls[op->id];
  few_call c;
  const cr_tensor *t = prepare(op, impl, args, &c);
  if (!t || (out != t && !lies_as(out, t))) return false;
  size_t size = cr__size_of((cr_dtype)t->dtype);
  c.f.out = data_of(out, size);
  for (int i = 0; i < impl->noperand; i++)
    if (args[i].kind == CR_TENSOR && !apart(c.f.out, c.f.in[i], (size_t)c.f.n * size)) return false;
  cr__cpu_backend.few(&c.f);
  return true;
}

/* ---- Reductions -------------------------------------------------------------------------------- */

bool cr__run_fold_few(cr__fold_few *f, const cr_tensor *self, cr_tensor *out) {
  cr_dtype dtype = (cr_dtype)self->dtype;
  if (!(self->flags & CR__CONTIGUOUS) || self->storage->device != CR_CPU) return false;
  if ((uint64_t)self->numel - 1 >= CR__FEW_FOLDED || out->numel != 1 || out->dtype != dtype)
    return false;
  if (dtype != CR_FLOAT32 && dtype != CR_FLOAT64 && dtype != CR_INT64) return false;
  f->dtype = dtype;
  f->n = (int32_t)self->numel;
  f->in = data_of(self, cr__size_of(dtype));
  f->out = out->storage->data;
  return cr__cpu_backend.fold_few(f);
}
