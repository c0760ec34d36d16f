/* given.h: the arguments of a call as the functions that carry it out get them.
 *
 * Holds true: a call's arguments have been checked, so that what is present has the kind that its parameter asks
 * for. What is not given is NULL, a count or a number of -1 (CR_DTYPE_NONE for a dtype), or CR_NONE. */
#ifndef CR__GIVEN_H
#define CR__GIVEN_H

#include "tensor.h"

/* Whole numbers: a shape, dims. Borrowed. */
typedef struct cr__ints {
  const int64_t *at;
  int n; /* -1: not given */
} cr__ints;

/* Numbers with a fraction: factors. Borrowed. */
typedef struct cr__floats {
  const double *at;
  int n; /* -1: not given */
} cr__floats;

/* A list of tensors. Borrowed. */
typedef struct cr__tensors {
  cr_tensor *const *at;
  int n; /* -1: not given */
} cr__tensors;

static inline cr_tensor *cr__given_tensor(const cr_value *v) {
  return v->kind == CR_TENSOR ? v->u.t : NULL;
}
static inline cr__tensors cr__given_tensors(const cr_value *v) {
  return v->kind == CR_TENSORS ? (cr__tensors){v->u.ts, v->n} : (cr__tensors){NULL, -1};
}
static inline cr__ints cr__given_ints(const cr_value *v) {
  return v->kind == CR_INTS ? (cr__ints){v->u.is, v->n} : (cr__ints){NULL, -1};
}
static inline cr__floats cr__given_floats(const cr_value *v) {
  return v->kind == CR_FLOATS ? (cr__floats){v->u.fs, v->n} : (cr__floats){NULL, -1};
}
static inline const int64_t *cr__given_int(const cr_value *v) {
  return v->kind == CR_INT ? &v->u.i : NULL;
}
static inline const double *cr__given_float(const cr_value *v) {
  return v->kind == CR_FLOAT ? &v->u.f : NULL;
}
static inline const char *cr__given_string(const cr_value *v) {
  return v->kind == CR_STRING ? v->u.s : NULL;
}
static inline int cr__given_choice(const cr_value *v) { return v->kind == CR_STRING ? v->n : -1; }
static inline cr_dtype cr__given_dtype(const cr_value *v) {
  return v->kind == CR_DTYPE_VALUE ? (cr_dtype)v->u.i : CR_DTYPE_NONE;
}
static inline cr_device cr__given_device(const cr_value *v) {
  return v->kind == CR_DEVICE_VALUE ? (cr_device)v->u.i : -1;
}

/* For handing on to another call, whose absent arguments are CR_NONE. */
static inline cr_value cr__int_if(const int64_t *i) { return i ? cr_int(*i) : cr_none(); }
static inline cr_value cr__float_if(const double *f) { return f ? cr_float(*f) : cr_none(); }
static inline cr_value cr__device_if(cr_device device) {
  return device < 0 ? cr_none() : cr_device_value(device);
}

#endif
