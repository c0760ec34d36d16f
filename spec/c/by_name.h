/* by_name.h: calls of a generated function and of the operation of its name, for the program that
 * wrappers_spec.lua writes.
 *
 * Holds true: both get arguments of their own, from one seed; results and arguments must then agree to the
 * last bit. The program prints what does not, and returns how much that is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cresset.h"

static int broken;
static const char *function; /* the one that is being called */

static void complain(const char *text) {
  broken++;
  printf("%s: %s (%s)\n", function, text, cr_error_message());
}

/* What make() has made since the last begin(), in order; twice the same, for two calls. */
enum { MOST = 64 };
typedef struct made {
  cr_tensor *tensors[MOST];
  int n;
} made;
static made *making;

static const cr_op *begin(const char *name, const char *operation) {
  function = name;
  cr_error_clear();
  const cr_op *op = cr_op_find(operation);
  if (!op) complain("there is no such operation");
  return op;
}

static void begin_call(made *m) {
  making = m;
  cr_manual_seed(7);
}

static cr_tensor *make(cr_dtype dtype, int ndim, const int64_t *shape, const double *values) {
  cr_tensor *plain = cr_from(values, CR_FLOAT64, ndim, shape), *out[CR_MAX_OUTPUTS] = {NULL};
  cr_value args[] = {cr_of(plain), cr_dtype_value(dtype), cr_none(), cr_bool(true)};
  if (cr_call(cr_op_find("to"), args, out, NULL)) complain("an argument cannot be made");
  cr_release(plain);
  if (making->n < MOST) making->tensors[making->n++] = out[0];
  return out[0];
}

/* The default of a parameter that is left out. */
static cr_value otherwise(const cr_op *op, int i) { return op->params[i].otherwise; }

static void compare(cr_tensor *a, cr_tensor *b, bool bits) {
  if (!a || !b) {
    if (a != b) complain("one result is missing");
    return;
  }
  size_t n = (size_t)cr_numel(a) * cr_dtype_size(cr_dtype_of(a));
  if (cr_dtype_of(a) != cr_dtype_of(b)) complain("the dtypes differ");
  else if (cr_ndim(a) != cr_ndim(b) ||
           memcmp(cr_shape(a), cr_shape(b), (size_t)cr_ndim(a) * sizeof(int64_t)) != 0)
    complain("the shapes differ");
  else if (bits && n > 0) {
    void *of_a = malloc(n), *of_b = malloc(n);
    if (cr_read(a, of_a, n) || cr_read(b, of_b, n)) complain("a result cannot be read");
    else if (memcmp(of_a, of_b, n) != 0) complain("the elements differ");
    free(of_a);
    free(of_b);
  }
}

/* Results and arguments of both calls, which are released. */
static void end(cr_tensor **a, int na, made *of_a, cr_tensor **b, int nb, made *of_b, bool bits) {
  if (na != nb) complain("the numbers of results differ");
  for (int i = 0; i < na && i < nb; i++) compare(a[i], b[i], bits);
  for (int i = 0; i < of_a->n; i++) compare(of_a->tensors[i], of_b->tensors[i], true);
  for (int i = 0; i < na; i++) cr_release(a[i]);
  for (int i = 0; i < nb; i++) cr_release(b[i]);
  for (int i = 0; i < of_a->n; i++) cr_release(of_a->tensors[i]);
  for (int i = 0; i < of_b->n; i++) cr_release(of_b->tensors[i]);
}

static int64_t live(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? -1 : m.objects;
}
