/* launch.c: a kernel is called on the device whose memory it works with.
 *
 * Holds true: a device has been told of all memory that a kernel reads and writes before the kernel runs. */
#include "backend.h"

void cr__launch_begin(cr__launch *k, const char *op, cr_device device, int nout) {
  k->op = op;
  k->device = device;
  k->nview = k->nrow = 0;
  k->nout = nout;
}

/* Names the memory of a launch over lists, a row at a time. */
static int enter_rows(const cr__backend *b, const cr__launch *k) {
  cr__view views[CR__MAX_LISTS];
  int code = 0;
  for (int i = 0; i < k->nrow && !code; i++) {
    int n = 0;
    for (int j = 0; j < CR__MAX_LISTS; j++)
      if (k->rows[i].data[j]) views[n++].data = k->rows[i].data[j];
    code = b->device->enter(k->device & 255, views, n);
  }
  return code;
}

int cr__launch_run(cr__launch *k, cr__kernel_id id) {
  const cr__backend *b = cr__backend_of(k->device);
  if (!b) return (int)cr_error_code();
  if (!b->kernels[id]) return cr__fail(CR_E_DEVICE, "%s: has no kernel on %s", k->op, b->name);
  if (b->device) {
    int code = b->device->enter(k->device & 255, k->v, k->nview);
    if (!code && k->nrow) code = enter_rows(b, k);
    if (CR__UNLIKELY(code)) return code;
  }
  return b->kernels[id](k);
}
