/* access.c: what a host asks of a tensor: geometry, numbers, its memory, and its own memory in.
 *
 * Holds true: nothing here computes; elements leave and enter by copies of whole blocks. */
#include <string.h>

#include "dispatch.h"

cr_tensor *cr_new(cr_dtype dtype, cr_device device, int ndim, const int64_t *shape) {
  if (dtype < 0 || dtype >= CR_DTYPE_COUNT) {
    cr__fail(CR_E_DTYPE, "new: %d is no dtype", (int)dtype);
    return NULL;
  }
  return cr__new("new", dtype, device, ndim, shape);
}

static void keep_foreign(void *user) { (void)user; }

/* The number of bytes that elements may lie in, from the first one on. */
static int foreign_extent(cr_dtype dtype, int ndim, const int64_t *shape, const int64_t *stride,
                          size_t *nbytes) {
  int64_t last = 0, size = (int64_t)cr__size_of(dtype);
  bool empty = false;
  for (int d = 0; d < ndim; d++) {
    int64_t span;
    if (stride[d] < 0)
      return cr__fail(CR_E_ARGUMENT, "wrap: stride %lld of dim %d is negative",
                      (long long)stride[d], d + 1);
    if (shape[d] == 0) empty = true;
    if (__builtin_mul_overflow(stride[d], shape[d] ? shape[d] - 1 : 0, &span) ||
        __builtin_add_overflow(last, span, &last) || last > INT64_MAX / size - 1)
      return cr__fail(CR_E_SHAPE,
                      "wrap: stride %lld of dim %d reaches beyond what memory can address",
                      (long long)stride[d], d + 1);
  }
  *nbytes = empty ? 0 : (size_t)((last + 1) * size);
  return CR_E_OK;
}

cr_tensor *cr_wrap(void *data, cr_dtype dtype, int ndim, const int64_t *shape,
                   const int64_t *stride, void (*deleter)(void *user), void *user) {
  int64_t numel, contiguous[CR_MAX_DIMS];
  size_t nbytes = 0;
  if (dtype < 0 || dtype >= CR_DTYPE_COUNT) {
    cr__fail(CR_E_DTYPE, "wrap: %d is no dtype", (int)dtype);
    return NULL;
  }
  if (cr__count("wrap", ndim, shape, &numel)) return NULL;
  cr__fill_strides(ndim, shape, contiguous);
  if (foreign_extent(dtype, ndim, shape, stride ? stride : contiguous, &nbytes)) return NULL;
  if (!data && numel > 0) {
    cr__fail(CR_E_ARGUMENT, "wrap: the memory is NULL, but the shape has %lld elements",
             (long long)numel);
    return NULL;
  }
  if ((uintptr_t)data % cr__size_of(dtype) != 0) {
    cr__fail(CR_E_ARGUMENT, "wrap: the memory at %p is not aligned to the %d bytes of a %s", data,
             (int)cr__size_of(dtype), cr_dtype_name(dtype));
    return NULL;
  }
  return cr__wrap(data, nbytes, dtype, ndim, shape, stride ? stride : contiguous,
                  deleter ? deleter : keep_foreign, user);
}

cr_tensor *cr_from(const void *data, cr_dtype dtype, int ndim, const int64_t *shape) {
  cr_tensor *t = cr_new(dtype, CR_CPU, ndim, shape);
  if (t && t->numel > 0) memcpy(cr__data(t), data, (size_t)t->numel * cr__size_of(dtype));
  return t;
}

int cr_ndim(const cr_tensor *t) { return t ? t->ndim : 0; }
const int64_t *cr_shape(const cr_tensor *t) { return t ? cr__sizes(t) : NULL; }
const int64_t *cr_stride(const cr_tensor *t) { return t ? cr__steps(t) : NULL; }
int64_t cr_numel(const cr_tensor *t) { return t ? t->numel : 0; }
cr_dtype cr_dtype_of(const cr_tensor *t) { return t ? (cr_dtype)t->dtype : CR_DTYPE_NONE; }
cr_device cr_device_of(const cr_tensor *t) { return t ? t->storage->device : CR_CPU; }
bool cr_is_contiguous(const cr_tensor *t) { return t && t->flags & CR__CONTIGUOUS; }
void *cr_data(const cr_tensor *t) { return t ? cr__data(t) : NULL; }
int64_t cr_offset(const cr_tensor *t) { return t ? t->offset : 0; }
uint64_t cr_storage_id(const cr_tensor *t) { return t ? (uint64_t)(uintptr_t)t->storage : 0; }
bool cr_same_storage(const cr_tensor *a, const cr_tensor *b) {
  return a && b && a->storage == b->storage;
}

int cr_version(const cr_tensor *t, uint32_t *version) {
  *version = 0;
  if (!t) return cr__fail_absent("version", "self");
  if (t->flags & CR__INFERENCE)
    return cr__fail(CR_E_AUTOGRAD,
                    "version: a tensor made in inference mode does not count its writes");
  *version = cr__version(t);
  return CR_E_OK;
}

/* Copies nbytes that lie without gaps from t's device. */
static int fetch(const cr_tensor *t, void *data, size_t nbytes) {
  const cr__backend *b = cr__backend_of(t->storage->device);
  if (!b) return cr_error_code();
  return nbytes ? b->copy_to_host(cr__ordinal_of(t->storage->device), data, cr__data(t), nbytes)
                : CR_E_OK;
}

int cr_item(cr_tensor *t, cr_value *out) {
  *out = cr_none();
  if (!t) return cr__fail_absent("item", "self");
  if (t->numel != 1) {
    cr__text text;
    return cr__fail(CR_E_SHAPE,
                    "item: only a tensor of one element is a number, this one has %lld "
                    "(shape %s)",
                    (long long)t->numel, cr__shape_text(t->ndim, cr__sizes(t), &text));
  }
  if (CR__LIKELY(t->storage->device == CR_CPU)) {
    *out = cr__load_scalar(cr__data(t), (cr_dtype)t->dtype);
    return CR_E_OK;
  }
  _Alignas(CR__MAX_ELEMENT) char element[CR__MAX_ELEMENT];
  if (fetch(t, element, cr__size_of((cr_dtype)t->dtype))) return cr_error_code();
  *out = cr__load_scalar(element, (cr_dtype)t->dtype);
  return CR_E_OK;
}

int cr_read(cr_tensor *t, void *data, size_t nbytes) {
  if (!t) return cr__fail_absent("read", "self");
  size_t need = (size_t)t->numel * cr__size_of((cr_dtype)t->dtype);
  if (nbytes != need)
    return cr__fail(CR_E_ARGUMENT, "read: the tensor has %zu bytes, the memory for them %zu", need,
                    nbytes);
  if (t->flags & CR__CONTIGUOUS) return fetch(t, data, nbytes);
  cr_tensor *dense = cr__new_like("read", t, (cr_dtype)t->dtype);
  int error = dense ? cr__copy("read", dense, t) : (int)cr_error_code();
  if (!error) error = fetch(dense, data, nbytes);
  cr_release(dense);
  return error;
}
