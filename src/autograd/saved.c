/* saved.c: tensors that nodes keep for their derivative, and the hooks on keeping them.
 *
 * Holds true: a saved tensor is another header over the same storage with the version it had, so
 * that a later in-place write is found; only a leaf that requires grad is kept as itself. A saved
 * result knows its node by number, never by reference, so node and result form no cycle. */
#include "graph.h"

#include <string.h>

/* ---- Hooks on saving ----------------------------------------------------------------------------- */

typedef struct cr__hooks_ref { /* a pair, shared by its scope and by what was packed with it */
  atomic_int refs;
  cr_saved_hooks h;
} hooks_ref;

hooks_ref *cr__hooks_new(const cr_saved_hooks *hooks) {
  hooks_ref *r = cr__alloc(sizeof *r);
  if (!r) return NULL;
  atomic_init(&r->refs, 1);
  r->h = *hooks;
  if (r->h.retain_user) r->h.retain_user(r->h.user, 1);
  return r;
}

void cr__hooks_release(hooks_ref *r) {
  if (!r || atomic_fetch_sub(&r->refs, 1) != 1) return;
  if (r->h.retain_user) r->h.retain_user(r->h.user, -1);
  cr__free(r, sizeof *r);
}

static hooks_ref *hooks_retain(hooks_ref *r) {
  if (r) atomic_fetch_add(&r->refs, 1);
  return r;
}

int cr_saved_hooks_push(const cr_saved_hooks *hooks) {
  hooks_ref *r = cr__hooks_new(hooks);
  return r ? cr__scope_push_hooks(r) : CR_E_MEMORY;
}

void cr_saved_hooks_pop(void) { cr__scope_pop_hooks(); }

/* What runs between the two saves through the hooks given (NULL: none), whatever the scopes say. */
static void begin_hooks(cr_scope *s, hooks_ref *hooks) {
  cr__scope_begin(s, &(cr_mode){.sets = CR__SETS_HOOKS}, hooks_retain(hooks));
}

static void end_hooks(cr_scope *s) {
  cr__scope_end(s);
  cr__hooks_release(s->hooks);
}

static int pack(cr__saved *s, cr_tensor *t) {
  const cr_scope *scope = cr__scope_find(CR__SETS_HOOKS);
  hooks_ref *r = scope->hooks;
  if (!r->h.pack)
    return cr__fail(CR_E_AUTOGRAD, "%s", r->h.why ? r->h.why : "saving tensors is disabled here");
  uint32_t before = cr__version(t);
  cr_tensor *bare = cr__alias_same(t);
  if (!bare) return CR_E_MEMORY;
  const cr_scope *outer = cr__scope_find_outside(scope, CR__SETS_HOOKS);
  cr_scope below; /* what the hook itself computes is not packed again by it */
  hooks_retain(r);
  begin_hooks(&below, outer ? outer->hooks : NULL);
  const cr__speaker *speaker = cr__outer; /* what the hook calls is no part of a composite */
  cr__outer = NULL;
  void *handle = r->h.pack(r->h.user, bare);
  cr__outer = speaker;
  end_hooks(&below);
  cr_release(bare);
  if (!handle) {
    cr__hooks_release(r);
    return (int)cr_error_code();
  }
  s->hooks = r;
  s->handle = handle;
  s->flags |= CR__SAVED_PACKED;
  if (cr__version(t) != before)
    return cr__fail(CR_E_AUTOGRAD, "a pack hook must not modify its tensor in place");
  return 0;
}

/* ---- Saving and loading a tensor --------------------------------------------------------------------- */

bool cr__saves_through_hooks(void) { return cr__modes.hooks; }

int cr__save_tensor(cr_node *n, cr__saved *s, cr_tensor *t, bool is_output, uint32_t slot) {
  (void)n;
  if (t->flags & CR__INFERENCE)
    return cr__fail(CR_E_AUTOGRAD, "a tensor made in inference mode cannot be saved for backward; "
                                   "clone it outside inference mode");
  s->version = cr__version(t);
  s->slot = (uint16_t)slot;
  if (is_output) {
    s->flags = CR__SAVED_OUTPUT;
  } else if (cr__requires(t)) {
    cr_node *fn;
    int code = cr__current_fn(t, &fn);
    if (code) return code;
    if (fn) {
      s->fn = cr_node_retain(fn);
      s->slot = (uint16_t)t->slot;
    } else if (CR__UNLIKELY(cr__modes.hooks)) { /* the unpacked tensor will stand for the leaf */
      cr__edge e;
      code = cr__edge_of(t, &e);
      if (code) return code;
      s->fn = e.fn;
      s->slot = 0;
    } else {
      s->flags = CR__SAVED_LEAF;
    }
  }
  if (CR__UNLIKELY(cr__modes.hooks)) {
    s->v.kind = CR_TENSOR;
    s->v.u.t = NULL;
    return pack(s, t);
  }
  cr_tensor *kept = s->flags & CR__SAVED_LEAF ? cr_retain(t) : cr__alias_same(t);
  if (!kept) {
    cr_node_release(s->fn);
    s->fn = NULL;
    return CR_E_MEMORY;
  }
  if (kept != t) {
    kept->flags |= t->flags & CR__NO_VERSION;
    kept->own_version = t->own_version;
  }
  s->v = cr_of(kept);
  return 0;
}

static int refuse_modified(const cr_node *n, const cr__saved *s) {
  const cr_tensor *t = s->v.u.t;
  const char *writer = t->storage->writer;
  cr__text a;
  return cr__fail(CR_E_AUTOGRAD,
                  "a tensor that %s saved for its derivative has been modified in place by %s%s "
                  "since "
                  "(%s tensor of shape %s%s%s, at version %u, saved at version %u); clone it "
                  "before "
                  "the write, or write out of place",
                  cr_node_name(n), writer ? writer : "another writer",
                  writer && writer[strlen(writer) - 1] != '_' ? "_" : "",
                  cr_dtype_name((cr_dtype)t->dtype), cr__shape_text(t->ndim, cr__sizes(t), &a),
                  s->fn                         ? ", result of "
                  : s->flags & CR__SAVED_OUTPUT ? ", its own result"
                                                : "",
                  s->fn ? cr_node_name(s->fn) : "", cr__version(t), s->version);
}

static cr_tensor *load_packed(const cr__saved *s) {
  cr_scope below;
  begin_hooks(&below, NULL);
  const cr__speaker *speaker = cr__outer;
  cr__outer = NULL;
  cr_tensor *t = s->hooks->h.unpack(s->hooks->h.user, s->handle);
  cr__outer = speaker;
  end_hooks(&below);
  cr_tensor *alias = t ? cr__alias_same(t) : NULL;
  cr_release(t);
  return alias;
}

cr_tensor *cr__load_tensor(cr_node *n, const cr__saved *s, bool history) {
  cr_tensor *t;
  if (s->flags & CR__SAVED_PACKED) {
    t = load_packed(s);
    if (!t) return NULL;
  } else {
    t = s->v.u.t;
    if (CR__UNLIKELY(cr__version(t) != s->version)) return refuse_modified(n, s), NULL;
    bool placed = (s->flags & CR__SAVED_OUTPUT) || s->fn;
    if (!placed || !history) return cr_retain(t);
    t = cr__alias_same(t);
    if (!t) return NULL;
  }
  if (history && s->fn) cr__set_history(t, s->fn, s->slot);
  if (history && (s->flags & CR__SAVED_OUTPUT) && cr__is_inexact((cr_dtype)t->dtype))
    cr__set_history(t, n, s->slot);
  return t;
}

void *cr__saved_handle(const cr__saved *s, const void *free_handle) {
  bool packed = s->flags & CR__SAVED_PACKED;
  return packed && (const void *)s->hooks->h.free_handle == free_handle ? s->handle : NULL;
}

void cr__saved_clear(cr__saved *s) {
  if (s->flags & CR__SAVED_LIST) {
    cr__saved *items = s->handle;
    for (int i = 0; i < s->v.n; i++) cr__saved_clear(&items[i]);
    cr__free(items, (size_t)s->v.n * sizeof *items);
  } else if (s->flags & CR__SAVED_PACKED) {
    if (s->hooks->h.free_handle) s->hooks->h.free_handle(s->hooks->h.user, s->handle);
    cr__hooks_release(s->hooks);
  } else if (s->v.kind == CR_TENSOR) {
    cr_release(s->v.u.t);
  } else {
    return; /* a plain value costs nothing and stays */
  }
  cr_node_release(s->fn);
  *s = (cr__saved){0};
}

/* ---- Unpacking for a formula ----------------------------------------------------------------------------- */

static cr_value unpack_list(cr_node *n, const cr__saved *s) {
  const cr__saved *items = s->handle;
  cr_tensor **ts = cr__alloc((size_t)s->v.n * sizeof *ts);
  if (!ts) return cr_none();
  bool failed = false;
  for (int i = 0; i < s->v.n; i++) {
    bool empty = items[i].v.kind == CR_NONE;
    ts[i] = empty || failed ? NULL : cr__load_tensor(n, &items[i], cr__recording());
    failed = failed || (!empty && !ts[i]);
  }
  cr_value v = cr_list(ts, s->v.n);
  if (!failed) return v;
  cr__drop_list(v);
  return cr_none();
}

CR__TLS bool cr__unpack_failed;

cr_value cr__unpack(cr_node *n, int k) {
  const cr__saved *s = &n->saved[k];
  bool list = s->flags & CR__SAVED_LIST;
  if (list || s->v.kind == CR_TENSOR) {
    cr_value v = list ? unpack_list(n, s) : cr_of(cr__load_tensor(n, s, cr__recording()));
    if (v.kind == CR_NONE) cr__unpack_failed = true;
    return v;
  }
  int kind = cr__impls[n->op->id].saves[k].kind;
  if (n->freed && s->v.kind == CR_NONE && (kind == CR__SAVE_INPUT || kind == CR__SAVE_OUTPUT))
    cr__fail(CR_E_AUTOGRAD,
             "backward was asked to pass %s a second time, but what it saved has been freed; give "
             "retain_graph = true to the first backward",
             cr_node_name(n));
  return s->v;
}
