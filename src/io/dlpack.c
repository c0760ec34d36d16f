/* dlpack.c: tensors to and from other libraries, without copying.
 *
 * Holds true: a structure that is handed out keeps its tensor until its deleter is called; one that was taken in has
 * its deleter called once, when the last tensor over its memory is gone, or at once where the elements had to be
 * copied. What fails leaves the structure its owner's. */
#include "dlpack.h"
#include "io.h"

#include <stdlib.h>

static const struct {
  uint8_t code, bits;
} kinds[CR_DTYPE_COUNT] =
    {[CR_FLOAT64] = {DL_FLOAT, 64},   [CR_FLOAT32] = {DL_FLOAT, 32}, [CR_FLOAT16] = {DL_FLOAT, 16},
     [CR_BFLOAT16] = {DL_BFLOAT, 16}, [CR_INT64] = {DL_INT, 64},     [CR_INT32] = {DL_INT, 32},
     [CR_INT16] = {DL_INT, 16},       [CR_INT8] = {DL_INT, 8},       [CR_UINT8] = {DL_UINT, 8},
     [CR_BOOL] = {DL_BOOL, 8},        [CR_UINT16] = {DL_UINT, 16},   [CR_UINT32] = {DL_UINT, 32},
     [CR_UINT64] = {DL_UINT, 64}};

/* ---- Out ------------------------------------------------------------------------------------------------ */

typedef struct given {
  union {
    DLManagedTensor plain;
    DLManagedTensorVersioned versioned;
  } as;
  cr_tensor *t;
  int64_t dims[2 * CR_MAX_DIMS];
} given;

static void give_up(given *g) {
  cr_release(g->t);
  free(g);
}
static void delete_plain(DLManagedTensor *m) { give_up((given *)m->context); }
static void delete_versioned(DLManagedTensorVersioned *m) { give_up((given *)m->context); }

static void describe(given *g, DLTensor *d) {
  cr_tensor *t = g->t;
  cr_device device = cr_device_of(t);
  d->data = cr_data(t);
  d->device.type = device == CR_CPU ? DL_CPU : DL_CUDA;
  d->device.id = device & 255;
  d->ndim = t->ndim;
  d->dtype.code = kinds[t->dtype].code;
  d->dtype.bits = kinds[t->dtype].bits;
  d->dtype.lanes = 1;
  d->shape = g->dims;
  d->strides = g->dims + t->ndim;
  d->byte_offset = 0;
  memcpy(g->dims, cr__sizes(t), t->ndim * sizeof *g->dims);
  memcpy(g->dims + t->ndim, cr__steps(t), t->ndim * sizeof *g->dims);
}

static given *give(cr_tensor *t) {
  if (!t) return cr__fail_absent("to_dlpack", "self"), NULL;
  if (cr_requires_grad(t)) {
    cr__fail(CR_E_AUTOGRAD, "to_dlpack: the tensor requires grad, which another library does not "
                            "know of; give it x:detach()");
    return NULL;
  }
  cr_device device = cr_device_of(t);
  if (device != CR_CPU && cr_cuda_synchronize(device & 255)) return NULL;
  given *g = calloc(1, sizeof *g);
  if (!g) return cr__fail_memory("to_dlpack", sizeof *g), NULL;
  g->t = cr_retain(t);
  return g;
}

struct DLManagedTensor *cr_to_dlpack(cr_tensor *t) {
  given *g = give(t);
  if (!g) return NULL;
  DLManagedTensor *m = &g->as.plain;
  describe(g, &m->tensor);
  m->context = g;
  m->deleter = delete_plain;
  return m;
}

struct DLManagedTensorVersioned *cr_to_dlpack_versioned(cr_tensor *t) {
  given *g = give(t);
  if (!g) return NULL;
  DLManagedTensorVersioned *m = &g->as.versioned;
  m->major = DL_MAJOR, m->minor = DL_MINOR;
  describe(g, &m->tensor);
  m->context = g;
  m->deleter = delete_versioned;
  return m;
}

/* ---- In --------------------------------------------------------------------------------------------------- */

static void done_plain(void *user) {
  DLManagedTensor *m = user;
  if (m->deleter) m->deleter(m);
}
static void done_versioned(void *user) {
  DLManagedTensorVersioned *m = user;
  if (m->deleter) m->deleter(m);
}

static cr_dtype dtype_of(const DLTensor *d) {
  for (int i = 0; d->dtype.lanes == 1 && i < CR_DTYPE_COUNT; i++)
    if (kinds[i].code == d->dtype.code && kinds[i].bits == d->dtype.bits) return (cr_dtype)i;
  cr__fail(CR_E_DTYPE, "from_dlpack: there is no dtype of code %d, %d bits and %d lanes",
           d->dtype.code, d->dtype.bits, d->dtype.lanes);
  return CR_DTYPE_NONE;
}

static int check(const DLTensor *d) {
  if (d->device.type != DL_CPU && d->device.type != DL_CUDA_HOST)
    return cr__fail(CR_E_DEVICE,
                    "from_dlpack: memory of device type %d is not taken over, only that of the CPU",
                    (int)d->device.type);
  if (d->ndim < 0 || d->ndim > CR_MAX_DIMS || (d->ndim && !d->shape))
    return cr__fail(CR_E_SHAPE, "from_dlpack: %d dims, where %d at most are possible", (int)d->ndim,
                    CR_MAX_DIMS);
  return 0;
}

/* A contiguous copy, by a walk over all elements. */
static cr_tensor *copy_of(const DLTensor *d, cr_dtype dtype, const int64_t *stride) {
  cr_tensor *t = cr_new(dtype, CR_CPU, d->ndim, d->shape);
  size_t size = cr__size_of(dtype);
  int64_t at[CR_MAX_DIMS] = {0}, place = 0;
  for (int64_t i = 0; t && i < t->numel; i++) {
    memcpy((char *)cr_data(t) + (size_t)i * size,
           (char *)d->data + d->byte_offset + place * (int64_t)size, size);
    for (int k = d->ndim - 1; k >= 0; k--) {
      place += stride[k];
      if (++at[k] < d->shape[k]) break;
      place -= stride[k] * d->shape[k];
      at[k] = 0;
    }
  }
  return t;
}

static cr_tensor *take(const DLTensor *d, bool read_only, void (*done)(void *), void *managed) {
  int64_t contiguous[CR_MAX_DIMS], numel;
  if (check(d)) return NULL;
  cr_dtype dtype = dtype_of(d);
  if (dtype == CR_DTYPE_NONE || cr__count("from_dlpack", d->ndim, d->shape, &numel)) return NULL;
  cr__fill_strides(d->ndim, d->shape, contiguous);
  const int64_t *stride = d->strides ? d->strides : contiguous;
  char *data = d->data ? (char *)d->data + d->byte_offset : NULL;
  bool apart = read_only || numel == 0 || (uintptr_t)data % cr__size_of(dtype) != 0;
  for (int k = 0; k < d->ndim; k++) apart = apart || stride[k] < 0;
  if (numel > 0 && !data)
    return cr__fail(CR_E_ARGUMENT, "from_dlpack: there is no memory behind its elements"), NULL;
  if (!apart) return cr_wrap(data, dtype, d->ndim, d->shape, stride, done, managed);
  cr_tensor *t = copy_of(d, dtype, stride);
  if (t) done(managed);
  return t;
}

cr_tensor *cr_from_dlpack(struct DLManagedTensor *m) {
  if (!m) return cr__fail_absent("from_dlpack", "managed"), NULL;
  return take(&m->tensor, false, done_plain, m);
}

cr_tensor *cr_from_dlpack_versioned(struct DLManagedTensorVersioned *m) {
  if (!m) return cr__fail_absent("from_dlpack", "managed"), NULL;
  if (m->major == DL_MAJOR) return take(&m->tensor, m->flags & DL_READ_ONLY, done_versioned, m);
  cr__fail(CR_E_ARGUMENT, "from_dlpack: the structure is of version %u.%u, and 1 is known",
           (unsigned)m->major, (unsigned)m->minor);
  return NULL;
}
