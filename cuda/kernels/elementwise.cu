/* cuda/kernels/elementwise.cu: the plan of a pointwise call; its kernels are in pointwise_*.cu.
 *
 * Holds true: dims are sorted and merged as on the CPU, so that operands which share an order of
 * memory count as contiguous. Results do not depend on which kernel ran. */
#include "pointwise.h"

typedef struct compute_type {
  int (*run)(const cr__pointwise_call *c);
  bool (*has)(int pointwise);
  bool (*gives_bool)(int pointwise);
} compute_type;

static compute_type type_of(int dtype) {
  switch (dtype) {
#define X(suffix, dtype) \
  case dtype:            \
    return {cr__pointwise_##suffix, cr__pointwise_has_##suffix, cr__pointwise_gives_bool_##suffix};
    CR__COMPUTE_TYPES(X)
#undef X
  default: return {NULL, NULL, NULL};
  }
}

bool cr__cuda_has_loop(int pointwise, int dtype) {
  compute_type t = type_of(dtype);
  return t.has && t.has(pointwise);
}

/* ---- Which kernel ---- */

static bool is_half(int dtype) { return dtype == CR_FLOAT16 || dtype == CR_BFLOAT16; }

static bool can_be_dense(const cr__iter *it, int k, const char *data) {
  return cr__iter_dense(it, k) && (uintptr_t)data % 16 == 0;
}

/* Of the dtypes that the dense kernel takes. */
static bool is_near(const cr__elementwise *e, int dtype) {
  return dtype == e->compute || dtype == CR_BOOL || (e->compute == CR_FLOAT32 && is_half(dtype));
}

static bool all_dense(const cr__elementwise *e, const cr__iter *it, uint32_t fixed,
                      bool gives_bool) {
  int out = e->out.dtype;
  bool good = gives_bool ? out == CR_BOOL : is_near(e, out) && (out == e->compute || is_half(out));
  good = good && can_be_dense(it, 0, e->out.data);
  for (int i = 0; good && i < e->nin; i++) {
    const cr__operand *o = &e->in[i];
    if (o->data)
      good = is_near(e, o->dtype) && (fixed >> (i + 1) & 1 || can_be_dense(it, i + 1, o->data));
  }
  return good;
}

/* e: as for cr__cpu_elementwise. */
int cr__cuda_elementwise(const cr__elementwise *e) {
  static const int64_t still[CR_MAX_DIMS] = {0};
  compute_type type = type_of(e->compute);
  if (!type.has || !type.has(e->pointwise))
    return cr__fail(CR_E_INTERNAL, "%s: cuda has no loop for %s", e->op,
                    cr_dtype_name((cr_dtype)e->compute));
  const int64_t *strides[CR__POINTWISE_OPERANDS] = {e->out.stride};
  for (int i = 0; i < e->nin; i++) strides[i + 1] = e->in[i].data ? e->in[i].stride : still;
  cr__pointwise_call c;
  c.e = e;
  cr__iter_begin(&c.it, e->ndim, e->shape, e->nin + 1, strides);
  if (c.it.numel == 0) return 0;
  c.fixed = 0;
  for (int i = 0; i < e->nin; i++)
    if (!e->in[i].data || cr__iter_fixed(&c.it, i + 1)) c.fixed |= 1u << (i + 1);
  c.dense = all_dense(e, &c.it, c.fixed, type.gives_bool(e->pointwise));
  return type.run(&c);
}
