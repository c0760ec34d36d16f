/* operands.c: what a kernel sees of tensors.
 *
 * Holds true: a view has the tensor's geometry as it is at the time of the call, and owns nothing. */
#include <string.h>

#include "dispatch.h"

void cr__view_of(const cr_tensor *t, cr__view *v) {
  v->data = cr__data(t);
  v->dtype = t->dtype;
  v->ndim = t->ndim;
  for (int d = 0, n = t->ndim; d < n; d++) {
    v->shape[d] = t->dims[d];
    v->stride[d] = t->dims[n + d];
  }
}

cr__view *cr__launch_view(cr__launch *k, cr__view *slot, const cr_tensor *t) {
  for (; &k->v[k->nview] < slot; k->nview++) k->v[k->nview].data = NULL;
  if (&k->v[k->nview] == slot) k->nview++;
  slot->data = NULL;
  if (!t) return slot;
  cr__view_of(t, slot);
  if (CR__UNLIKELY(t->storage->device != k->device)) k->elsewhere = t->storage->device;
  return slot;
}

void cr__launch_as_one_dim(cr__launch *k) {
  for (int i = 0; i < k->nview; i++) {
    k->v[i].ndim = 1;
    k->v[i].shape[0] = k->v[i].stride[0] = 1;
  }
}

int cr__same_device(const char *op, const cr_value *args, int n, cr_device *device) {
  const cr_tensor *first = NULL;
  for (int i = 0; i < n; i++) {
    int count = args[i].kind == CR_TENSORS ? args[i].n : args[i].kind == CR_TENSOR;
    for (int j = 0; j < count; j++) {
      const cr_tensor *t = args[i].kind == CR_TENSORS ? args[i].u.ts[j] : args[i].u.t;
      if (!t) continue;
      if (!first) first = t;
      if (t->storage->device != first->storage->device)
        return cr__fail_devices(op, first->storage->device, t->storage->device);
    }
  }
  *device = first ? first->storage->device : CR_CPU;
  return 0;
}
