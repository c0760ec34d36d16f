/* update.c: the steps of optimizers over lists of tensors.
 *
 * Holds true: everything is checked, and every copy made, before the first tensor is written. The
 * tensors of a row (one of each list) have one shape and dtype; a row without gradient is left alone. A
 * row whose tensors are not laid out alike without gaps is computed on copies. */
#include "autograd/graph.h"
#include "scalar/step.h"
#include "geometry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRADS = 1 }; /* the place of the gradients among the lists of either update */

typedef struct update {
  const cr_op *op;
  const cr_value *lists; /* nlist arguments; of kind CR_NONE where the call goes without */
  int nlist, n;          /* n tensors in each list */
  cr_device device;
  cr__row *rows;      /* n */
  cr_tensor **copies; /* n of nlist; NULL where the tensor itself will do */
} update;

static cr_tensor *at(const update *u, int list, int row) {
  return u->lists[list].kind == CR_TENSORS ? u->lists[list].u.ts[row] : NULL;
}

static const char *name_of(const update *u, int list) { return u->op->params[list].name; }

/* ---- Checks ------------------------------------------------------------------------------------ */

static int check_lengths(update *u) {
  for (int j = 0; j < u->nlist; j++)
    if (u->lists[j].kind == CR_TENSORS && u->lists[j].n != u->n)
      return cr__fail(CR_E_ARGUMENT, "%s: params has %d tensors and %s %d", u->op->lua, u->n,
                      name_of(u, j), u->lists[j].n);
  return cr__same_device(u->op->lua, u->lists, u->nlist, &u->device);
}

static int check_like_param(const update *u, int list, int row) {
  const cr_tensor *p = at(u, 0, row), *t = at(u, list, row);
  const char *op = u->op->lua, *name = name_of(u, list);
  cr__text a, b;
  if (!t)
    return cr__fail(CR_E_ARGUMENT, "%s: %s[%d] is missing; only grads may hold false", op, name,
                    row + 1);
  if (!cr__is_float((cr_dtype)t->dtype))
    return cr__fail(CR_E_DTYPE, "%s: %s[%d] is %s; updates are of floating tensors", op, name,
                    row + 1, cr_dtype_name((cr_dtype)t->dtype));
  if (t->dtype != p->dtype)
    return cr__fail(CR_E_DTYPE, "%s: %s[%d] is %s and params[%d] %s; convert one of them", op, name,
                    row + 1, cr_dtype_name((cr_dtype)t->dtype), row + 1,
                    cr_dtype_name((cr_dtype)p->dtype));
  if (t->ndim != p->ndim || memcmp(cr__sizes(t), cr__sizes(p), p->ndim * sizeof(int64_t)) != 0)
    return cr__fail(CR_E_SHAPE, "%s: %s[%d] has shape %s and params[%d] %s", op, name, row + 1,
                    cr__shape_text(t->ndim, cr__sizes(t), &a), row + 1,
                    cr__shape_text(p->ndim, cr__sizes(p), &b));
  return 0;
}

static int check_written(const update *u, int list, int row) {
  cr_tensor *t = at(u, list, row);
  if (cr__recording() && cr__requires(t))
    return cr__fail(CR_E_AUTOGRAD,
                    "%s: %s[%d] requires grad, and an update has no derivative; call it under "
                    "no_grad",
                    u->op->lua, name_of(u, list), row + 1);
  return cr__inplace_check(u->op->lua, "", t, false);
}

static int check_rows(const update *u) {
  int code = 0;
  for (int i = 0; i < u->n && !code; i++) {
    code = check_like_param(u, 0, i);
    if (code || !at(u, GRADS, i)) continue;
    for (int j = 0; j < u->nlist && !code; j++) {
      if (u->lists[j].kind != CR_TENSORS) continue;
      code = check_like_param(u, j, i);
      if (!code && j != GRADS) code = check_written(u, j, i);
    }
  }
  return code;
}

/* ---- Shared memory ------------------------------------------------------------------------------- */

typedef struct span { /* the memory from a tensor's first element to its last */
  const char *from, *to;
  int list, row;
} span;

static span span_of(const update *u, int list, int row) {
  const cr_tensor *t = at(u, list, row);
  int64_t size = (int64_t)cr__size_of((cr_dtype)t->dtype), low = 0, high = 1;
  for (int d = 0; d < t->ndim; d++) {
    int64_t reach = (cr__sizes(t)[d] - 1) * cr__steps(t)[d];
    if (reach < 0) low += reach;
    else high += reach;
  }
  return (span){cr__data(t) + low * size, cr__data(t) + high * size, list, row};
}

static int compare_spans(const void *a, const void *b) {
  const span *x = a, *y = b;
  return x->from < y->from ? -1 : x->from > y->from;
}

static int refuse_shared(const update *u, const span *a, const span *b) {
  return cr__fail(CR_E_ARGUMENT, "%s: %s[%d] and %s[%d] share memory; clone one of them",
                  u->op->lua, name_of(u, a->list), a->row + 1, name_of(u, b->list), b->row + 1);
}

/* In the order of memory, nothing that is written may begin before all else has ended, and nothing
 * before what is written has. */
static int sweep(const update *u, const span *spans, int n) {
  const span *far = NULL, *far_written = NULL;
  for (const span *s = spans; s < spans + n; s++) {
    bool written = s->list != GRADS;
    const span *in_the_way = written ? far : far_written;
    if (in_the_way && s->from < in_the_way->to) return refuse_shared(u, in_the_way, s);
    if (!far || s->to > far->to) far = s;
    if (written && (!far_written || s->to > far_written->to)) far_written = s;
  }
  return 0;
}

/* Whether each tensor lies in memory of the engine's own that none of the others has a part in: as most do,
 * and then nothing has to be sorted. False where it is not known. `seen`: so many places, a power of two. */
static bool own_storages(const update *u, const cr__storage **seen, size_t places) {
  memset(seen, 0, places * sizeof *seen);
  for (int j = 0; j < u->nlist; j++) {
    for (int i = 0; i < u->n; i++) {
      const cr_tensor *t = at(u, j, i);
      if (!t) continue;
      size_t place = ((uint64_t)(uintptr_t)t->storage * 0x9e3779b97f4a7c15) >> 32 & (places - 1);
      while (seen[place] && seen[place] != t->storage) place = (place + 1) & (places - 1);
      if (seen[place] || t->storage->deleter) return false;
      seen[place] = t->storage;
    }
  }
  return true;
}

static int check_spans(const update *u) {
  size_t room = (size_t)u->n * (size_t)u->nlist * sizeof(span);
  span *spans = cr__alloc(room);
  if (!spans) return (int)cr_error_code();
  int n = 0;
  for (int i = 0; i < u->n; i++) {
    if (!at(u, GRADS, i) || at(u, 0, i)->numel == 0) continue;
    for (int j = 0; j < u->nlist; j++)
      if (at(u, j, i)) spans[n++] = span_of(u, j, i);
  }
  qsort(spans, (size_t)n, sizeof *spans, compare_spans);
  int code = sweep(u, spans, n);
  cr__free(spans, room);
  return code;
}

static int check_apart(const update *u) {
  size_t places = 16;
  while (places < 2 * (size_t)u->n * (size_t)u->nlist) places *= 2;
  const cr__storage **seen = cr__alloc(places * sizeof *seen);
  if (!seen) return (int)cr_error_code();
  bool apart = own_storages(u, seen, places);
  cr__free((void *)seen, places * sizeof *seen);
  return apart ? 0 : check_spans(u);
}

/* ---- The update ---------------------------------------------------------------------------------- */

/* Whether the tensors of a row count as a line of elements in one order. */
static bool is_flat(const update *u, int row) {
  const cr_tensor *p = at(u, 0, row);
  bool contiguous = true, alike = true;
  for (int j = 0; j < u->nlist && contiguous; j++)
    contiguous = !at(u, j, row) || at(u, j, row)->flags & CR__CONTIGUOUS;
  if (contiguous) return true;
  for (int j = 0; j < u->nlist && alike; j++) {
    const cr_tensor *t = at(u, j, row);
    alike = !t || memcmp(cr__steps(t), cr__steps(p), p->ndim * sizeof(int64_t)) == 0;
  }
  if (!alike) return false;
  span s = span_of(u, 0, row);
  return s.to - s.from == p->numel * (int64_t)cr__size_of((cr_dtype)p->dtype) &&
         cr__data(p) == s.from;
}

/* Fills the rows that have something to do; returns how many, or -1. */
static int lay_out(update *u, const double (*f)[2]) {
  int n = 0;
  for (int i = 0; i < u->n; i++) {
    const cr_tensor *p = at(u, 0, i);
    if (!at(u, GRADS, i) || p->numel == 0) continue;
    bool flat = is_flat(u, i);
    cr__row *row = &u->rows[n++];
    memset(row, 0, sizeof *row);
    row->dtype = p->dtype;
    row->n = p->numel;
    if (f) memcpy(row->f, f[i], sizeof row->f);
    for (int j = 0; j < u->nlist; j++) {
      cr_tensor *t = at(u, j, i), **copy = &u->copies[i * u->nlist + j];
      if (t && !flat && !(*copy = t = cr__copy_of(u->op->lua, t, (cr_dtype)t->dtype))) return -1;
      if (t) row->data[j] = cr__data(t);
    }
  }
  return n;
}

/* After the kernel: copies go back, and the writes are counted. */
static int finish(const update *u) {
  int code = 0;
  for (int i = 0; i < u->n && !code; i++) {
    if (!at(u, GRADS, i)) continue;
    for (int j = 0; j < u->nlist && !code; j++) {
      cr_tensor *t = at(u, j, i), *copy = u->copies[i * u->nlist + j];
      if (!t || j == GRADS) continue;
      if (copy) code = cr__copy(u->op->lua, t, copy);
      t->storage->writer = u->op->lua;
      cr__bump(t);
    }
  }
  return code;
}

/* After a kernel that was stopped half way: it may have written to all that is not a copy. */
static void count_stopped(const update *u) {
  for (int i = 0; i < u->n; i++)
    for (int j = 0; j < u->nlist && at(u, GRADS, i); j++)
      if (at(u, j, i) && j != GRADS && !u->copies[i * u->nlist + j]) cr__bump(at(u, j, i));
}

/* k has its numbers; f: those of each row, or NULL. */
static int run(update *u, cr__launch *k, cr__kernel_id id, const double (*f)[2]) {
  size_t nrows = (size_t)u->n * sizeof *u->rows;
  size_t ncopies = (size_t)u->n * (size_t)u->nlist * sizeof *u->copies;
  if (u->n == 0) return 0;
  int code = check_rows(u);
  if (!code) code = check_apart(u);
  if (code) return code;
  u->rows = cr__alloc(nrows);
  u->copies = cr__alloc(ncopies);
  if (u->copies) memset(u->copies, 0, ncopies);
  if (!u->rows || !u->copies) code = (int)cr_error_code();
  int n = code ? -1 : lay_out(u, f);
  if (n < 0) code = (int)cr_error_code();
  if (n > 0) {
    k->rows = u->rows;
    k->nrow = n;
    code = cr__launch_run(k, id);
    if (code == CR_E_INTERRUPT) count_stopped(u);
  }
  if (!code) code = finish(u);
  for (int i = 0; u->copies && i < u->n * u->nlist; i++) cr_release(u->copies[i]);
  cr__free(u->rows, nrows);
  cr__free(u->copies, ncopies);
  return code;
}

static int begin(update *u, cr__launch *k, const cr_op *op, const cr_value *args, int nlist) {
  *u = (update){.op = op, .lists = args, .nlist = nlist, .n = args[0].n};
  int code = check_lengths(u);
  cr__launch_begin(k, op->lua, u->device);
  return code;
}

/* ---- Stochastic gradient descent --------------------------------------------------------------------- */

int cr__run_sgd(const cr_op *op, cr__tensors params, cr__tensors grads,
                cr__tensors momentum_buffers, double lr, double momentum, double dampening,
                double weight_decay, bool nesterov, bool maximize, bool first) {
  bool has_momentum = momentum != 0;
  cr_value lists[CR__SGD_LISTS] = {cr_list(params.at, params.n), cr_list(grads.at, grads.n),
                                   cr_none()};
  if (has_momentum) lists[CR__SGD_BUFFER] = cr_list(momentum_buffers.at, momentum_buffers.n);
  if (has_momentum && momentum_buffers.n < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: momentum needs momentum_buffers", op->lua);
  if (nesterov && (momentum <= 0 || dampening != 0))
    return cr__fail(CR_E_ARGUMENT, "%s: nesterov needs a momentum above 0 and no dampening",
                    op->lua);
  update u;
  cr__launch k;
  int code = begin(&u, &k, op, lists, CR__SGD_LISTS);
  if (code) return code;
  k.sgd.momentum = has_momentum;
  k.sgd.nesterov = nesterov;
  k.sgd.first = first;
  k.sgd.rate = lr;
  k.sgd.kept = momentum;
  k.sgd.added = 1 - dampening;
  k.sgd.decay = weight_decay;
  k.sgd.sign = maximize ? -1 : 1;
  return run(&u, &k, CR__K_sgd, NULL);
}

/* ---- Adam ---------------------------------------------------------------------------------------------- */

static int check_beta(const cr_op *op, const char *name, double beta) {
  if (beta >= 0 && beta < 1) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s must be at least 0 and below 1, got %g", op->lua, name,
                  beta);
}

static int check_steps(const cr_op *op, cr__ints step, int n) {
  if (step.n != 1 && step.n != n)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: step must be one number or one for each of %d params, got "
                    "%d numbers",
                    op->lua, n, step.n);
  for (int i = 0; i < step.n; i++)
    if (step.at[i] < 1)
      return cr__fail(CR_E_ARGUMENT, "%s: steps count from 1, got %lld", op->lua,
                      (long long)step.at[i]);
  return 0;
}

/* base^n by multiplications, which round alike on every machine. */
static double whole_power(double base, int64_t n) {
  double power = 1;
  for (; n > 0; n >>= 1, base *= base)
    if (n & 1) power *= base;
  return power;
}

int cr__run_adam(const cr_op *op, cr__tensors params, cr__tensors grads, cr__tensors exp_avgs,
                 cr__tensors exp_avg_sqs, cr__tensors max_exp_avg_sqs, cr__ints step, double lr,
                 double beta1, double beta2, double eps, double weight_decay, bool decoupled,
                 bool maximize) {
  double decay = weight_decay;
  cr_value lists[CR__ADAM_LISTS] = {cr_list(params.at, params.n), cr_list(grads.at, grads.n),
                                    cr_list(exp_avgs.at, exp_avgs.n),
                                    cr_list(exp_avg_sqs.at, exp_avg_sqs.n), cr_none()};
  bool amsgrad = max_exp_avg_sqs.n >= 0;
  if (amsgrad) lists[CR__ADAM_MOST] = cr_list(max_exp_avg_sqs.at, max_exp_avg_sqs.n);
  update u;
  cr__launch k;
  int code = begin(&u, &k, op, lists, CR__ADAM_LISTS);
  if (!code) code = check_beta(op, "beta1", beta1);
  if (!code) code = check_beta(op, "beta2", beta2);
  if (!code) code = check_steps(op, step, u.n);
  if (code || u.n == 0) return code;
  k.adam.amsgrad = amsgrad;
  k.adam.decay = decoupled ? 0 : decay;
  k.adam.sign = maximize ? -1 : 1;
  k.adam.shrink = decoupled ? 1 - lr * decay : 1;
  k.adam.towards = 1 - beta1;
  k.adam.kept = beta2;
  k.adam.added = 1 - beta2;
  k.adam.eps = eps;
  size_t room = (size_t)u.n * 2 * sizeof(double);
  double(*f)[2] = cr__alloc(room);
  if (!f) return (int)cr_error_code();
  for (int i = 0; i < u.n; i++) {
    int64_t at = step.at[step.n == 1 ? 0 : i];
    f[i][CR__ADAM_RATE] = lr / (1 - whole_power(beta1, at));
    f[i][CR__ADAM_ROOT] = sqrt(1 - whole_power(beta2, at));
  }
  code = run(&u, &k, CR__K_adam, f);
  cr__free(f, room);
  return code;
}
