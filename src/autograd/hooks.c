/* hooks.c: functions that run while gradients pass.
 *
 * Holds true: a hook lives in the list of its leaf or node until it is removed or that dies. Adding and
 * removing take constant time; one lock guards all lists. A hook that is removed while its list is being
 * run leaves the list at once and keeps its `next` until the run has ended, so that a runner that stands
 * on it can go on. Ids are found through one table, so that a hook can be removed wherever its tensor has
 * moved in the graph meanwhile. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

typedef struct run { /* of a list, on the stack of who runs it */
  struct run *outer;
  cr__hook **list;
  cr__hook *dead; /* removed meanwhile, linked through next_alive */
} run;

static atomic_flag lists_lock = ATOMIC_FLAG_INIT;
static run *runs; /* of all threads */
static uint64_t last_id;

static void lock_lists(void) {
  while (atomic_flag_test_and_set_explicit(&lists_lock, memory_order_acquire)) {
  }
}
static void unlock_lists(void) { atomic_flag_clear_explicit(&lists_lock, memory_order_release); }

/* ---- The table of ids, under the lock ----------------------------------------------------------- */

static cr__hook *few[64];
static cr__hook **table = few;
static size_t buckets = sizeof few / sizeof *few, in_table;

static void enter_table(cr__hook *h, cr__hook **to, size_t n) {
  cr__hook **at = &to[h->id % n];
  h->next_alive = *at;
  *at = h;
}

/* Where there is no memory for a larger table, the chains of this one grow. */
static void grow_table(void) {
  size_t n = 4 * buckets;
  cr__hook **wider = calloc(n, sizeof *wider);
  if (!wider) return;
  for (size_t i = 0; i < buckets; i++) {
    while (table[i]) {
      cr__hook *h = table[i];
      table[i] = h->next_alive;
      enter_table(h, wider, n);
    }
  }
  if (table != few) free(table);
  table = wider;
  buckets = n;
}

static void take_from_table(cr__hook *h) {
  cr__hook **at = &table[h->id % buckets];
  while (*at != h) at = &(*at)->next_alive;
  *at = h->next_alive;
  in_table--;
}

/* ---- Lists: the first one's `previous` is the last ------------------------------------------------- */

static void append(cr__hook **list, cr__hook *h) {
  h->list = list;
  h->next = NULL;
  if (*list) {
    h->previous = (*list)->previous;
    h->previous->next = h;
    (*list)->previous = h;
  } else {
    h->previous = *list = h;
  }
}

/* Before all others; there are no runs that this could disturb. */
static void prepend(cr__hook **list, cr__hook *h) {
  cr__hook *first = *list;
  append(list, h);
  if (!first) return;
  h->previous->next = NULL; /* it is the last again, and the first's `previous` */
  h->next = first;
  *list = h;
  first->previous = h;
}

/* Its own `next` stays. */
static void unlink_hook(cr__hook *h) {
  cr__hook **list = h->list;
  if (h->next) h->next->previous = h->previous;
  else (*list)->previous = h->previous;
  if (*list == h) *list = h->next;
  else h->previous->next = h->next;
  h->list = NULL;
}

static void free_hook(cr__hook *h) {
  if (h->free_user) h->free_user(h->user);
  cr__free(h, sizeof *h);
}

/* A run of the list that h was in, or NULL. */
static run *find_run(cr__hook **list) {
  run *r = runs;
  while (r && r->list != list) r = r->outer;
  return r;
}

/* Takes h out of its list; who gets true frees it, without the lock. */
static bool remove_locked(cr__hook *h) {
  run *r = find_run(h->list);
  unlink_hook(h);
  if (h->id) take_from_table(h);
  h->removed = true;
  if (!r) return true;
  h->next_alive = r->dead;
  r->dead = h;
  return false;
}

static cr__hook *hook_new(int kind, int slot) {
  cr__hook *h = cr__alloc(sizeof *h);
  if (h) *h = (cr__hook){.kind = kind, .slot = slot};
  return h;
}

uint64_t cr__hook_add(cr__hook **list, cr_hook_kind kind, int slot, cr_hook f, void *user,
                      void (*free_user)(void *)) {
  cr__hook *h = hook_new((int)kind, slot);
  if (!h) return 0;
  h->f = f;
  h->user = user;
  h->free_user = free_user;
  lock_lists();
  append(list, h);
  uint64_t id = h->id = ++last_id;
  if (++in_table > buckets) grow_table();
  enter_table(h, table, buckets);
  unlock_lists();
  return id;
}

static void remove_id(uint64_t id) {
  lock_lists();
  cr__hook *h = id ? table[id % buckets] : NULL;
  while (h && h->id != id) h = h->next_alive;
  bool mine = h && remove_locked(h);
  unlock_lists();
  if (mine) free_hook(h);
}

/* The list's tensor or node is dying, so that nobody runs it. */
void cr__hooks_free(cr__hook **list) {
  if (!*list) return;
  lock_lists();
  cr__hook *h = *list;
  for (cr__hook *at = h; at; at = at->next)
    if (at->id) take_from_table(at);
  *list = NULL;
  unlock_lists();
  while (h) {
    cr__hook *next = h->next;
    free_hook(h);
    h = next;
  }
}

/* ---- Running a list --------------------------------------------------------------------------------- */

static int same_shape(const cr_tensor *before, const cr_tensor *after) {
  cr__text a, b;
  if (!before || !after || before == after) return 0;
  if (before->ndim == after->ndim &&
      memcmp(cr__sizes(before), cr__sizes(after), before->ndim * sizeof(int64_t)) == 0)
    return 0;
  return cr__fail(CR_E_AUTOGRAD,
                  "a hook has changed the shape of a gradient from %s to %s; it must keep it",
                  cr__shape_text(before->ndim, cr__sizes(before), &a),
                  cr__shape_text(after->ndim, cr__sizes(after), &b));
}

typedef struct given { /* a gradient that a hook sees */
  cr_tensor *t;
  uint32_t version;
  bool shared;
} given;

static void give(given *to, cr_tensor *t) {
  *to = (given){t, t ? cr__version(t) : 0, t && !cr__unshared(t)};
  cr_retain(t);
}

/* Takes back what give() has lent; gives the first error. */
static int take_back(const given *g, int code) {
  if (!code && g->t && g->shared && cr__version(g->t) != g->version)
    code = cr__fail(CR_E_AUTOGRAD,
                    "a hook has written to a gradient in place that other parts of the graph read "
                    "too; it must return a new tensor instead");
  cr_release(g->t);
  return code;
}

/* Keeps what a hook was given alive and checks what it left behind. */
static int run_one(cr__hook *h, cr_tensor **grads, int n, cr_tensor *const *outs, int nouts) {
  size_t size = (size_t)(n + nouts + 1) * sizeof(given);
  given *before = cr__alloc(size);
  if (!before) return CR_E_MEMORY;
  for (int i = 0; i < n; i++) give(&before[i], grads[i]);
  for (int i = 0; i < nouts; i++) give(&before[n + i], outs[i]);
  bool leaf = h->kind == CR_HOOK_POST_GRAD; /* which the hook may write */
  int code = h->f(h->user, grads, n, outs, nouts);
  for (int i = 0; i < n + nouts; i++) {
    if (leaf) before[i].shared = false;
    if (!code && !leaf && i < n) code = same_shape(before[i].t, grads[i]);
    code = take_back(&before[i], code);
  }
  cr__free(before, size);
  return code;
}

/* Returns with the lock held. */
static void begin_run(run *r, cr__hook **list) {
  lock_lists();
  *r = (run){.outer = runs, .list = list};
  runs = r;
}

/* Removed ones go with the run, or pass to another of the same list. */
static void end_run(run *r) {
  lock_lists();
  run **at = &runs;
  while (*at != r) at = &(*at)->outer;
  *at = r->outer;
  run *other = r->dead ? find_run(r->list) : NULL;
  while (other && r->dead) {
    cr__hook *h = r->dead;
    r->dead = h->next_alive;
    h->next_alive = other->dead;
    other->dead = h;
  }
  unlock_lists();
  while (r->dead) {
    cr__hook *h = r->dead;
    r->dead = h->next_alive;
    free_hook(h);
  }
}

int cr__hooks_run(cr__hook **list, cr_hook_kind kind, int slot, cr_tensor **grads, int n,
                  cr_tensor *const *outs, int nouts) {
  run mine;
  int code = 0;
  begin_run(&mine, list);
  uint64_t newest = last_id; /* those that hooks add run from the next pass on */
  for (cr__hook *h = *list; h && !code; h = h->next) {
    if (!h->f || h->removed || h->id > newest || h->kind != (int)kind) continue;
    if (slot >= 0 && h->slot != slot) continue;
    unlock_lists();
    code = run_one(h, grads, n, outs, nouts);
    lock_lists();
  }
  unlock_lists();
  end_run(&mine);
  return code;
}

/* ---- Watches ----------------------------------------------------------------------------------------- */

void cr__tell_watches(const cr__hook *list, int refs) {
  for (const cr__hook *h = list; h && h->watch; h = h->next) h->watch(h->user, refs);
}

static int watch(cr__hook **list, cr_watch f, void *user, void (*free_user)(void *)) {
  cr__hook *h = hook_new(CR_HOOK_TENSOR, -1);
  if (!h) return CR_E_MEMORY;
  h->watch = f;
  h->user = user;
  h->free_user = free_user;
  lock_lists();
  prepend(list, h);
  unlock_lists();
  return 0;
}

int cr_tensor_watch(cr_tensor *t, cr_watch f, void *user, void (*free_user)(void *)) {
  if (!t) return cr__fail_absent("watch", "tensor");
  int code = watch(&t->hooks, f, user, free_user);
  if (!code) t->flags |= CR__WATCHED;
  return code;
}

int cr_node_watch(cr_node *n, cr_watch f, void *user, void (*free_user)(void *)) {
  if (!n) return cr__fail_absent("watch", "node");
  int code = watch(&n->hooks, f, user, free_user);
  if (!code) n->watched = true;
  return code;
}

int cr_tensor_refs(const cr_tensor *t) { return t ? atomic_load(&t->refs) : 0; }
int cr_node_refs(const cr_node *n) { return n ? atomic_load(&n->refs) : 0; }
bool cr_is_result_of(const cr_tensor *t, const cr_node *n) { return t && n && t->grad_fn == n; }

/* ---- retain_grad ---------------------------------------------------------------------------------- */

int cr__hook_retain(cr_node *n, cr_tensor *t) {
  cr__hook *h = hook_new(CR_HOOK_TENSOR, (int)t->slot);
  if (!h) return CR_E_MEMORY;
  h->retain = t;
  lock_lists();
  append(&n->hooks, h);
  unlock_lists();
  return 0;
}

static cr__hook *find_retain(const cr_node *n, const cr_tensor *t) {
  cr__hook *h = n->hooks;
  while (h && h->retain != t) h = h->next;
  return h;
}

/* Moving the entry cannot fail. Who stands on a removed hook must not follow it to the other list. */
void cr__hook_move_retain(cr_node *from, cr_node *to, const cr_tensor *t) {
  lock_lists();
  cr__hook *h = find_retain(from, t);
  if (h) {
    for (run *r = runs; r; r = r->outer)
      for (cr__hook *d = r->dead; d; d = d->next_alive)
        if (d->next == h) d->next = h->next;
    unlink_hook(h);
    h->slot = (int)t->slot;
    append(&to->hooks, h);
  }
  unlock_lists();
}

int cr__hooks_store(cr_node *n, cr_tensor *const *grads) {
  run mine;
  int code = 0;
  begin_run(&mine, &n->hooks);
  for (cr__hook *h = n->hooks; h && !code; h = h->next) {
    if (!h->retain || h->removed || !grads[h->slot]) continue;
    cr_tensor *t = h->retain;
    unlock_lists();
    code = cr__accumulate(t, cr_retain(grads[h->slot]));
    lock_lists();
  }
  unlock_lists();
  end_run(&mine);
  return code;
}

void cr__hook_unretain(cr_node *n, const cr_tensor *t) {
  lock_lists();
  cr__hook *h = find_retain(n, t);
  bool mine = h && remove_locked(h);
  if (h) h->retain = NULL;
  unlock_lists();
  if (mine) free_hook(h);
}

/* ---- Public ------------------------------------------------------------------------------------------ */

uint64_t cr_tensor_hook(cr_tensor *t, cr_hook_kind kind, cr_hook f, void *user,
                        void (*free_user)(void *)) {
  const char *name =
      kind == CR_HOOK_TENSOR ? "register_hook" : "register_post_accumulate_grad_hook";
  if (!t) return cr__fail_absent(name, "self"), 0;
  if (!cr__requires(t))
    return cr__fail(CR_E_AUTOGRAD, "%s: this tensor does not require grad", name), 0;
  cr_node *fn;
  if (cr__current_fn(t, &fn)) return 0;
  if (kind == CR_HOOK_POST_GRAD && fn)
    return cr__fail(CR_E_AUTOGRAD, "%s: only leaves accumulate a gradient; this tensor is a result",
                    name),
           0;
  if (kind != CR_HOOK_TENSOR && kind != CR_HOOK_POST_GRAD)
    return cr__fail(CR_E_ARGUMENT, "%s: this kind of hook belongs to nodes", name), 0;
  return cr__hook_add(fn ? &fn->hooks : &t->hooks, kind, fn ? (int)t->slot : 0, f, user, free_user);
}

uint64_t cr_node_hook(cr_node *n, cr_hook_kind kind, cr_hook f, void *user,
                      void (*free_user)(void *)) {
  if (!n) return cr__fail_absent("register_hook", "node"), 0;
  if (kind != CR_HOOK_PRE && kind != CR_HOOK_POST)
    return cr__fail(CR_E_ARGUMENT, "register_hook: this kind of hook belongs to tensors"), 0;
  return cr__hook_add(&n->hooks, kind, 0, f, user, free_user);
}

void cr_tensor_hook_remove(cr_tensor *t, uint64_t id) {
  (void)t;
  remove_id(id);
}
void cr_node_hook_remove(cr_node *n, uint64_t id) {
  (void)n;
  remove_id(id);
}
