/* create.h: what the run functions that make tensors share.
 *
 * Holds true: an absent dtype or device is replaced in one place. */
#ifndef CR__RUN_CREATE_H
#define CR__RUN_CREATE_H

#include "tensor/dispatch.h"
#include "op_ids.h"

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
