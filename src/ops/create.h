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

static inline cr_dtype cr__dtype_or(cr_value v, cr_dtype otherwise) {
  return v.kind == CR_DTYPE_VALUE ? (cr_dtype)v.u.i : otherwise;
}

static inline cr_device cr__device_or(cr_value v, cr_device otherwise) {
  return v.kind == CR_DEVICE_VALUE ? (cr_device)v.u.i : otherwise;
}

/* Hands t over as the only result: 0, or the pending error if it is NULL. */
static inline int cr__give(cr_tensor *t, cr_tensor **out) {
  out[0] = t;
  return t ? 0 : cr_error_code();
}

/* The same once `code` tells whether t was filled. */
static inline int cr__give_if(int code, cr_tensor *t, cr_tensor **out) {
  if (code) cr_release(t);
  out[0] = code ? NULL : t;
  return code;
}

#endif
