/* hooks.c: functions that run while gradients pass.
 *
 * Holds true: a hook lives in the list of its leaf or node until that dies; removing it only empties
 * it (f = NULL), which is safe while it runs. Ids are found through one table, so that a hook can be
 * removed wherever its tensor has moved in the graph meanwhile. */
#include "core.h"

#include <string.h>

#define BUCKETS 256

static atomic_flag table_lock = ATOMIC_FLAG_INIT;
static cr__hook *table[BUCKETS];
static uint64_t last_id;

static void lock_table(void) {
  while (atomic_flag_test_and_set_explicit(&table_lock, memory_order_acquire)) {
  }
}
static void unlock_table(void) { atomic_flag_clear_explicit(&table_lock, memory_order_release); }

static cr__hook *hook_new(cr__hook **list, int kind, int slot) {
  cr__hook *h = cr__alloc(sizeof *h);
  if (!h) return NULL;
  *h = (cr__hook){.kind = kind, .slot = slot};
  while (*list) list = &(*list)->next;
  *list = h;
  return h;
}

uint64_t cr__hook_add(cr__hook **list, cr_hook_kind kind, int slot, cr_hook f, void *user,
                      void (*free_user)(void *)) {
  cr__hook *h = hook_new(list, (int)kind, slot);
  if (!h) return 0;
  h->f = f;
  h->user = user;
  h->free_user = free_user;
  lock_table();
  h->id = ++last_id;
  h->next_alive = table[h->id % BUCKETS];
  table[h->id % BUCKETS] = h;
  unlock_table();
  return h->id;
}

static void take_from_table(cr__hook *h) {
  cr__hook **at = &table[h->id % BUCKETS];
  while (*at && *at != h) at = &(*at)->next_alive;
  if (*at) *at = h->next_alive;
}

/* Gives up the function; while it runs, its runner does so afterwards. */
static void empty(cr__hook *h) {
  h->f = NULL;
  if (h->busy) return;
  void (*free_user)(void *) = h->free_user;
  h->free_user = NULL;
  if (free_user) free_user(h->user);
}

static void remove_id(uint64_t id) {
  lock_table();
  cr__hook *h = table[id % BUCKETS];
  while (h && h->id != id) h = h->next_alive;
  if (h) take_from_table(h);
  unlock_table();
  if (h) empty(h);
}

void cr__hooks_free(cr__hook *list) {
  while (list) {
    cr__hook *next = list->next;
    if (list->id) {
      lock_table();
      take_from_table(list);
      unlock_table();
    }
    list->busy = 0;
    empty(list);
    cr__free(list, sizeof *list);
    list = next;
  }
}

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

/* Keeps what a hook was given alive and checks what it left behind. */
static int run_one(cr__hook *h, cr_tensor **grads, int n, cr_tensor *const *outs, int nouts) {
  cr_tensor **before = cr__alloc((size_t)(n + 1) * sizeof *before);
  if (!before) return CR_E_MEMORY;
  for (int i = 0; i < n; i++) before[i] = cr_retain(grads[i]);
  h->busy++;
  int code = h->f(h->user, grads, n, outs, nouts);
  h->busy--;
  if (!h->f) empty(h); /* removed itself meanwhile */
  for (int i = 0; i < n; i++) {
    if (!code && h->kind != CR_HOOK_POST_GRAD) code = same_shape(before[i], grads[i]);
    cr_release(before[i]);
  }
  cr__free(before, (size_t)(n + 1) * sizeof *before);
  return code;
}

int cr__hooks_run(cr__hook *list, cr_hook_kind kind, int slot, cr_tensor **grads, int n,
                  cr_tensor *const *outs, int nouts) {
  for (cr__hook *h = list; h; h = h->next) {
    if (!h->f || h->kind != (int)kind || (slot >= 0 && h->slot != slot)) continue;
    int code = run_one(h, grads, n, outs, nouts);
    if (code) return code;
  }
  return 0;
}

/* ---- retain_grad ---------------------------------------------------------------------------------- */

int cr__hook_retain(cr_node *n, cr_tensor *t) {
  cr__hook *h = hook_new(&n->hooks, CR_HOOK_TENSOR, (int)t->slot);
  if (!h) return CR_E_MEMORY;
  h->retain = t;
  return 0;
}

/* Moving the entry cannot fail. No hook runs while a list's retain entries are looked at, so unlinking
 * one disturbs nobody. */
void cr__hook_move_retain(cr_node *from, cr_node *to, const cr_tensor *t) {
  cr__hook **at = &from->hooks;
  while (*at && (*at)->retain != t) at = &(*at)->next;
  cr__hook *h = *at;
  if (!h) return;
  *at = h->next;
  h->next = NULL;
  h->slot = (int)t->slot;
  for (at = &to->hooks; *at;) at = &(*at)->next;
  *at = h;
}

void cr__hook_unretain(cr_node *n, const cr_tensor *t) {
  for (cr__hook *h = n->hooks; h; h = h->next)
    if (h->retain == t) h->retain = NULL;
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
