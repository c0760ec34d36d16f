/* einsum.c: runs the steps of an equation, and keeps the plans of those that were asked for last.
 *
 * Holds true: a kept plan never changes, and whoever runs it holds it; so it may be dropped meanwhile.
 * They are few and small, and lie outside what counts as memory of the caller's; without memory for one, or
 * for an equation with many tensors, each call reads its equation. */
#include "einsum.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- The words of a plan ---------------------------------------------------------------------- */

void cr__einsum_put(cr__einsum_plan *p, int64_t word) {
  if (p->n == p->room && !p->failed) {
    int room = p->room * 2 + 64;
    int64_t *words = cr__alloc((size_t)room * sizeof *words);
    p->failed = !words;
    if (words) {
      if (p->n) memcpy(words, p->words, (size_t)p->n * sizeof *words);
      cr__free(p->words, (size_t)p->room * sizeof *words);
      p->words = words, p->room = room;
    }
  }
  if (!p->failed) p->words[p->n++] = word;
}

void cr__einsum_free(cr__einsum_plan *plan) {
  cr__free(plan->words, (size_t)plan->room * sizeof *plan->words);
}

/* ---- Running ---------------------------------------------------------------------------------- */

static cr_tensor *run_step(int kind, cr_tensor *const *t, int side, int n, const int64_t *numbers,
                           cr_tensor *const *operands) {
  cr_tensor *self = t[side];
  switch (kind) {
  case CR__EINSUM_TAKE: return cr_retain(operands[numbers[0]]);
  case CR__EINSUM_DIAGONAL: return cr__call_diagonal(self, 0, numbers[0], numbers[1]);
  case CR__EINSUM_SUM: return cr__call_sum(self, numbers, n, false, CR_DTYPE_NONE);
  case CR__EINSUM_PERMUTE: return cr__call_permute(self, numbers, n);
  case CR__EINSUM_EXPAND: return cr__call_expand(self, numbers, n);
  case CR__EINSUM_RESHAPE: return cr__call_reshape(self, numbers, n);
  case CR__EINSUM_MUL: return cr__call_mul(t[0], t[1]);
  case CR__EINSUM_MM: return cr__call_mm(t[0], t[1]);
  default: return cr__call_bmm(t[0], t[1]);
  }
}

static cr_tensor *run_steps(const int64_t *words, int n, cr_tensor *const *operands) {
  cr_tensor *t[2] = {NULL, NULL};
  const int64_t *end = words + n;
  for (const int64_t *w = words; w < end; w += 3 + w[2]) {
    int kind = (int)w[0], side = (int)w[1];
    cr_tensor *r = run_step(kind, t, side, (int)w[2], w + 3, operands);
    bool both = kind >= CR__EINSUM_MUL || !r;
    cr_release(t[side]);
    if (both) cr_release(t[!side]), t[!side] = NULL;
    t[side] = r;
    if (!r) return NULL;
  }
  return t[0];
}

/* ---- Plans that are kept ----------------------------------------------------------------------- */

enum { SETS = 32, WAYS = 2, NUMBERS = 64 /* that tell shapes */, WORDS = 512, LETTERS = 256 };

/* What a plan depends on. */
typedef struct question {
  const char *equation;
  size_t length;
  uint64_t hash;
  int n;
  int64_t numbers[NUMBERS]; /* of each operand how many dims, and their sizes */
} question;

typedef struct kept {
  _Atomic int holders; /* the table is one */
  uint64_t hash;
  size_t length;
  int n, nwords;
  int64_t words[]; /* the numbers, the plan; the equation's text comes behind */
} kept;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static kept *table[SETS][WAYS]; /* of a set the newest first */

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void watch_forks(void) { pthread_atfork(before_fork, after_fork, after_fork); }

static void let_go(kept *k) {
  if (k && atomic_fetch_sub_explicit(&k->holders, 1, memory_order_acq_rel) == 1) free(k);
}

static __attribute__((destructor)) void drop_all(void) {
  pthread_mutex_lock(&lock);
  for (int i = 0; i < SETS * WAYS; i++) {
    let_go(table[i / WAYS][i % WAYS]);
    table[i / WAYS][i % WAYS] = NULL;
  }
  pthread_mutex_unlock(&lock);
}

static void mix(question *q, uint64_t x) {
  q->hash = (q->hash ^ x) * UINT64_C(0x9E3779B97F4A7C15);
  q->hash ^= q->hash >> 32;
}

/* False: it is too long to be kept. */
static bool ask(question *q, const char *equation, int n, cr_tensor *const *operands) {
  *q = (question){.equation = equation, .length = strlen(equation)};
  if (q->length > LETTERS) return false;
  for (size_t i = 0; i < q->length; i += 8) {
    uint64_t some = 0;
    memcpy(&some, equation + i, q->length - i < 8 ? q->length - i : 8);
    mix(q, some);
  }
  for (int i = 0; i < n; i++) {
    int ndim = operands[i]->ndim;
    if (q->n + 1 + ndim > NUMBERS) return false;
    q->numbers[q->n++] = ndim;
    for (int d = 0; d < ndim; d++) q->numbers[q->n++] = cr__sizes(operands[i])[d];
  }
  for (int i = 0; i < q->n; i++) mix(q, (uint64_t)q->numbers[i]);
  return true;
}

static bool answers(const kept *k, const question *q) {
  return k && k->hash == q->hash && k->n == q->n && k->length == q->length &&
         memcmp(k->words, q->numbers, (size_t)q->n * sizeof *k->words) == 0 &&
         memcmp(k->words + k->n + k->nwords, q->equation, q->length) == 0;
}

/* The caller lets go of it; NULL: none is kept. */
static kept *find(const question *q) {
  kept **set = table[q->hash % SETS], *k = NULL;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < WAYS && !k; i++)
    if (answers(set[i], q)) k = set[i];
  if (k) atomic_fetch_add_explicit(&k->holders, 1, memory_order_relaxed);
  pthread_mutex_unlock(&lock);
  return k;
}

static void keep(const question *q, const cr__einsum_plan *plan) {
  if (plan->n > WORDS) return;
  size_t numbers = (size_t)q->n * sizeof(int64_t), words = (size_t)plan->n * sizeof(int64_t);
  kept *k = malloc(sizeof *k + numbers + words + q->length);
  if (!k) return;
  k->holders = 1;
  k->hash = q->hash, k->length = q->length;
  k->n = q->n, k->nwords = plan->n;
  memcpy(k->words, q->numbers, numbers);
  memcpy(k->words + k->n, plan->words, words);
  memcpy(k->words + k->n + k->nwords, q->equation, q->length);
  pthread_once(&once, watch_forks);
  kept **set = table[q->hash % SETS];
  pthread_mutex_lock(&lock);
  kept *oldest = set[WAYS - 1];
  memmove(set + 1, set, (WAYS - 1) * sizeof *set);
  set[0] = k;
  pthread_mutex_unlock(&lock);
  let_go(oldest);
}

/* ---- The whole --------------------------------------------------------------------------------- */

static int check_operands(const cr_op *op, cr__tensors list) {
  cr_device device;
  if (list.n < 1) return cr__fail(CR_E_ARGUMENT, "einsum: needs at least one tensor");
  for (int i = 0; i < list.n; i++) {
    const cr_tensor *t = list.at[i], *first = list.at[0];
    if (!t) return cr__fail_absent(op->name, "operands");
    const char *want = cr_dtype_name((cr_dtype)first->dtype);
    if (t->dtype != first->dtype)
      return cr__fail(CR_E_DTYPE,
                      "einsum: the tensors must have one dtype, got %s and %s (tensor %d); convert "
                      "one with x:to(\"%s\")",
                      want, cr_dtype_name((cr_dtype)t->dtype), i + 1, want);
  }
  return cr__same_device(op->name, (cr_value[]){cr_list(list.at, list.n)}, 1, &device);
}

cr_tensor *cr__run_einsum(const cr_op *op, const char *equation, cr__tensors operands) {
  if (check_operands(op, operands)) return NULL;
  question q;
  bool short_enough = ask(&q, equation, operands.n, operands.at);
  kept *k = short_enough ? find(&q) : NULL;
  if (k) {
    cr_tensor *r = run_steps(k->words + k->n, k->nwords, operands.at);
    let_go(k);
    return r;
  }
  cr__einsum_plan plan;
  if (cr__einsum_read(equation, operands.n, operands.at, &plan)) return NULL;
  if (short_enough) keep(&q, &plan);
  cr_tensor *r = run_steps(plan.words, plan.n, operands.at);
  cr__einsum_free(&plan);
  return r;
}
