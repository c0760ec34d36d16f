/* api.c: what a C program can rely on. Each check is one promise of cresset.h; the program prints the
 * promises that are broken and returns how many they are. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cresset.h"

static int broken;

static void check(int kept, const char *promise) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, cr_error_message());
}

static cr_tensor *vector(int n, const double *values) {
  int64_t shape[1] = {n};
  return cr_from(values, CR_FLOAT64, 1, shape);
}

static double first(cr_tensor *t) {
  double values[16] = {NAN};
  if (!t || cr_read(t, values, (size_t)cr_numel(t) * sizeof *values)) return NAN;
  return values[0];
}

static int64_t live(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? -1 : m.objects;
}

/* ---- Errors ---- */

static void sticky_errors(void) {
  cr_error_clear();
  cr_tensor *a = vector(2, (double[]){1, 2}), *b = vector(3, (double[]){1, 2, 3});
  cr_tensor *sum = cr_add(a, b);
  check(!sum, "shapes that do not fit give NULL");
  check(cr_error_code() == CR_E_SHAPE, "the code says which kind of error it was");
  check(strstr(cr_error_message(), "add") != NULL, "the message names the operation");
  char message[256];
  snprintf(message, sizeof message, "%s", cr_error_message());
  cr_tensor *rest = cr_exp(sum);
  check(!rest, "given NULL, a function returns NULL");
  check(!strcmp(message, cr_error_message()), "the first error is kept");
  cr_release(rest);
  cr_release(sum);
  cr_error_clear();
  check(cr_error_code() == CR_E_OK, "an error can be cleared");
  cr_release(a);
  cr_release(b);
}

/* ---- Foreign memory ---- */

static void count(void *user) { ++*(int *)user; }

static void foreign_memory(void) {
  double data[6] = {1, 2, 3, 4, 5, 6};
  int64_t shape[2] = {2, 3};
  int deleted = 0;
  cr_tensor *t = cr_wrap(data, CR_FLOAT64, 2, shape, NULL, count, &deleted);
  check(t && cr_data(t) == data, "a wrapped buffer is not copied");
  cr_tensor *row = cr_select(t, 1, 2);
  cr_release(t);
  check(deleted == 0, "the deleter waits for the last view");
  check(first(row) == 4, "a view reads the host's memory");
  data[3] = 40;
  check(first(row) == 40, "what the host writes is seen");
  cr_release(row);
  check(deleted == 1, "the deleter runs once");
  char *bytes = malloc(64);
  t = cr_wrap(bytes + 1, CR_FLOAT64, 2, shape, NULL, count, &deleted);
  check(!t && deleted == 1, "misaligned memory is refused and the deleter not called");
  check(strstr(cr_error_message(), "align") != NULL, "the message says misaligned");
  cr_error_clear();
  free(bytes);
  int64_t negative[1] = {-1};
  check(!cr_wrap(data, CR_FLOAT64, 1, negative, NULL, NULL, NULL), "a negative size is refused");
  int64_t huge[2] = {INT64_MAX, 4};
  check(!cr_new(CR_FLOAT64, CR_CPU, 2, huge), "a size that overflows is refused");
  cr_error_clear();
}

/* ---- Derivatives ---- */

static void derivatives(void) {
  cr_tensor *x = vector(2, (double[]){3, 4});
  check(!cr_set_requires_grad(x, true), "a leaf can require grad");
  cr_tensor *square = cr_mul(x, x);
  cr_tensor *y = cr_sum(square, NULL, -1, false, CR_DTYPE_NONE);
  cr_release(square);
  cr_backward_options o = {.ninputs = -1};
  check(y && !cr_backward(&y, 1, &o), "backward runs");
  check(first(cr_grad_of(x)) == 6, "the gradient arrives in grad");
  check(cr_backward(&y, 1, &o) == CR_E_AUTOGRAD, "a freed graph cannot run again");
  cr_error_clear();
  cr_release(y);
  cr_release(x);
}

/* ---- Custom Functions ---- */

typedef struct scale {
  double by;
  int *freed;
} scale;

static int scale_forward(cr_context *ctx, void *user, cr_tensor *const *inputs, int n) {
  (void)n;
  scale *s = user;
  cr_tensor *y = cr_mul_scalar(inputs[0], cr_float(s->by));
  int code = y ? cr_context_return(ctx, y) : (int)cr_error_code();
  cr_release(y);
  return code ? code : cr_context_save(ctx, inputs, 1);
}

static int scale_backward(cr_context *ctx, void *user, cr_tensor *const *grads, int nout,
                          cr_tensor **grad_inputs, int nin) {
  (void)nout;
  (void)nin;
  cr_tensor *saved[1];
  int n = 1;
  if (cr_context_saved(ctx, saved, &n)) return (int)cr_error_code();
  cr_release(saved[0]);
  grad_inputs[0] = cr_mul_scalar(grads[0], cr_float(((scale *)user)->by));
  return grad_inputs[0] ? CR_E_OK : (int)cr_error_code();
}

static void scale_free(void *user) {
  scale *s = user;
  ++*s->freed;
  free(s);
}

static int failing(cr_context *ctx, void *user, cr_tensor *const *inputs, int n) {
  (void)ctx, (void)user, (void)inputs, (void)n;
  return cr_error_set(CR_E_CALLBACK, "the host said no");
}

static scale *new_scale(double by, int *freed) {
  scale *s = malloc(sizeof *s);
  if (!s) exit(2);
  *s = (scale){by, freed};
  return s;
}

static void custom_functions(void) {
  const cr_function f = {"Scale", scale_forward, scale_backward, scale_free, false};
  int freed = 0, n = 0;
  cr_tensor *x = vector(1, (double[]){5}), *out[CR_MAX_OUTPUTS];
  cr_set_requires_grad(x, true);
  check(!cr_function_apply(&f, new_scale(3, &freed), &x, 1, out, &n) && n == 1,
        "a Function in C runs");
  check(first(out[0]) == 15, "it gives its result");
  check(freed == 0, "its user pointer lives with the node");
  cr_backward_options o = {.ninputs = -1};
  check(!cr_backward(out, 1, &o) && first(cr_grad_of(x)) == 3, "its backward gives the gradient");
  cr_release(out[0]);
  check(freed == 1, "its user pointer is freed with the node, once");

  const cr_function no = {"No", failing, NULL, scale_free, false};
  check(cr_function_apply(&no, new_scale(1, &freed), &x, 1, out, &n) == CR_E_CALLBACK,
        "an error in a callback is returned");
  check(strstr(cr_error_message(), "the host said no") != NULL, "with its sentence");
  check(freed == 2, "the user pointer is freed after a failure too");
  cr_error_clear();

  cr_tensor *plain = vector(1, (double[]){5});
  check(!cr_function_apply(&f, new_scale(2, &freed), &plain, 1, out, &n),
        "without grad it runs too");
  check(!cr_requires_grad(out[0]) && freed == 3, "and makes no node");
  cr_release(out[0]);
  cr_release(plain);
  cr_release(x);
}

/* What a composite's parts find wrong is told in its own words. */
static void composite_errors(void) {
  int64_t shape[] = {2, 3};
  cr_tensor *a = cr_new(CR_FLOAT32, CR_CPU, 2, shape);
  cr_error_clear();
  check(!cr_swapaxes(a, 1, 9), "a part that fails fails the composite");
  check(!strncmp(cr_error_message(), "swapaxes: axis1 9 ", 18),
        "which speaks of its own parameter");
  char message[256];
  snprintf(message, sizeof message, "%s", cr_error_message());
  check(!cr_softmin(cr_swapaxes(a, 9, 1), 1, CR_DTYPE_NONE), "a chain of composites fails");
  check(strstr(cr_error_message(), "swapaxes: axis0") != NULL, "and keeps the first error");
  cr_error_clear();
  cr_release(a);
}

/* ---- Operations by descriptor ---- */

static void descriptors(void) {
  const cr_op *op = cr_op_find("add");
  check(op && op->nparam >= 2 && !strncmp(op->signature, "add(", 4), "operations can be looked up");
  check(!cr_op_find("no such operation"), "what does not exist is not found");
  check(!cr_op_find("restride") && !cr_op_find("nll_first"), "nor what only derivatives use");
  for (int i = 0; i < cr_op_count(); i++)
    if (cr_op_find(cr_op_at(i)->name) != cr_op_at(i)) check(0, cr_op_at(i)->name);
  check(!cr_op_at(-1) && !cr_op_at(cr_op_count()), "the list of operations has ends");
  check(cr_op_find("absolute") == cr_op_find("abs"), "an alias finds its operation");
  check(cr_promote_types(CR_UINT8, CR_INT8) == CR_INT16, "dtypes are promoted");
  check(cr_promote_types(CR_UINT8, CR_DTYPE_NONE) == CR_DTYPE_NONE, "if they are dtypes");
  cr_tensor *a = vector(1, (double[]){1}), *out[CR_MAX_OUTPUTS];
  cr_value args[16] = {cr_of(a), cr_int(41)};
  int n = 0;
  check(!cr_call(op, args, out, &n) && n == 1 && first(out[0]) == 42, "and called");
  cr_release(out[0]);
  check(!cr_call_inplace(op, args) && first(a) == 42, "also in place");
  cr_release(a);
}

/* Refuses every call of basic_index with these entries. */
static void refuses_entries(cr_tensor *t, int n, const int64_t *entries) {
  const cr_op *op = cr_op_find("basic_index");
  cr_value args[] = {cr_of(t), cr_ints(entries, n)};
  cr_tensor *out = NULL;
  check(cr_call(op, args, &out, NULL) && !out, "entries that do not fit are refused");
  cr_error_clear();
}

static void entries(void) {
  cr_tensor *t = vector(3, (double[]){1, 2, 3});
  refuses_entries(t, 3, (int64_t[]){1, 2, 0});
  refuses_entries(t, 4, (int64_t[]){3, 1000, 0, 0});
  refuses_entries(t, 4, (int64_t[]){3, -1, 0, 0});
  refuses_entries(t, 4, (int64_t[]){0, 2, 0, 0});
  refuses_entries(t, 4, (int64_t[]){0, -1, 0, 0});
  refuses_entries(t, 4, (int64_t[]){1, 4, 0, 0});
  refuses_entries(t, 4, (int64_t[]){2, 1, 3, 0});
  refuses_entries(t, 4, (int64_t[]){17, 1, 3, 1});
  refuses_entries(t, 4, (int64_t[]){-5, 1, 3, 1});
  refuses_entries(t, 4, (int64_t[]){2, 1, 3, INT64_MIN});
  refuses_entries(t, 4, (int64_t[]){1, INT64_MIN, 0, 0});
  refuses_entries(t, 8, (int64_t[]){1, 1, 0, 0, 1, 1, 0, 0});
  cr_release(t);
}

/* ---- Memory and threads ---- */

/* ---- Lists ---- */

static void lists(void) {
  cr_tensor *p[] = {vector(2, (double[]){1, 2}), vector(1, (double[]){3})};
  cr_tensor *g[] = {vector(2, (double[]){2, 2}), vector(1, (double[]){4})};
  const cr_op *add = cr_op_find("add"), *exp_op = cr_op_find("exp");
  cr_value sums[] = {cr_of(p[0]), cr_of(g[0]), cr_none(), cr_none(), cr_of(p[1]), cr_int(1)};
  check(!cr_foreach_inplace(add, 3, sums), "a call in place for each row");
  check(first(p[0]) == 3 && first(p[1]) == 4, "a row that begins with nothing is skipped");
  sums[5] = cr_of(g[0]); /* does not fit p[1] */
  check(cr_foreach_inplace(add, 3, sums) == CR_E_SHAPE, "a row that does not fit is an error");
  check(first(p[0]) == 3, "before any is written");
  cr_error_clear();
  cr_value roots[] = {cr_of(p[0]), cr_none()};
  cr_tensor *out[2];
  check(!cr_foreach(exp_op, 2, roots, out) && !out[1], "a result for each row, none for none");
  check(fabs(first(out[0]) - exp(3)) < 1e-12, "as the operation gives it");
  check(!cr_foreach_sgd_(p, 2, g, 2, NULL, 0, 0.5, 0, 0, 0, false, false, false),
        "an update of lists; one that may be absent is NULL");
  check(first(p[0]) == 2 && first(p[1]) == 2, "writes to all of them");
  cr_release(out[0]);
  for (int i = 0; i < 2; i++) cr_release(p[i]), cr_release(g[i]);
}

static void failures(void) {
  cr_tensor *a = vector(2, (double[]){1, 2});
  cr_memory_fail(1);
  cr_tensor *b = cr_exp(a);
  check(!b && cr_error_code() == CR_E_MEMORY, "a failed allocation is an error");
  check(strstr(cr_error_message(), "out of memory") != NULL, "which says out of memory");
  cr_memory_fail(0);
  cr_error_clear();
  b = cr_exp(a);
  check(b != NULL, "and the engine goes on");
  cr_release(b);
  cr_release(a);
}

static void interrupts(void) {
  cr_tensor *a = vector(1, (double[]){1});
  cr_interrupt(true);
  cr_tensor *b = cr_exp(a);
  check(!b && cr_error_code() == CR_E_INTERRUPT, "an interrupt stops the next call");
  cr_interrupt(false);
  cr_error_clear();
  b = cr_exp(a);
  check(b != NULL, "and is over when it is turned off");
  cr_release(b);
  cr_release(a);
}

static cr_tensor *shared;

static void *work(void *user) {
  double *result = user;
  for (int i = 0; i < 300; i++) {
    cr_tensor *x = cr_clone(shared);
    cr_set_requires_grad(x, true);
    cr_tensor *square = cr_mul(x, shared);
    cr_tensor *y = cr_sum(square, NULL, -1, false, CR_DTYPE_NONE);
    cr_backward_options o = {.ninputs = -1};
    if (!y || cr_backward(&y, 1, &o)) return NULL;
    *result += first(cr_grad_of(x));
    cr_release(square);
    cr_release(y);
    cr_release(x);
  }
  cr_set_grad_enabled(false); /* this thread's alone */
  return NULL;
}

static void threads(void) {
  pthread_t t[4];
  double results[4] = {0};
  shared = vector(3, (double[]){2, 3, 4});
  for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, work, &results[i]);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 4; i++)
    check(results[i] == 600, "threads share tensors and have graphs of their own");
  check(cr_grad_enabled(), "the gradient mode belongs to the thread");
  cr_release(shared);
}

static cr_tensor *shared_root;

/* Each pass has its own gradients, though all are on their way through the same nodes. */
static void *differentiate(void *user) {
  for (int i = 0; i < 300; i++) {
    cr_tensor *g = NULL;
    cr_backward_options o = {.retain_graph = true, .inputs = &shared, .ninputs = 1};
    if (cr_grad(&shared_root, 1, &o, &g)) return NULL;
    *(double *)user += first(g);
    cr_release(g);
  }
  return NULL;
}

static void one_graph_in_threads(void) {
  pthread_t t[4];
  double results[4] = {0};
  shared = vector(3, (double[]){2, 3, 4});
  cr_set_requires_grad(shared, true);
  cr_tensor *square = cr_mul(shared, shared), *cube = cr_mul(square, shared);
  shared_root = cr_sum(cube, NULL, -1, false, CR_DTYPE_NONE);
  for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, differentiate, &results[i]);
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 4; i++) check(results[i] == 3600, "threads differentiate one graph");
  cr_release(square);
  cr_release(cube);
  cr_release(shared_root);
  cr_release(shared);
}

int main(void) {
  sticky_errors();
  composite_errors(); /* once before counting: tables of the thread are made */
  custom_functions();
  int64_t before = live();
  sticky_errors();
  foreign_memory();
  derivatives();
  custom_functions();
  descriptors();
  entries();
  lists();
  failures();
  interrupts();
  threads();
  one_graph_in_threads();
  check(live() == before, "nothing is left behind");
  return broken;
}
