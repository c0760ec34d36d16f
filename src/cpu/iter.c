/* iter.c: collapsing of dims, and positions in strided views. */
#include "iter.h"

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* True if dim a should lie outside of dim b (operand 0 decides, the others break ties). */
static bool outside(const cr__iter *it, int noperand, int a, int b) {
  for (int k = 0; k < noperand; k++) {
    int64_t x = magnitude(it->stride[k][a]), y = magnitude(it->stride[k][b]);
    if (x != y && x != 0 && y != 0) return x > y;
  }
  return false;
}

static void swap_dims(cr__iter *it, int noperand, int a, int b) {
  int64_t size = it->shape[a];
  it->shape[a] = it->shape[b];
  it->shape[b] = size;
  for (int k = 0; k < noperand; k++) {
    int64_t step = it->stride[k][a];
    it->stride[k][a] = it->stride[k][b];
    it->stride[k][b] = step;
  }
}

/* Insertion sort: dims are few, and mostly in order already. */
static void sort_dims(cr__iter *it, int noperand) {
  for (int i = 1; i < it->ndim; i++)
    for (int j = i; j > 0 && outside(it, noperand, j - 1, j); j--)
      swap_dims(it, noperand, j - 1, j);
}

static bool mergeable(const cr__iter *it, int noperand, int inner, int outer) {
  for (int k = 0; k < noperand; k++)
    if (it->stride[k][outer] != it->stride[k][inner] * it->shape[inner]) return false;
  return true;
}

static void merge_dims(cr__iter *it, int noperand) {
  int last = 0;
  for (int d = 1; d < it->ndim; d++) {
    if (mergeable(it, noperand, last, d)) {
      it->shape[last] *= it->shape[d];
      continue;
    }
    last++;
    it->shape[last] = it->shape[d];
    for (int k = 0; k < noperand; k++) it->stride[k][last] = it->stride[k][d];
  }
  it->ndim = last + 1;
}

void cr__iter_begin(cr__iter *it, int ndim, const int64_t *shape, int noperand,
                    const int64_t *const *stride) {
  int n = 0;
  it->numel = 1;
  for (int d = ndim - 1; d >= 0; d--) {
    it->numel *= shape[d];
    if (shape[d] == 1) continue;
    it->shape[n] = shape[d];
    for (int k = 0; k < noperand; k++) it->stride[k][n] = stride[k][d];
    n++;
  }
  if (n == 0) {
    it->shape[0] = 1;
    for (int k = 0; k < noperand; k++) it->stride[k][0] = 0;
    n = 1;
  }
  it->ndim = n;
  if (n == 1) return;
  sort_dims(it, noperand);
  merge_dims(it, noperand);
}

bool cr__iter_dense(const cr__iter *it, int k) {
  int64_t expected = 1;
  for (int d = 0; d < it->ndim; d++) {
    if (it->shape[d] != 1 && it->stride[k][d] != expected) return false;
    expected *= it->shape[d];
  }
  return true;
}

void cr__walk_seek(cr__walk *w, const cr__iter *it, int operand, int64_t position) {
  w->it = it;
  w->stride = it->stride[operand];
  w->offset = 0;
  for (int d = 0; d < it->ndim; d++) {
    int64_t size = it->shape[d];
    w->at[d] = size ? position % size : 0;
    position = size ? position / size : 0;
    w->offset += w->at[d] * w->stride[d];
  }
}

void cr__walk_carry(cr__walk *w) {
  const cr__iter *it = w->it;
  for (int d = 0; d < it->ndim; d++) {
    if (w->at[d] < it->shape[d]) return;
    w->offset -= w->at[d] * w->stride[d];
    w->at[d] = 0;
    if (d + 1 == it->ndim) return;
    w->at[d + 1]++;
    w->offset += w->stride[d + 1];
  }
}
