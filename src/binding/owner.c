/* owner.c: what keeps Lua values that the graph calls: the userdata of their tensor or node.
 *
 * Holds true: a leaf or node that has Lua values (hooks, a Function's context) keeps them in one table,
 * the holder. The userdata of the leaf, of the node, and of a result of the node refer to it through a
 * table with weak keys, so that Lua's collector sees the ring of a closure that uses its own tensor. While
 * anything but these userdata refers to the object, the registry refers to the holder too: the core tells
 * of each reference (cr_tensor_watch), and the change to that side is made at once. The way back may wait
 * until the next sweep. Rings that pass through other C objects are not seen. */
#include "owner.h"

#include <stdlib.h>

#include "callback.h"

/* Registry: holders by slot, strong (false where none) and weak; owners by the address of their object. */
static const char strong_key, weak_key, owners_key;

/* ---- Strong or weak ------------------------------------------------------------------------------- */

/* All references to the object are those of userdata that refer to the holder. */
static bool is_exclusive(const owner *o) {
  if (!o->of_node) return o->tensor_face && o->refs == 1;
  int known = o->node_face != NULL;
  if (o->tensor && o->tensor_face && o->tensor_refs == 1 && cr_is_result_of(o->tensor, o->object))
    known++;
  return known > 0 && o->refs == known;
}

/* Puts the holder on top (popped) in its place among the strong ones: takes no memory. */
static void make_strong(lua_State *L, owner *o) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &strong_key);
  lua_insert(L, -2);
  lua_rawseti(L, -2, o->slot);
  lua_pop(L, 1);
  o->strong = true;
}

static void make_weak(lua_State *L, owner *o) {
  lua_pushboolean(L, false);
  make_strong(L, o);
  o->strong = false;
}

static void push_from(lua_State *L, const void *key, int slot) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_rawgeti(L, -1, slot);
  lua_remove(L, -2);
}

void cr__lua_push_holder(lua_State *L, const owner *o) {
  push_from(L, o->strong ? &strong_key : &weak_key, o->slot);
}

static void update(lua_State *L, owner *o) {
  bool strong = !is_exclusive(o);
  if (o->dead || strong == o->strong) return;
  if (!strong) {
    make_weak(L, o);
    return;
  }
  push_from(L, &weak_key, o->slot);
  if (lua_istable(L, -1)) make_strong(L, o);
  else lua_pop(L, 1); /* being finalized: cr__lua_face_ends will do it */
}

static void update_later(owner *o) {
  anchor *a = o->anchor;
  pthread_mutex_lock(&a->lock);
  bool news = a->main && !o->stale && !o->dead; /* a dead one may be freed at any sweep */
  if (news) {
    o->stale = true;
    o->next_stale = a->stale_owners;
    a->stale_owners = o;
  }
  pthread_mutex_unlock(&a->lock);
  if (news) cr__lua_count_dead(1);
}

/* On whichever thread the core is at work. */
static void update_now(owner *o) {
  lua_State *L = cr__lua_current;
  if (o->dead || o->strong == !is_exclusive(o)) return;
  if (L && lua_checkstack(L, 4) && cr__lua_same_state(L, o->anchor)) update(L, o);
  else update_later(o);
}

void cr__lua_face_leaves(lua_State *L, cr__lua_tensor *u) {
  luaL_checkstack(L, 4, "no stack for a tensor");
  for (owner *o = u->owners; o != &cr__lua_last_owner; o = o->next_of_tensor) {
    if (o->strong || o->dead) continue;
    push_from(L, &weak_key, o->slot);
    make_strong(L, o);
    update_later(o);
  }
}

static void object_told(void *user, int refs) {
  owner *o = user;
  o->refs = refs;
  update_now(o);
}

static void result_told(void *user, int refs) {
  owner *o = ((cr__lua_ref *)user)->home;
  o->tensor_refs = refs;
  update_now(o);
}

/* ---- Life ----------------------------------------------------------------------------------------- */

void cr__lua_owner_done(owner *o) {
  if (--o->values > 0 || !o->dead) return;
  pthread_mutex_lock(&o->anchor->lock);
  cr__lua_anchor_release(o->anchor);
  free(o);
}

/* One value stands for the object itself. */
static void object_gone(void *user) {
  owner *o = user;
  anchor *a = o->anchor;
  pthread_mutex_lock(&a->lock);
  o->tensor = NULL;
  o->dead = true;
  bool closed = !a->main;
  if (!closed) {
    o->next_dead = a->dead_owners;
    a->dead_owners = o;
  }
  pthread_mutex_unlock(&a->lock);
  if (closed) cr__lua_owner_done(o);
  else cr__lua_count_dead(1);
}

static void result_gone(void *user) {
  ((cr__lua_ref *)user)->home->tensor = NULL;
  cr__lua_ref_free(user);
}

static void forget_face(owner *o) {
  if (!o->tensor_face) return;
  owner **at = &o->tensor_face->owners;
  while (*at != o) at = &(*at)->next_of_tensor;
  *at = o->next_of_tensor;
  o->tensor_face = NULL;
}

static void bury(lua_State *L, owner *o) {
  if (o->tensor_face && o->of_node) { /* a leaf's own goes with it */
    cr__lua_push_face(L, o->tensor_face->t);
    cr__lua_bag_take(L, o->slot);
  }
  forget_face(o);
  if (o->node_face) o->node_face->owner = NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
  if (lua_rawgetp(L, -1, o->object) == LUA_TLIGHTUSERDATA && lua_touserdata(L, -1) == o) {
    lua_pushnil(L);
    lua_rawsetp(L, -3, o->object);
  }
  lua_pop(L, 2);
  lua_pushnil(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
  lua_insert(L, -2);
  lua_rawseti(L, -2, o->slot);
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &strong_key);
  luaL_unref(L, -1, o->slot);
  lua_pop(L, 1);
  cr__lua_owner_done(o);
}

/* Both lists are taken at once, so that none of the dead is left in the other one. */
void cr__lua_sweep_owners(lua_State *L, anchor *a) {
  pthread_mutex_lock(&a->lock);
  owner *dead = a->dead_owners, *stale = a->stale_owners;
  a->dead_owners = a->stale_owners = NULL;
  pthread_mutex_unlock(&a->lock);
  while (stale) {
    owner *o = stale;
    stale = o->next_stale;
    pthread_mutex_lock(&a->lock);
    o->stale = false;
    pthread_mutex_unlock(&a->lock);
    cr__lua_count_dead(-1);
    update(L, o);
  }
  while (dead) {
    owner *o = dead;
    dead = o->next_dead;
    cr__lua_count_dead(-1);
    bury(L, o);
  }
}

void cr__lua_drop_owners(anchor *a) {
  for (; a->stale_owners; a->stale_owners = a->stale_owners->next_stale) cr__lua_count_dead(-1);
  while (a->dead_owners) {
    owner *o = a->dead_owners;
    a->dead_owners = o->next_dead;
    cr__lua_count_dead(-1);
    if (--o->values > 0) continue;
    free(o);
    a->refs--;
  }
}

/* ---- The end of a userdata -------------------------------------------------------------------------- */

/* The userdata at index goes, the object stays: its holder, which only the bag may have, becomes strong. */
static void rescue(lua_State *L, owner *o, int index) {
  if (o->strong || o->dead) return;
  if (cr__lua_bag_get(L, index, o->slot)) {
    lua_pushvalue(L, -1);
    make_strong(L, o);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
    lua_insert(L, -2);
    lua_rawseti(L, -2, o->slot);
  }
  lua_settop(L, index);
}

void cr__lua_face_ends(lua_State *L, cr__lua_tensor *u, int index) {
  int refs = cr_tensor_refs(u->t);
  lua_settop(L, index);
  while (u->owners && u->owners != &cr__lua_last_owner) {
    owner *o = u->owners;
    forget_face(o);
    int left = o->dead ? 0 : o->of_node ? cr_node_refs(o->object) : refs - 1;
    if (o->of_node && refs == 1 && cr_is_result_of(u->t, o->object)) left--;
    if (left > (o->node_face != NULL)) rescue(L, o, index);
  }
  u->owners = NULL;
}

void cr__lua_node_face_ends(lua_State *L, cr__lua_node *u, int index) {
  owner *o = u->owner;
  u->owner = NULL;
  lua_settop(L, index);
  if (!o) return;
  o->node_face = NULL;
  int left = o->dead ? 0 : cr_node_refs(u->n) - 1;
  bool by_tensor =
      o->tensor && o->tensor_face && o->tensor_refs == 1 && cr_is_result_of(o->tensor, u->n);
  if (left > by_tensor) rescue(L, o, index);
}

/* ---- Making one --------------------------------------------------------------------------------------- */

static owner *find_owner(lua_State *L, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
  lua_rawgetp(L, -1, object);
  owner *o = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return o && !o->dead ? o : NULL;
}

/* Makes the userdata at index, of the leaf or a result, refer to o's holder, which is on top. */
static void attach_tensor(lua_State *L, owner *o, int index) {
  cr__lua_tensor *u = lua_touserdata(L, index);
  if (o->tensor_face || o->tensor != u->t) return;
  cr__lua_know(L, index);
  cr__lua_bag_put(L, index, o->slot);
  o->tensor_face = u;
  o->next_of_tensor = u->owners;
  u->owners = o;
  o->tensor_refs = cr_tensor_refs(u->t);
}

static void attach_node(lua_State *L, owner *o, int index) {
  cr__lua_node *u = lua_touserdata(L, index);
  if (o->node_face) return;
  cr__lua_bag_put(L, index, o->slot);
  o->node_face = u;
  u->owner = o;
}

/* One that the object tells of its references; NULL with the core's error set. */
static owner *watch_object(lua_State *L, void *object, bool of_node, int slot) {
  owner *o = malloc(sizeof *o);
  if (!o) cr_error_set(CR_E_MEMORY, "out of memory: no owner for a hook");
  if (!o) return NULL;
  *o = (owner){.anchor = cr__lua_anchor_of(L),
               .object = object,
               .slot = slot,
               .values = 1,
               .of_node = of_node,
               .strong = true};
  int code = of_node ? cr_node_watch(object, object_told, o, object_gone)
                     : cr_tensor_watch(object, object_told, o, object_gone);
  if (code) {
    free(o);
    return NULL;
  }
  o->refs = of_node ? cr_node_refs(object) : cr_tensor_refs(object);
  pthread_mutex_lock(&o->anchor->lock);
  o->anchor->refs++;
  pthread_mutex_unlock(&o->anchor->lock);
  return o;
}

/* Pushes a holder and makes its owner, strong at first. */
static owner *make_owner(lua_State *L, void *object, bool of_node) {
  lua_newtable(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
  lua_pushboolean(L, false);
  lua_rawsetp(L, -2, object); /* makes the place */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &strong_key);
  lua_pushboolean(L, false);
  int slot = luaL_ref(L, -2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak_key);
  lua_pushvalue(L, -4);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  owner *o = watch_object(L, object, of_node, slot);
  for (bool retried = false; !o && !retried && cr__lua_retry(L); retried = true)
    o = watch_object(L, object, of_node, slot);
  if (!o) {
    luaL_unref(L, -1, slot);
    lua_pushnil(L);
    lua_rawsetp(L, -3, object);
    cr__lua_raise(L, NULL);
  }
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  lua_pushlightuserdata(L, o);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
  return o;
}

/* False with the core's error set. */
static bool watch_result(owner *o, cr_tensor *t) {
  cr__lua_ref *r = cr__lua_ref_bare(o);
  if (!r) cr_error_set(CR_E_MEMORY, "out of memory: no reference for a hook");
  if (r && !cr_tensor_watch(t, result_told, r, result_gone)) return true;
  cr__lua_ref_free(r);
  return false;
}

/* Watches t as the result through which a userdata holds o's node. Raises, with o as it was. */
static void set_result(lua_State *L, owner *o, cr_tensor *t) {
  if (o->tensor || !cr_is_result_of(t, o->object)) return;
  if (!watch_result(o, t) && !(cr__lua_retry(L) && watch_result(o, t))) cr__lua_raise(L, NULL);
  o->tensor = t;
}

/* The owner for the node of the tensor or node at index, or for the leaf there. */
static owner *own_object(lua_State *L, int index, void *object, bool of_node) {
  owner *o = find_owner(L, object);
  if (o) cr__lua_push_holder(L, o);
  if (o && !lua_istable(L, -1)) cr__lua_error(L, "this tensor is being collected");
  if (!o) o = make_owner(L, object, of_node);
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (u && of_node) set_result(L, o, u->t);
  if (u && !of_node && !o->tensor) o->tensor = u->t;
  if (u) attach_tensor(L, o, index);
  lua_pop(L, 1);
  update(L, o);
  return o;
}

#define BATCH 16
#define KBYTES_PER_BATCH 64

/* A ring takes Lua two cycles to see through, and is mostly larger than the collector knows: it is told
 * of some of the bytes (as account() of tensor.c does). */
static void account(lua_State *L) {
  static CR__LUA_TLS unsigned made;
  if (++made % BATCH == 0 && lua_gc(L, LUA_GCISRUNNING)) lua_gc(L, LUA_GCSTEP, KBYTES_PER_BATCH);
}

owner *cr__lua_own(lua_State *L, int index) {
  luaL_checkstack(L, 12, "no stack for a hook");
  account(L);
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (!u) { /* a node */
    cr__lua_node *n = lua_touserdata(L, index);
    owner *o = n->owner ? n->owner : own_object(L, index, n->n, true);
    if (!n->owner) {
      cr__lua_push_holder(L, o);
      attach_node(L, o, index);
      if (n->from && cr__lua_push_known(L, n->from)) {
        set_result(L, o, n->from);
        lua_insert(L, -2);
        attach_tensor(L, o, lua_gettop(L) - 1);
        lua_pop(L, 1);
      }
      lua_pop(L, 1);
      update(L, o);
    }
    return o;
  }
  cr_error_clear();
  cr_node *n = CR__LUA_GET(L, cr_grad_fn(u->t));
  CR__LUA_DO(L, cr_node_release(n)); /* the tensor keeps it */
  if (!n && cr_error_code()) cr__lua_raise(L, NULL);
  return own_object(L, index, n ? (void *)n : (void *)u->t, n != NULL);
}

void cr__lua_own_again(lua_State *L, int index) {
  const cr__lua_node *u = lua_touserdata(L, index);
  owner *o = find_owner(L, u->n);
  if (!o) return;
  cr__lua_push_holder(L, o);
  if (lua_istable(L, -1)) attach_node(L, o, index);
  lua_pop(L, 1);
  update(L, o);
}

void cr__lua_open_owners(lua_State *L) {
  cr__lua_make_registry(L, &strong_key, NULL);
  cr__lua_make_registry(L, &weak_key, "v");
  cr__lua_make_registry(L, &owners_key, NULL);
  cr__lua_open_faces(L);
}
