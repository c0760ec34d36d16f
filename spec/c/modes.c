/* modes.c: a C program's own modes: gradients, inference, anomalies, hooks on what nodes save. Each check is one
 * promise of cresset.h; the program prints the promises that are broken and returns how many they are. */
#include <math.h>
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

static cr_tensor *leaf(double value) {
  cr_tensor *t = cr_from(&value, CR_FLOAT64, 0, NULL);
  cr_set_requires_grad(t, true);
  return t;
}

static double number(cr_tensor *t) {
  double value = NAN;
  return t && cr_read(t, &value, sizeof value) == 0 ? value : NAN;
}

static int64_t live(void) {
  cr_memory m;
  return cr_memory_stats(CR_CPU, &m) ? -1 : m.objects;
}

/* ---- Setters ---- */

static void setters(void) {
  cr_tensor *x = leaf(3);
  check(cr_grad_enabled() && !cr_inference_enabled(), "gradients are recorded at first");
  check(cr_set_grad_enabled(false), "a setter returns the value before");
  cr_tensor *y = cr_exp(x);
  check(!cr_requires_grad(y), "nothing is recorded while the mode is off");
  cr_release(y);
  check(!cr_set_grad_enabled(true) && cr_grad_enabled(), "and it can be set back");
  check(!cr_set_inference(true), "inference is off at first");
  check(cr_inference_enabled() && !cr_grad_enabled(), "inference turns gradients off too");
  y = cr_exp(x);
  uint32_t version;
  check(cr_is_inference(y) && !cr_requires_grad(y), "what is made then is an inference tensor");
  check(cr_version(y, &version) == CR_E_AUTOGRAD, "whose writes nobody counts");
  cr_error_clear();
  cr_release(y);
  cr_set_inference(false);
  cr_set_grad_enabled(true);
  y = cr_exp(x);
  check(cr_requires_grad(y), "afterwards calls are recorded again");
  cr_release(y);
  cr_release(x);
}

/* ---- Scopes ---- */

static void scopes(void) {
  cr_mode off = {.sets = CR_SETS_GRAD, .grad = false}, on = {.sets = CR_SETS_GRAD, .grad = true};
  cr_mode_set(NULL, &(cr_mode){.sets = 0});
  cr_scope *outer = cr_scope_new(&off, NULL), *inner = cr_scope_new(&on, NULL);
  check(cr_grad_enabled(), "a scope that is not open sets nothing");
  cr_scope_open(outer, NULL);
  check(!cr_grad_enabled(), "an open one does");
  check(cr_mode_get(NULL).sets == CR_SETS_GRAD && !cr_mode_get(NULL).grad,
        "and tells what it sets");
  cr_scope_open(inner, NULL);
  check(cr_grad_enabled(), "the innermost says what holds");
  cr_scope_free(outer);
  check(cr_grad_enabled(), "scopes may end in any order");
  cr_scope_free(inner);
  check(cr_grad_enabled() && cr_mode_get(NULL).sets == 0, "and leave nothing behind");
  cr_mode_set(NULL, &off);
  check(!cr_grad_enabled(), "without a scope the present modes can be set");
  cr_mode_set(NULL, &(cr_mode){.sets = 0});
  check(cr_grad_enabled(), "and set back to what they were at first");

  cr_modes *m = cr_modes_new(), *under = cr_modes_new();
  check(m && !cr_modes_in_use(m), "new modes set nothing");
  cr_mode_set(under, &off);
  check(cr_modes_in_use(under), "until something is set in them");
  cr_modes_over(m, under);
  cr_place before = cr_enter((cr_place){NULL, m});
  check(!cr_grad_enabled(), "what modes do not set is as the modes below have it");
  cr_enter(before);
  check(cr_grad_enabled(), "a place that is left leaves the thread's own");
  cr_modes_over(m, NULL);
  before = cr_enter((cr_place){NULL, m});
  check(cr_grad_enabled(), "over nothing all is as at first");
  cr_enter(before);
  cr_modes_free(m);
  cr_modes_free(under);
}

/* ---- Anomalies ---- */

static int traced;
static char *trace(void *user) {
  traced++;
  return strdup(user);
}

static void anomalies(void) {
  bool check_nan = false;
  check(!cr_set_anomaly(true, true, trace, "the place of the call"),
        "anomaly mode is off at first");
  check(cr_anomaly_enabled(&check_nan) && check_nan, "it tells that it is on, and looks for NaN");
  cr_tensor *x = leaf(-1), *y = cr_sqrt(x);
  int places = traced;
  check(places > 0, "recorded calls are asked for their place");
  cr_node *n = cr_grad_fn(y);
  check(n && strcmp(cr_node_trace(n), "the place of the call") == 0, "which its node keeps");
  cr_node_release(n);
  cr_backward_options options = {.ninputs = -1};
  check(cr_backward(&y, 1, &options) == CR_E_AUTOGRAD, "backward fails where NaN first comes");
  check(strstr(cr_error_message(), "sqrt") || strstr(cr_error_message(), "Sqrt"),
        "and names the operation");
  check(!cr_grad_of(x), "and leaves the leaves as they were");
  cr_error_clear();
  check(cr_set_anomaly(false, false, NULL, NULL), "it can be turned off");
  check(!cr_anomaly_enabled(&check_nan), "and tells so");
  cr_release(y);
  y = cr_sqrt(x);
  n = cr_grad_fn(y);
  check(traced == places && !cr_node_trace(n), "then nobody is asked for a place");
  cr_node_release(n);
  check(!cr_backward(&y, 1, &options) && isnan(number(cr_grad_of(x))), "and NaN comes through");
  cr_release(y);
  cr_release(x);
}

/* ---- Hooks on what nodes save ---- */

typedef struct counts {
  int packed, unpacked, freed, users;
} counts;

static void *pack(void *user, cr_tensor *t) {
  ((counts *)user)->packed++;
  double *kept = malloc(sizeof *kept);
  *kept = 10 * number(t);
  return kept;
}
static cr_tensor *unpack(void *user, void *handle) {
  ((counts *)user)->unpacked++;
  return cr_from(handle, CR_FLOAT64, 0, NULL);
}
static void free_handle(void *user, void *handle) {
  ((counts *)user)->freed++;
  free(handle);
}
static void retain_user(void *user, int by) { ((counts *)user)->users += by; }

static void hooks(void) {
  counts c = {0};
  cr_saved_hooks pair = {pack, unpack, free_handle, retain_user, &c, NULL};
  cr_tensor *x = leaf(3);
  check(!cr_saved_hooks_push(&pair), "a pair of hooks can be set");
  cr_tensor *y = cr_mul(x, x);
  cr_saved_hooks_pop();
  check(c.packed > 0 && c.users > 0, "what a node saves is packed, and the node keeps the pair");
  int packed = c.packed;
  cr_tensor *z = cr_mul(x, x);
  check(c.packed == packed, "after the pop nothing is packed");
  cr_backward_options options = {.ninputs = -1};
  check(!cr_backward(&y, 1, &options), "backward works with what is unpacked");
  check(c.unpacked > 0 && number(cr_grad_of(x)) == 60, "and takes it as it is");
  cr_release(y);
  check(c.freed == c.packed && c.users == 0, "each handle is freed once, and the pair let go");
  cr_release(z);

  cr_saved_hooks forbid = {.why = "nothing is saved here"};
  check(!cr_saved_hooks_push(&forbid), "saving can be forbidden");
  y = cr_mul(x, x);
  check(!y && strstr(cr_error_message(), "nothing is saved here"), "with a reason that is told");
  cr_error_clear();
  y = cr_neg(x);
  check(y != NULL, "what saves nothing is not concerned");
  cr_release(y);
  cr_saved_hooks_pop();
  y = cr_mul(x, x);
  check(y != NULL, "and the pop allows it again");
  cr_release(y);
  cr_saved_hooks_pop();
  check(cr_grad_enabled(), "a pop of nothing changes nothing");
  cr_release(x);
}

/* Allocations that fail: nothing is set, and what was handed over is let go. */
static void failures(void) {
  counts c = {0};
  cr_saved_hooks pair = {pack, unpack, free_handle, retain_user, &c, NULL};
  cr_mode off = {.sets = CR_SETS_GRAD, .grad = false};
  for (int n = 1; n < 20; n++) {
    cr_memory_fail(n);
    int code = cr_saved_hooks_push(&pair);
    cr_memory_fail(0);
    if (!code) {
      cr_saved_hooks_pop();
      check(c.users == 0, "a pair is let go by its pop");
      break;
    }
    check(code == CR_E_MEMORY && c.users == 0, "a pair that cannot be set is not kept");
    cr_error_clear();
  }
  for (int n = 1; n < 20; n++) {
    cr_memory_fail(n);
    cr_scope *s = cr_scope_new(&off, NULL);
    cr_memory_fail(0);
    if (s) {
      cr_scope_free(s);
      break;
    }
    check(cr_error_code() == CR_E_MEMORY, "a scope that cannot be made says so");
    cr_error_clear();
  }
  check(cr_grad_enabled(), "a failure sets nothing");
}

/* ---- Autocast ---- */

static cr_tensor *square(cr_dtype dtype) {
  float ones[4] = {1, 1, 1, 1};
  cr_tensor *wide = cr_from(ones, CR_FLOAT32, 2, (int64_t[]){2, 2});
  cr_tensor *t = cr_to(wide, dtype, cr_none(), false);
  cr_release(wide);
  return t;
}

static void autocast(void) {
  cr_mode on = {.sets = CR_SETS_AUTOCAST_CPU, .autocast_cpu = {true, CR_BFLOAT16}};
  cr_mode off = {.sets = CR_SETS_AUTOCAST_CPU};
  cr_tensor *w = square(CR_FLOAT32), *x = square(CR_FLOAT32);
  cr_set_requires_grad(w, true);
  cr_dtype dtype = CR_DTYPE_NONE;
  int64_t first = live();
  check(!cr_autocast_enabled(CR_CPU, &dtype) && dtype == CR_DTYPE_NONE, "autocast is off at first");
  cr_scope *outer = cr_scope_new(&on, NULL), *inner = cr_scope_new(&off, NULL);
  cr_scope_open(outer, NULL);
  check(cr_autocast_enabled(CR_CPU, &dtype) && dtype == CR_BFLOAT16, "a scope turns it on");
  check(!cr_autocast_enabled(CR_CUDA, NULL), "for one kind of device");
  int64_t before = live();
  cr_tensor *y = cr_mm(x, w);
  check(y && cr_dtype_of(y) == CR_BFLOAT16, "products are of its dtype");
  check(cr_dtype_of(w) == CR_FLOAT32, "what is given stays as it is");
  check(cr_autocast_keeps(), "casts of leaves are kept");
  cr_release(y);
  check(live() > before, "as long as the scope is open");
  cr_autocast_clear();
  check(live() == before, "or until they are given back");
  cr_scope_open(inner, NULL);
  y = cr_mm(x, w);
  check(y && cr_dtype_of(y) == CR_FLOAT32, "an inner scope turns it off");
  cr_release(y);
  cr_scope_free(inner);
  cr_release(cr_mm(x, w));
  cr_scope_free(outer);
  check(live() == first && !cr_autocast_enabled(CR_CPU, NULL), "and its end leaves nothing");
  cr_release(w);
  cr_release(x);
}

int main(void) {
  int64_t before = live();
  setters();
  scopes();
  autocast();
  anomalies();
  hooks();
  failures();
  check(live() == before, "nothing is left");
  return broken;
}
