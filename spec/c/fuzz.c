/* fuzz.c: random calls of every operation through the C API: `make fuzz SEED=n CALLS=n`.
 *
 * Holds true: the same seed makes the same calls. By descriptor (pure, in place, into out, over lists) and
 * by the generated functions, with what fuzz_arguments.h gives; allocations fail now and then. Whatever is
 * passed, a call gives sound results, or one sentence with a code; a call that failed, and a pure one in
 * any case, has left its tensors and the random generator as they were; in the end nothing is left.
 * Arguments: SEED CALLS LOG DEVICE. The last call stands in the file LOG, should it end the process. */
#include "fuzz_arguments.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t seed, calls, at, failures, faults;
static char what[256]; /* the call that is being made */
static FILE *log_file;

static void fault(const char *text) {
  faults++;
  fprintf(stderr, "call %lld of seed %lld: %s: %s (%s)\n", (long long)at, (long long)seed, what,
          text, cr_error_message());
}

static void name_call(const char *form, const char *name) {
  int n = snprintf(what, sizeof what, "%s %s(", form, name);
  for (int i = 0; i < handed_count && n < 200; i++) {
    n += snprintf(what + n, sizeof what - (size_t)n, "%s%s", i ? ", " : "",
                  cr_dtype_name(cr_dtype_of(handed[i])));
    for (int d = 0; d < cr_ndim(handed[i]) && n < 200; d++)
      n += snprintf(what + n, sizeof what - (size_t)n, d ? "x%lld" : " %lld",
                    (long long)cr_shape(handed[i])[d]);
  }
  snprintf(what + n, sizeof what - (size_t)n, ")");
  if (!log_file) return;
  rewind(log_file);
  fprintf(log_file, "%lld %-240s\n", (long long)at, what);
  fflush(log_file);
}

/* ---- What a call must leave as it was ---- */

typedef struct snapshot {
  void *bytes;
  size_t nbytes;
  int ndim;
  int64_t shape[CR_MAX_DIMS];
  uint32_t version;
  bool counted;
} snapshot;

static snapshot kept[HANDED];
static uint64_t kept_seed, kept_offset;

static size_t bytes_of(const cr_tensor *t) {
  return (size_t)cr_numel(t) * cr_dtype_size(cr_dtype_of(t));
}

static void take(snapshot *s, cr_tensor *t) {
  s->nbytes = bytes_of(t);
  s->bytes = malloc(s->nbytes + 1);
  if (cr_read(t, s->bytes, s->nbytes)) fault("an argument cannot be read");
  s->ndim = cr_ndim(t);
  memcpy(s->shape, cr_shape(t), (size_t)s->ndim * sizeof *s->shape);
  s->counted = cr_version(t, &s->version) == 0;
  cr_error_clear();
}

static const char *difference(const snapshot *s, cr_tensor *t) {
  const char *found = NULL;
  uint32_t version;
  void *bytes = malloc(s->nbytes + 1);
  if (s->ndim != cr_ndim(t) ||
      memcmp(s->shape, cr_shape(t), (size_t)s->ndim * sizeof *s->shape) != 0)
    found = "an argument has another shape";
  else if (s->counted && (cr_version(t, &version) || version != s->version))
    found = "an argument has another version";
  else if (s->nbytes != bytes_of(t) || cr_read(t, bytes, s->nbytes) ||
           memcmp(bytes, s->bytes, s->nbytes) != 0)
    found = "an argument has other elements";
  free(bytes);
  return found;
}

static void before(const char *form, const char *name) {
  name_call(form, name);
  for (int i = 0; i < handed_count; i++) take(&kept[i], handed[i]);
  cr_rng_get(&kept_seed, &kept_offset);
  cr_error_clear();
  if (once_in(16)) cr_memory_fail(between(1, 6));
}

/* `writes`: whether a call that succeeds may change its arguments. */
static void after(int code, bool writes) {
  uint64_t new_seed, offset;
  cr_memory_fail(0);
  if (second_device != CR_CPU && cr_cuda_synchronize(-1)) {
    writes |= !code; /* found late: what is valid has been written */
    code = cr_error_code();
  }
  if (code) {
    failures++;
    if (cr_error_code() != (cr_error)code) fault("the code is not the thread's");
    if (cr_error_code() == CR_E_INTERNAL) fault("a promise of its own");
    if (!*cr_error_message() || strchr(cr_error_message(), '\n')) fault("no single sentence");
    cr_rng_get(&new_seed, &offset);
    if (offset != kept_offset || new_seed != kept_seed) fault("random numbers are spent");
  }
  bool late = code == CR_E_INDEX && second_device != CR_CPU;
  for (int i = 0; i < handed_count; i++) {
    const char *found = late || (writes && !code) ? NULL : difference(&kept[i], handed[i]);
    if (found) fault(found);
    free(kept[i].bytes);
  }
}

/* ---- Results ---- */

static void check_result(cr_tensor *t) {
  int64_t numel = 1;
  if (!t) {
    fault("a result is NULL");
    return;
  }
  for (int d = 0; d < cr_ndim(t); d++) numel *= cr_shape(t)[d];
  if (cr_ndim(t) < 0 || cr_ndim(t) > CR_MAX_DIMS) fault("a result has too many dims");
  else if (numel != cr_numel(t)) fault("a result has another count of elements");
  if (!cr_dtype_size(cr_dtype_of(t))) fault("a result has no dtype");
  if (cr_numel(t) > 1 << 16) return;
  void *bytes = malloc(bytes_of(t) + 1);
  if (cr_read(t, bytes, bytes_of(t)) && second_device == CR_CPU) fault("a result cannot be read");
  free(bytes);
  cr_error_clear();
}

/* Derivatives of a result that has some: of its leaves, or of what was handed out. Only the latter are made
 * differentiable, since a leaf that holds a graph in its grad is held by it. */
static void go_back(cr_tensor *t) {
  cr_tensor *inputs[HANDED], *grads[HANDED] = {NULL};
  if (!cr_requires_grad(t) || cr_numel(t) > 4096) return;
  cr_backward_options options = {.ninputs = -1, .retain_graph = once_in(2)};
  cr_tensor *sum = cr_sum(t, NULL, -1, false, CR_DTYPE_NONE);
  if (sum && once_in(2)) {
    cr_backward(&sum, 1, &options);
  } else if (sum) {
    options = (cr_backward_options){.inputs = inputs, .create_graph = true, .allow_unused = true};
    for (int i = 0; i < handed_count; i++)
      if (cr_requires_grad(handed[i])) inputs[options.ninputs++] = handed[i];
    int code = cr_grad(&sum, 1, &options, grads);
    for (int i = 0; i < options.ninputs; i++) {
      if (!code && grads[i]) check_result(grads[i]);
      cr_release(grads[i]);
    }
  }
  if (cr_error_code() == CR_E_INTERNAL) fault("backward broke a promise");
  cr_release(sum);
  cr_error_clear();
}

/* Releases results; one may join the pool. */
static void use_results(cr_tensor **out, int n) {
  for (int i = 0; i < n; i++) {
    check_result(out[i]);
    if (out[i] && once_in(4)) go_back(out[i]);
    if (out[i] && once_in(8) && cr_numel(out[i]) <= 512) {
      cr_tensor **slot = &pool[draw(POOL)], *old = *slot;
      *slot = cr_retain(out[i]);
      cr_release(old);
    }
    cr_release(out[i]);
  }
}

/* ---- Calls by descriptor ---- */

enum { MAX_ARGS = 32, ROWS = 3 };

static void fill_row(const cr_op *op, cr_value *args) {
  for (int i = 0; i < op->nparam; i++)
    args[i] = any_value(op->params[i].type, op->params[i].optional);
}

static void call_pure(const cr_op *op) {
  static cr_tensor *out[CR_MAX_OUTPUTS];
  cr_value args[MAX_ARGS];
  int n = 0;
  fill_row(op, args);
  before("cr_call", op->name);
  int code = cr_call(op, args, out, &n);
  after(code, false);
  if (code && n) fault("a call that failed has results");
  if (!code && op->nout && n != op->nout) fault("the number of results is another");
  use_results(out, code ? 0 : n);
}

static void call_in_place(const cr_op *op) {
  cr_value args[MAX_ARGS];
  fill_row(op, args);
  before("cr_call_inplace", op->name);
  after(cr_call_inplace(op, args), true);
}

static void call_into(const cr_op *op) {
  cr_value args[MAX_ARGS];
  fill_row(op, args);
  cr_tensor *out = any_tensor();
  before("cr_call_out", op->name);
  after(cr_call_out(op, args, out), true);
}

static void call_on_lists(const cr_op *op, bool in_place) {
  cr_value rows[MAX_ARGS * ROWS];
  cr_tensor *out[ROWS] = {NULL};
  int n = (int)draw(ROWS + 1);
  for (int i = 0; i < n; i++) fill_row(op, rows + i * op->nparam);
  if (in_place) {
    before("cr_foreach_inplace", op->name);
    after(cr_foreach_inplace(op, n, rows), true);
    return;
  }
  before("cr_foreach", op->name);
  int code = cr_foreach(op, n, rows, out);
  after(code, false);
  for (int i = 0; i < n && !code; i++)
    if (out[i]) use_results(&out[i], 1);
}

/* ---- Calls of the generated functions ---- */

typedef struct results {
  cr_tensor *out[CR_MAX_OUTPUTS];
  int n;
} results;

static int one(cr_tensor *t, results *r) {
  r->out[0] = t;
  r->n = t != NULL;
  return t ? 0 : (int)cr_error_code();
}

static int several(int code, int n, results *r) {
  r->n = code ? 0 : n;
  return code;
}

#include "wrappers.inc" /* one function per prototype of cresset_ops.h: wrappers.lua */

static void call_wrapper(void) {
  static results r;
  int i = (int)draw((int64_t)(sizeof wrappers / sizeof *wrappers));
  r.n = 0;
  int code = wrappers[i].call(&r);
  after(code, wrappers[i].writes);
  use_results(r.out, r.n);
}

/* ---- The run ---- */

static void make_call(void) {
  const cr_op *op;
  do op = cr_op_at((int)draw(cr_op_count()));
  while (!(op->flags & (CR_OP_METHOD | CR_OP_FUNCTION)));
  bool grad = cr_set_grad_enabled(!once_in(6));
  bool inference = cr_set_inference(once_in(40));
  begin_arguments();
  if (op->nparam > MAX_ARGS) fault("too many parameters for this program");
  else switch (draw(8)) {
    case 0: call_in_place(op); break;
    case 1: call_into(op); break;
    case 2: call_on_lists(op, any_bool()); break;
    case 3:
    case 4: call_wrapper(); break;
    default: call_pure(op);
    }
  cr_set_inference(inference);
  cr_set_grad_enabled(grad);
  cr_error_clear();
}

static int64_t objects(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? -1 : m.objects;
}

static int64_t bytes_in_use(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? -1 : m.allocated;
}

int main(int argc, char **argv) {
  seed = argc > 1 ? atoll(argv[1]) : 1;
  calls = argc > 2 ? atoll(argv[2]) : 20000;
  log_file = argc > 3 && *argv[3] ? fopen(argv[3], "w") : NULL;
  if (argc > 4 && cr_device_parse(argv[4], &second_device)) {
    fprintf(stderr, "%s\n", cr_error_message());
    return 2;
  }
  random_state = (uint64_t)seed * 0x2545f4914f6cdd1du;
  cr_memory_limit(CR_CPU, (int64_t)64 << 20); /* sizes are drawn from all integers */
  if (second_device != CR_CPU) cr_memory_limit(second_device, (int64_t)64 << 20);
  cr_set_num_threads(2);
  cr_manual_seed((uint64_t)seed);
  int64_t objects_before = objects(), bytes_before = bytes_in_use();
  for (int i = 0; i < POOL; i++) pool[i] = new_tensor();
  for (at = 1; at <= calls; at++) {
    if (once_in(3)) renew();
    cr_set_deadline(20);
    make_call();
    cr_set_deadline(0);
  }
  begin_arguments();
  for (int i = 0; i < POOL; i++) cr_release(pool[i]);
  snprintf(what, sizeof what, "the end");
  cr_error_clear();
  if (objects() != objects_before) fault("tensors or nodes are left");
  if (bytes_in_use() != bytes_before) fault("memory is left");
  printf("%lld calls in C, %lld of them failed, %lld faults\n", (long long)calls,
         (long long)failures, (long long)faults);
  return faults != 0;
}
