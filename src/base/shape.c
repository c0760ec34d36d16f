/* shape.c: arithmetic on shapes and strides.
 *
 * Holds true: sizes and strides that come out of here do not overflow when they are multiplied with
 * each other or with an element size. Messages count dims and positions from 1. */
#include <stdio.h>

#include "base.h"

#define MAX_ELEMENTS (INT64_C(1) << 58) /* so that bytes fit in an int64_t */

const char *cr__shape_text(int ndim, const int64_t *shape, cr__text *buffer) {
  if (ndim <= 0 || !shape) {
    snprintf(buffer->s, sizeof buffer->s, "0-dim");
    return buffer->s;
  }
  size_t at = 0;
  bool spaced = false; /* "0x3" reads as a hexadecimal number */
  for (int d = 0; d < ndim - 1; d++) spaced = spaced || shape[d] == 0;
  for (int d = 0; d < ndim; d++) {
    char size[32];
    const char *format = d == 0 ? "%lld" : spaced ? " x %lld" : "x%lld";
    int n = snprintf(size, sizeof size, format, (long long)shape[d]);
    if (at + (size_t)n + 5 > sizeof buffer->s) {
      snprintf(buffer->s + at, sizeof buffer->s - at, "x...");
      return buffer->s;
    }
    snprintf(buffer->s + at, sizeof buffer->s - at, "%s", size);
    at += (size_t)n;
  }
  return buffer->s;
}

int cr__count(const char *op, int ndim, const int64_t *shape, int64_t *numel) {
  cr__text text;
  if (CR__UNLIKELY(ndim < 0 || ndim > CR_MAX_DIMS))
    return cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op, CR_MAX_DIMS, ndim);
  int64_t n = 1, extent = 1; /* extent: zeros count as one, so that strides fit, too */
  for (int d = 0; d < ndim; d++) {
    if (CR__UNLIKELY(shape[d] < 0))
      return cr__fail(CR_E_SHAPE, "%s: size %lld of dim %d is negative (shape %s)", op,
                      (long long)shape[d], d + 1, cr__shape_text(ndim, shape, &text));
    if (CR__UNLIKELY(__builtin_mul_overflow(extent, shape[d] ? shape[d] : 1, &extent) ||
                     extent > MAX_ELEMENTS))
      return cr__fail(CR_E_SHAPE, "%s: shape %s has more elements than memory can address", op,
                      cr__shape_text(ndim, shape, &text));
    n *= shape[d];
  }
  *numel = n;
  return CR_E_OK;
}

void cr__fill_strides(int ndim, const int64_t *shape, int64_t *stride) {
  int64_t step = 1;
  for (int d = ndim; d-- > 0;) {
    stride[d] = step;
    step *= shape[d] > 0 ? shape[d] : 1;
  }
}

bool cr__strides_contiguous(int ndim, const int64_t *shape, const int64_t *stride) {
  int64_t step = 1;
  bool contiguous = true;
  for (int d = ndim; d-- > 0;) {
    if (shape[d] == 0) return true;
    if (shape[d] != 1 && stride[d] != step) contiguous = false;
    step *= shape[d];
  }
  return contiguous;
}

bool cr__strides_disjoint(int ndim, const int64_t *shape, const int64_t *stride) {
  int order[CR_MAX_DIMS], n = 0;
  for (int d = 0; d < ndim; d++) {
    if (shape[d] == 0) return true;
    if (shape[d] == 1) continue;
    int at = n++;
    while (at > 0 && stride[order[at - 1]] > stride[d]) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = d;
  }
  int64_t last = 0; /* the farthest element of the dims so far */
  for (int k = 0; k < n; k++) {
    int d = order[k];
    if (stride[d] <= last) return false;
    last += (shape[d] - 1) * stride[d];
  }
  return true;
}

int cr__wrap_other_dim(const char *op, const char *param, int64_t dim, int ndim, int *out) {
  int most = ndim > 0 ? ndim : 1;
  if (dim >= 1 && dim <= most) {
    *out = (int)dim - 1;
    return CR_E_OK;
  }
  if (dim < 0 && dim >= -most) {
    *out = (int)(dim + most);
    return CR_E_OK;
  }
  if (dim == 0)
    return cr__fail(CR_E_INDEX, "%s: %s is 0, but dims count from 1 (or from -1, the last one)", op,
                    param);
  return cr__fail(CR_E_INDEX, "%s: %s %lld is out of range for a tensor of %d dim%s", op, param,
                  (long long)dim, ndim, ndim == 1 ? "" : "s");
}

int cr__wrap_index(const char *op, const char *param, int64_t index, int64_t size, int64_t *out) {
  if (CR__LIKELY(index >= 1 && index <= size)) {
    *out = index - 1;
    return CR_E_OK;
  }
  if (index < 0 && index >= -size) {
    *out = index + size;
    return CR_E_OK;
  }
  if (index == 0)
    return cr__fail(CR_E_INDEX,
                    "%s: %s is 0, but positions count from 1 (or from -1, the last one)", op,
                    param);
  return cr__fail(CR_E_INDEX, "%s: %s %lld is out of range for a dim of size %lld", op, param,
                  (long long)index, (long long)size);
}

int cr__dim_mask(const char *op, const cr_value *dims, int ndim, uint32_t *mask) {
  uint32_t all = (UINT32_C(1) << ndim) - 1, m = 0;
  const int64_t *is = dims->u.is;
  int n = dims->kind == CR_INTS ? dims->n : 0;
  if (dims->kind == CR_INT) {
    is = &dims->u.i;
    n = 1;
  }
  for (int k = 0; k < n; k++) {
    int d = 0;
    if (cr__wrap_dim(op, "dim", is[k], ndim, &d)) return cr_error_code();
    if (m >> d & 1) return cr__fail(CR_E_ARGUMENT, "%s: dim %d is named twice", op, d + 1);
    m |= UINT32_C(1) << d;
  }
  *mask = n ? m & all : all; /* a 0-dim tensor has no bit to set */
  return CR_E_OK;
}

int cr__broadcast_into(const char *op, int *ndim, int64_t *shape, int bndim,
                       const int64_t *bshape) {
  int n = *ndim > bndim ? *ndim : bndim;
  int64_t wide[CR_MAX_DIMS];
  for (int k = 1; k <= n; k++) { /* from the right */
    int64_t a = k <= *ndim ? shape[*ndim - k] : 1, b = k <= bndim ? bshape[bndim - k] : 1;
    if (CR__UNLIKELY(a != b && a != 1 && b != 1)) {
      cr__text ta, tb;
      return cr__fail(CR_E_SHAPE,
                      "%s: shapes %s and %s do not broadcast: sizes %lld and %lld at dim %d differ "
                      "and neither is 1",
                      op, cr__shape_text(*ndim, shape, &ta), cr__shape_text(bndim, bshape, &tb),
                      (long long)a, (long long)b, n - k + 1);
    }
    wide[n - k] = a == 1 ? b : a;
  }
  for (int d = 0; d < n; d++) shape[d] = wide[d];
  *ndim = n;
  return CR_E_OK;
}

void cr__broadcast_strides(int ndim, const int64_t *shape, const int64_t *stride, int to_ndim,
                           const int64_t *to_shape, int64_t *out) {
  for (int d = to_ndim - 1, s = ndim - 1; d >= 0; d--, s--)
    out[d] = s < 0 || shape[s] != to_shape[d] ? 0 : stride[s];
}

bool cr__view_strides(int ndim, const int64_t *shape, const int64_t *stride, int new_ndim,
                      const int64_t *new_shape, int64_t *out) {
  int64_t numel = 1;
  for (int d = 0; d < ndim; d++) numel *= shape[d];
  if (numel == 0 || ndim == 0) {
    cr__fill_strides(new_ndim, new_shape, out);
    return true;
  }
  /* From the right: a run of old dims that lie without gaps gives its elements to new dims. */
  int to = new_ndim - 1;
  int64_t step = stride[ndim - 1], run = 1, taken = 1;
  for (int d = ndim - 1; d >= 0; d--) {
    run *= shape[d];
    if (d > 0 && (shape[d - 1] == 1 || stride[d - 1] == run * step)) continue;
    while (to >= 0 && (taken < run || new_shape[to] == 1)) {
      out[to] = taken * step;
      taken *= new_shape[to--];
    }
    if (taken != run) return false;
    if (d > 0) {
      step = stride[d - 1];
      run = taken = 1;
    }
  }
  return to < 0;
}

int cr__infer_size(const char *op, int64_t numel, int ndim, int64_t *shape) {
  int free = -1;
  int64_t known = 1;
  bool fits = true;
  cr__text text;
  if (ndim > CR_MAX_DIMS)
    return cr__fail(CR_E_SHAPE, "%s: a tensor has at most %d dims, got %d", op, CR_MAX_DIMS, ndim);
  for (int d = 0; d < ndim; d++) {
    if (shape[d] == -1) {
      if (free >= 0)
        return cr__fail(CR_E_SHAPE,
                        "%s: only one size can be left to find out (-1), shape %s has two", op,
                        cr__shape_text(ndim, shape, &text));
      free = d;
    } else if (shape[d] < 0) {
      return cr__fail(CR_E_SHAPE, "%s: size %lld of dim %d is negative (shape %s)", op,
                      (long long)shape[d], d + 1, cr__shape_text(ndim, shape, &text));
    } else if (__builtin_mul_overflow(known, shape[d], &known)) {
      fits = false;
      known = 1;
    }
  }
  if (free >= 0 && known == 0)
    return cr__fail(CR_E_SHAPE, "%s: -1 in shape %s could be any size, as another size is 0", op,
                    cr__shape_text(ndim, shape, &text));
  if (!fits || (free >= 0 ? numel % known != 0 : known != numel))
    return cr__fail(CR_E_SHAPE, "%s: shape %s does not fit %lld element%s", op,
                    cr__shape_text(ndim, shape, &text), (long long)numel, numel == 1 ? "" : "s");
  if (free >= 0) shape[free] = numel / known;
  return CR_E_OK;
}
