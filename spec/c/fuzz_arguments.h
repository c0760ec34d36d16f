/* fuzz_arguments.h: random tensors and values for fuzz.c.
 *
 * Holds true: the same seed gives the same ones. A tensor comes from a pool that is renewed bit by bit:
 * of any dtype, with edges (no dims, no elements, strides of 0, overlapping memory, leaves, views), and
 * sometimes it is NULL. What is handed out is noted, and stays alive until the next call. */
#ifndef FUZZ_ARGUMENTS_H
#define FUZZ_ARGUMENTS_H

#include <math.h>
#include <string.h>

#include "cresset.h"

enum { POOL = 24, HANDED = 64, LISTS = 16, MOST = 24 };

static uint64_t random_state;
static cr_device second_device; /* CR_CPU: there is only one */
static cr_tensor *pool[POOL];
static cr_tensor *handed[HANDED]; /* to the call that is being made */
static int handed_count;
static int64_t int_lists[LISTS][MOST];
static double float_lists[LISTS][MOST];
static cr_tensor *tensor_lists[LISTS][4];
static int lists_used;

static uint64_t next_word(void) { /* splitmix64 */
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* 0 <= draw(n) < n */
static int64_t draw(int64_t n) { return (int64_t)(next_word() % (uint64_t)n); }
static int64_t between(int64_t low, int64_t high) { return low + draw(high - low + 1); }
static bool once_in(int64_t n) { return draw(n) == 0; }

/* ---- Tensors ---- */

static cr_tensor *apply(const char *name, const cr_value *args) {
  cr_tensor *out[CR_MAX_OUTPUTS];
  const cr_op *op = cr_op_find(name);
  return op && cr_call(op, args, out, NULL) == 0 ? out[0] : NULL;
}

static cr_tensor *new_tensor(void) {
  static const struct {
    int ndim;
    int64_t sizes[16];
  } shapes[] =
      {{0, {0}},       {1, {1}},          {1, {3}},
       {2, {2, 3}},    {2, {3, 1}},       {2, {1, 3}},
       {1, {0}},       {2, {2, 0}},       {2, {4, 4}},
       {3, {2, 3, 4}}, {4, {2, 3, 4, 4}}, {1, {17}},
       {2, {33, 5}},   {1, {300}},        {16, {1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1}}};
  double data[512];
  int which = (int)draw((int64_t)(sizeof shapes / sizeof *shapes));
  cr_dtype dtype = once_in(3) ? CR_FLOAT32 : (cr_dtype)draw(CR_DTYPE_COUNT);
  bool wild = once_in(10);
  static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 1e300, 0x1p62, -1e-310, 255};
  for (int i = 0; i < 512; i++)
    data[i] = wild && once_in(3) ? special[draw(8)] : (double)between(-3, 5);
  cr_tensor *plain = cr_from(data, CR_FLOAT64, shapes[which].ndim, shapes[which].sizes);
  cr_device device = once_in(3) ? CR_CPU : second_device;
  cr_tensor *t = apply("to", (cr_value[]){cr_of(plain), cr_dtype_value(dtype),
                                          cr_device_value(device), cr_bool(false)});
  cr_release(plain);
  return t;
}

/* Another view of t, or NULL. */
static cr_tensor *view_of(cr_tensor *t) {
  int64_t n = cr_ndim(t), sizes[20], strides[20];
  if (n == 0 || n > 14) return NULL;
  for (int64_t d = 0; d < n; d++) sizes[d + 1] = cr_shape(t)[d], strides[d + 1] = cr_stride(t)[d];
  sizes[0] = 3, strides[0] = 0;
  switch (draw(5)) {
  case 0: return apply("transpose", (cr_value[]){cr_of(t), cr_int(1), cr_int(-1)});
  case 1: return apply("expand", (cr_value[]){cr_of(t), cr_ints(sizes, (int)n + 1)});
  case 2:
    return apply("slice",
                 (cr_value[]){cr_of(t), cr_int(between(1, n)), cr_int(1), cr_int(-1), cr_int(2)});
  case 3: return apply("select", (cr_value[]){cr_of(t), cr_int(between(1, n)), cr_int(1)});
  default: /* neighbours that share elements */
    sizes[0] = 2, sizes[1] = 2, strides[0] = strides[1] = 1;
    return apply("as_strided",
                 (cr_value[]){cr_of(t), cr_ints(sizes, 2), cr_ints(strides, 2), cr_none()});
  }
}

static void renew(void) {
  cr_tensor **slot = &pool[draw(POOL)], *t = NULL;
  if (*slot && once_in(3)) t = view_of(*slot);
  if (!t) t = new_tensor();
  cr_error_clear();
  if (t && once_in(4) && cr_is_leaf(t) && !cr_base(t)) cr_set_requires_grad(t, true);
  cr_error_clear();
  cr_release(*slot);
  *slot = t;
}

/* Forgets what was handed out. */
static void begin_arguments(void) {
  while (handed_count > 0) cr_release(handed[--handed_count]);
  lists_used = 0;
}

static bool alike(const cr_tensor *a, const cr_tensor *b) {
  return a && cr_ndim(a) == cr_ndim(b) && cr_dtype_of(a) == cr_dtype_of(b) &&
         memcmp(cr_shape(a), cr_shape(b), (size_t)cr_ndim(a) * sizeof(int64_t)) == 0;
}

/* Mostly one like the first of the call, if the pool has it: tensors that differ seldom go together. */
static cr_tensor *any_tensor(void) {
  cr_tensor *t = once_in(60) ? NULL : pool[draw(POOL)];
  if (t && handed_count > 0 && !once_in(3))
    for (int i = 0; i < 40 && !alike(t, handed[0]); i++) t = pool[draw(POOL)];
  if (t && handed_count < HANDED) handed[handed_count++] = cr_retain(t);
  return t;
}

static cr_tensor *const *any_tensors(int *n) {
  cr_tensor **list = tensor_lists[lists_used++ % LISTS];
  *n = (int)draw(5);
  for (int i = 0; i < *n; i++) list[i] = any_tensor();
  return list;
}

/* ---- Other values ---- */

static int64_t any_int(void) {
  static const int64_t huge[] = {INT64_MAX,     INT64_MIN,  (int64_t)1 << 40,
                                 INT64_MAX - 1, -INT64_MAX, (int64_t)1 << 31};
  return once_in(12) ? huge[draw(6)] : between(-3, 6);
}

static int64_t any_dim(void) { return once_in(30) ? any_int() : between(-4, 4); }

static double any_double(void) {
  static const double list[] = {0,      1,   -1,  2,        3,         0.5, -2.5, 1e30,
                                -1e300, 300, NAN, INFINITY, -INFINITY, 0.1, 1e-8, 0x1p63};
  return list[draw(16)];
}

/* *n: how many; -1: none at all. */
static const int64_t *any_ints(int *n) {
  int64_t *list = int_lists[lists_used++ % LISTS];
  *n = once_in(30) ? MOST : (int)between(-1, 5);
  for (int i = 0; i < *n; i++) list[i] = once_in(40) ? any_int() : between(-2, 5);
  return list;
}

static const double *any_floats(int *n) {
  double *list = float_lists[lists_used++ % LISTS];
  *n = (int)draw(5);
  for (int i = 0; i < *n; i++) list[i] = any_double();
  if (!once_in(20)) return list;
  *n = -1;
  return NULL;
}

static const char *any_string(void) {
  static const char *const words[] = {"mean",    "sum",      "none",     "floor", "trunc",
                                      "reflect", "circular", "constant", "left",  "right",
                                      "amax",    "prod",     "tanh",     "",      "ij,jk->ik"};
  return once_in(20) ? NULL : words[draw(15)];
}

static bool any_bool(void) { return draw(2); }

static cr_dtype any_dtype(void) {
  static const int32_t wrong[] = {CR_DTYPE_COUNT, 77, -7};
  return (cr_dtype)(once_in(20) ? wrong[draw(3)] : between(CR_DTYPE_NONE, CR_DTYPE_COUNT - 1));
}

static cr_device any_device(void) {
  static const cr_device wrong[] = {5, 300, -1, CR_CUDA + 7};
  return once_in(20) ? wrong[draw(4)] : any_bool() ? CR_CPU : second_device;
}

static cr_value any_number(void) {
  static const double parts[] = {1, 2};
  if (once_in(50)) return cr_complex_value(parts);
  switch (draw(4)) {
  case 0: return cr_float(any_double());
  case 1: return cr_bool(any_bool());
  default: return cr_int(any_int());
  }
}

static cr_value any_of(int type) {
  cr_tensor *const *ts;
  const int64_t *is;
  const double *fs;
  int n;
  switch (type) {
  case CR_P_TENSOR: return cr_of(any_tensor());
  case CR_P_OPERAND: return any_bool() ? cr_of(any_tensor()) : any_number();
  case CR_P_TENSORS: ts = any_tensors(&n); return cr_list(ts, n);
  case CR_P_SCALAR: return any_number();
  case CR_P_INT: return cr_int(any_int());
  case CR_P_FLOAT: return cr_float(any_double());
  case CR_P_BOOL: return cr_bool(any_bool());
  case CR_P_DIM: return cr_int(any_dim());
  case CR_P_DIMS:
  case CR_P_SHAPE:
  case CR_P_INTS: is = any_ints(&n); return cr_ints(is, n);
  case CR_P_FLOATS: fs = any_floats(&n); return cr_floats(fs, n);
  case CR_P_STRING: return cr_string(any_string());
  case CR_P_DTYPE: return cr_dtype_value(any_dtype());
  default: return cr_device_value(any_device());
  }
}

/* A value for a parameter of a type; now and then none, or one of another type. */
static cr_value any_value(int type, bool optional) {
  if (once_in(optional ? 2 : 150)) return cr_none();
  return any_of(once_in(80) ? (int)draw(CR_P_FLOATS + 1) : type);
}

#endif
