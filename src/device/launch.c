/* launch.c: a kernel is called on the device whose memory it works with.
 *
 * Holds true: a device has been told of all memory that a kernel reads and writes before the kernel runs, and
 * all of it is the device's own. */
#include "backend.h"
#include "slot_views.inc" /* generated: how many views a kernel has */

void cr__launch_begin(cr__launch *k, const char *op, cr_device device) {
  k->op = op;
  k->device = k->elsewhere = device;
  k->nview = k->nrow = 0;
}

int cr__fail_devices(const char *op, cr_device one, cr_device other) {
  char a[16], b[16];
  return cr__fail(CR_E_DEVICE, "%s: tensors are on different devices, %s and %s", op,
                  cr_device_name(one, a), cr_device_name(other, b));
}

/* Names the memory of a launch over lists, a row at a time. */
static int enter_rows(const cr__backend *b, const cr__launch *k) {
  cr__view views[CR__MAX_LISTS];
  int code = 0;
  for (int i = 0; i < k->nrow && !code; i++) {
    int n = 0;
    for (int j = 0; j < CR__MAX_LISTS; j++)
      if (k->rows[i].data[j]) views[n++].data = k->rows[i].data[j];
    code = b->device->enter(cr__ordinal_of(k->device), views, n);
  }
  return code;
}

/* Names the memory of an elementwise call. */
static int enter_operands(const cr__backend *b, const cr__elementwise *e) {
  cr__view views[1 + CR__MAX_OPERANDS];
  int n = 0;
  views[n++].data = e->out.data;
  for (int i = 0; i < e->nin; i++)
    if (e->in[i].data) views[n++].data = e->in[i].data;
  return b->device->enter(cr__ordinal_of(e->device), views, n);
}

int cr__elementwise_run(const cr__elementwise *e) {
  const cr__backend *b = cr__backend_of(e->device);
  if (!b) return (int)cr_error_code();
  if (CR__UNLIKELY(b->device != NULL)) {
    int code = enter_operands(b, e);
    if (code) return code;
  }
  return b->elementwise(e);
}

static int fail_missing(const cr__launch *k, const cr__backend *b, cr__kernel_id id) {
#define X(kernel) #kernel,
  static const char *const kernels[] = {CR__KERNELS(X)};
#undef X
  return cr__fail(CR_E_DEVICE, "%s: %s has no kernel %s%s", k->op, b->name, kernels[id],
                  k->device == CR_CPU ? "" : "; tensors that were brought to the cpu may do");
}

int cr__launch_run(cr__launch *k, cr__kernel_id id) {
  const cr__backend *b = cr__backend_of(k->device);
  if (!b) return (int)cr_error_code();
  if (CR__UNLIKELY(k->elsewhere != k->device))
    return cr__fail_devices(k->op, k->device, k->elsewhere);
  if (CR__UNLIKELY(!b->kernels[id])) return fail_missing(k, b, id);
  for (; k->nview < views_of[id]; k->nview++) k->v[k->nview].data = NULL;
  if (b->device) {
    int code = b->device->enter(cr__ordinal_of(k->device), k->v, k->nview);
    if (!code && k->nrow) code = enter_rows(b, k);
    if (CR__UNLIKELY(code)) return code;
  }
  return b->kernels[id](k);
}
