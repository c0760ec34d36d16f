/* create.h: what all run functions share: their prototypes, calls of operations, results.
 *
 * Holds true: an absent dtype or device is replaced in one place. */
#ifndef CR__RUN_CREATE_H
#define CR__RUN_CREATE_H

#include "tensor/dispatch.h"
#include "calls.h" /* generated: cr__call_NAME */
#include "op_ids.h"
#include "runs.h" /* generated: the prototypes of run functions */

/* Of an argument that may not be given. */
static inline cr_dtype cr__given_dtype_or(cr_dtype dtype, cr_dtype otherwise) {
  return dtype == CR_DTYPE_NONE ? otherwise : dtype;
}
static inline cr_device cr__given_device_or(cr_device device, cr_device otherwise) {
  return device < 0 ? otherwise : device;
}

/* The result of a call that has failed: code is an error that has been set. */
static inline cr_tensor *cr__no_tensor(int code) {
  (void)code;
  return NULL;
}

/* t once `code` tells that it was filled, else NULL: t is given up. */
static inline cr_tensor *cr__filled(int code, cr_tensor *t) {
  if (!code) return t;
  cr_release(t);
  return NULL;
}

#endif
