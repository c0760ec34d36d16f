/* refusals.c: what the C API refuses, and that it says so: each check is one promise of cresset.h. The program prints
 * the promises that are broken and returns how many they are. */
#include <stdio.h>
#include <string.h>

#include "cresset.h"

static int broken;

static void check(int kept, const char *promise) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, cr_error_message());
}

/* The last call has failed with this code, and a sentence that has this word in it. */
static void refused(bool failed, cr_error code, const char *word, const char *promise) {
  bool told = cr_error_code() == code && strstr(cr_error_message(), word) != NULL;
  check(failed && told, promise);
  cr_error_clear();
}

static int deleted;
static void count(void *user) {
  (void)user;
  deleted++;
}

/* ---- Making tensors ---- */

static void making(void) {
  int64_t two[] = {2, 2}, far[] = {2, INT64_MAX / 2}, back[] = {-1, 1}, none[] = {0, 2};
  _Alignas(16) char memory[64] = {0};
  refused(!cr_new((cr_dtype)77, CR_CPU, 2, two), CR_E_DTYPE, "77", "new: a dtype must be one");
  refused(!cr_new((cr_dtype)-5, CR_CPU, 2, two), CR_E_DTYPE, "-5", "new: below the first too");
  refused(!cr_new(CR_FLOAT32, CR_CPU, 99, two), CR_E_SHAPE, "dims", "new: too many dims");
  refused(!cr_wrap(memory, (cr_dtype)77, 2, two, NULL, count, NULL), CR_E_DTYPE, "77",
          "wrap: a dtype must be one");
  refused(!cr_wrap(memory, CR_FLOAT32, 2, two, back, count, NULL), CR_E_ARGUMENT, "negative",
          "wrap: strides are not negative");
  refused(!cr_wrap(memory, CR_FLOAT32, 2, two, far, count, NULL), CR_E_SHAPE, "beyond",
          "wrap: strides stay within what can be addressed");
  refused(!cr_wrap(NULL, CR_FLOAT32, 2, two, NULL, count, NULL), CR_E_ARGUMENT, "NULL",
          "wrap: elements need memory");
  refused(!cr_wrap(memory + 1, CR_FLOAT32, 2, two, NULL, count, NULL), CR_E_ARGUMENT, "aligned",
          "wrap: memory is aligned");
  check(deleted == 0, "the deleter of what was refused is not called");
  cr_tensor *t = cr_wrap(NULL, CR_FLOAT32, 2, none, NULL, count, NULL);
  check(t && cr_numel(t) == 0, "no elements need no memory");
  cr_release(t);
  check(deleted == 1, "and are given up as others are");
  t = cr_wrap(memory, CR_FLOAT32, 2, two, NULL, NULL, NULL);
  check(t && cr_data(t) == memory, "memory that stays needs no deleter");
  cr_release(t);
}

/* ---- Asking tensors ---- */

static void asking(void) {
  int64_t two[] = {2};
  double values[] = {1, 2}, into[2];
  cr_value v = cr_int(3);
  uint32_t version = 7;
  cr_tensor *t = cr_from(values, CR_FLOAT64, 1, two);
  refused(cr_item(NULL, &v) && v.kind == CR_NONE, CR_E_ARGUMENT, "item", "item: wants a tensor");
  refused(cr_item(t, &v), CR_E_SHAPE, "one element", "item: wants one element");
  refused(cr_read(NULL, into, 16), CR_E_ARGUMENT, "read", "read: wants a tensor");
  refused(cr_read(t, into, 8), CR_E_ARGUMENT, "16 bytes", "read: wants room for all, and no more");
  refused(cr_version(NULL, &version) && version == 0, CR_E_ARGUMENT, "version",
          "version: wants a tensor");
  check(cr_ndim(NULL) == 0 && cr_numel(NULL) == 0 && !cr_shape(NULL) && !cr_stride(NULL) &&
            !cr_data(NULL) && cr_offset(NULL) == 0 && cr_storage_id(NULL) == 0 &&
            cr_dtype_of(NULL) == CR_DTYPE_NONE && cr_device_of(NULL) == CR_CPU &&
            !cr_is_contiguous(NULL) && !cr_same_storage(NULL, t) && !cr_same_storage(t, NULL),
        "no tensor has no shape, no elements and no memory");
  check(!cr_requires_grad(NULL) && !cr_grad_of(NULL) && !cr_base(NULL), "and is in no graph");
  cr_error_clear();
  check(!cr_retain(NULL), "it can be retained");
  cr_release(NULL);
  check(cr_error_code() == CR_E_OK, "and released, without an error");
  cr_release(t);
}

/* ---- Calling operations ---- */

static void calling(void) {
  const cr_op *sum = cr_op_find("sum"), *add = cr_op_find("add"), *fill = cr_op_find("fill");
  double values[] = {1, 2};
  cr_tensor *t = cr_from(values, CR_FLOAT64, 1, (int64_t[]){2}), *out[CR_MAX_OUTPUTS];
  cr_value none[] = {cr_none(), cr_none(), cr_none(), cr_none()};
  cr_value wrong[] = {cr_string("x"), cr_none(), cr_bool(false), cr_none()};
  check(sum && add && !cr_op_find("no such operation"), "operations are found by name");
  refused(cr_call(sum, none, out, NULL), CR_E_ARGUMENT, "sum",
          "what is not optional must be there");
  refused(cr_call(sum, wrong, out, NULL), CR_E_ARGUMENT, "sum: argument 'self'",
          "and must be of its kind");
  wrong[0] = cr_of(t), wrong[1] = cr_string("x");
  refused(cr_call(sum, wrong, out, NULL), CR_E_ARGUMENT, "dim", "each parameter is named");
  wrong[1] = cr_int(3);
  refused(cr_call(sum, wrong, out, NULL), CR_E_INDEX, "3", "dims are in range");
  wrong[1] = cr_int(0);
  refused(cr_call(sum, wrong, out, NULL), CR_E_INDEX, "count from 1", "dims count from 1");
  cr_value args[] = {cr_of(t), cr_int(1), cr_bool(false), cr_none()};
  refused(cr_call_inplace(sum, args), CR_E_ARGUMENT, "sum", "not every operation has a twin");
  check(!fill || cr_call(fill, (cr_value[]){cr_of(t), cr_int(1)}, out, NULL),
        "what is only a twin gives no result");
  cr_error_clear();
  check(cr_read(t, values, sizeof values) == 0 && values[0] == 1 && values[1] == 2,
        "a call that failed has changed nothing");
  cr_release(t);
}

/* ---- Complex numbers, which no dtype holds ---- */

/* A value that the parameter takes; CR_NONE where it may be left out. */
static cr_value plain(const cr_param *p, cr_tensor *t, cr_tensor *const *list) {
  static const int64_t one[] = {1};
  static const double one_and_half[] = {1.5};
  if (p->optional) return cr_none();
  switch (p->type) {
  case CR_P_TENSOR:
  case CR_P_OPERAND: return cr_of(t);
  case CR_P_TENSORS: return cr_list(list, 1);
  case CR_P_FLOAT: return cr_float(1);
  case CR_P_BOOL: return cr_bool(true);
  case CR_P_DIMS:
  case CR_P_SHAPE:
  case CR_P_INTS: return cr_ints(one, 1);
  case CR_P_FLOATS: return cr_floats(one_and_half, 1);
  case CR_P_STRING: return cr_string(p->choices ? p->choices[0] : "sum");
  case CR_P_DTYPE: return cr_dtype_value(CR_FLOAT32);
  case CR_P_DEVICE: return cr_device_value(CR_CPU);
  default: return cr_int(1);
  }
}

/* One call of each form with the complex number in the place of parameter `at`. */
static void refuses_complex(const cr_op *op, int at, cr_tensor *t) {
  static const double parts[] = {3, -4};
  cr_value args[16];
  cr_tensor *out[CR_MAX_OUTPUTS] = {NULL};
  int n, before = broken;
  char says[160];
  for (int i = 0; i < op->nparam; i++) args[i] = plain(&op->params[i], t, &t);
  args[at] = cr_complex_value(parts);
  snprintf(says, sizeof says, "%s is the complex number 3-4i", op->params[at].name);
  if (!(op->flags & CR_OP_INPLACE_ONLY))
    refused(cr_call(op, args, out, &n) && !out[0], CR_E_DTYPE, says, "a call refuses it");
  if (op->nout == 1)
    refused(cr_call_out(op, args, t), CR_E_DTYPE, says, "so does one into a tensor");
  if (op->flags & (CR_OP_INPLACE | CR_OP_INPLACE_ONLY) && at > 0) {
    refused(cr_call_inplace(op, args), CR_E_DTYPE, says, "and one in place");
    refused(cr_foreach_inplace(op, 1, args), CR_E_DTYPE, says, "and one over lists");
  }
  if (broken > before) printf("  by %s, parameter %s\n", op->name, op->params[at].name);
}

static void complex_numbers(void) {
  double value = 1, got = 0;
  cr_tensor *t = cr_from(&value, CR_FLOAT64, 1, (int64_t[]){1});
  for (int i = 0; i < cr_op_count(); i++)
    for (int at = 0; at < cr_op_at(i)->nparam; at++) refuses_complex(cr_op_at(i), at, t);
  check(cr_read(t, &got, sizeof got) == 0 && got == 1, "and nothing is read of it");
  check(cr_complex_value(NULL).kind == CR_NONE, "no parts are no argument");
  cr_release(t);
}

/* ---- Settings ---- */

static void settings(void) {
  cr_device device = 5;
  check(cr_device_parse("cpu", &device) == 0 && device == CR_CPU, "the CPU is a device");
  refused(cr_device_parse("tpu", &device), CR_E_DEVICE, "tpu", "an unknown device is named");
  refused(cr_device_parse("tpu", &device), CR_E_DEVICE, "there are \"cpu\", \"cuda\" or \"cuda:1\"",
          "in a sentence that lists what there is");
  refused(cr_device_parse("cuda:x", &device), CR_E_DEVICE, "cuda:x", "and so is an odd ordinal");
  refused(cr_set_default_dtype(CR_INT32), CR_E_DTYPE, "int32", "the default dtype is a float");
  refused(cr_set_num_threads(0), CR_E_ARGUMENT, "0", "there is at least one thread");
  refused(cr_memory_limit(CR_CPU, -1), CR_E_ARGUMENT, "negative", "a limit is not negative");
  refused(cr_memory_limit(999, 1), CR_E_DEVICE, "", "and belongs to a device");
  cr_memory m;
  refused(cr_memory_stats(999, &m), CR_E_DEVICE, "", "so do counts");
  cr_state *s = cr_state_new();
  cr_limits limits = {.memory = -1};
  refused(cr_state_limit(s, &limits), CR_E_ARGUMENT, "", "a state's limits are not negative");
  cr_state_free(s);
  cr_parallel pool = {NULL, 3, NULL};
  refused(cr_set_parallel(&pool), CR_E_ARGUMENT, "set_parallel", "a pool runs something");
}

int main(void) {
  making();
  asking();
  calling();
  complex_numbers();
  settings();
  return broken;
}
