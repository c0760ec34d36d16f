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
#include <string.h>

#include "callback.h"

/* Registry: holders by slot, strong (false where none) and weak; a bag of holders by userdata, with weak
 * keys; userdata by the address of their object, weak; owners by the address of their object. */
static const char strong_key, weak_key, bags_key, faces_key, owners_key;

/* Ends the list of a userdata that has its place among the faces. */
static owner last_owner;

/* ---- Userdata by object: one for each tensor that the core hands out again ------------------------ */

/* Pushes the userdata that stands for the object, or nil. */
static void push_face(lua_State *L, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &faces_key);
  lua_rawgetp(L, -1, object);
  lua_remove(L, -2);
}

bool cr__lua_push_known(lua_State *L, const cr_tensor *t) {
  push_face(L, t);
  const cr__lua_tensor *u = cr__lua_test(L, -1);
  if (u && u->t == t) return true; /* else none, or one that was closed */
  lua_pop(L, 1);
  return false;
}

void cr__lua_know(lua_State *L, int index) {
  cr__lua_tensor *u = lua_touserdata(L, index);
  if (u->owners || !u->t) return;
  u->owners = &last_owner;
  if (cr__lua_push_known(L, u->t)) { /* another userdata, which keeps its place */
    lua_pop(L, 1);
    return;
  }
  lua_pushvalue(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &faces_key);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, u->t);
  lua_pop(L, 1);
}

void cr__lua_push_tensor(lua_State *L, cr_tensor *t) {
  if (cr__lua_push_known(L, t)) return;
  cr__lua_tensor *u = cr__lua_new(L);
  u->t = cr_retain(t);
  cr__lua_know(L, lua_gettop(L));
}

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

static void update_later(anchor *a) {
  pthread_mutex_lock(&a->lock);
  bool news = !a->stale && a->main;
  if (news) a->stale = true;
  pthread_mutex_unlock(&a->lock);
  if (news) cr__lua_count_dead(1);
}

/* On whichever thread the core is at work. */
static void update_now(owner *o) {
  lua_State *L = cr__lua_current;
  if (o->dead || o->strong == !is_exclusive(o)) return;
  if (L && lua_checkstack(L, 4) && cr__lua_same_state(L, o->anchor)) update(L, o);
  else update_later(o->anchor);
}

void cr__lua_face_leaves(lua_State *L, cr__lua_tensor *u) {
  luaL_checkstack(L, 4, "no stack for a tensor");
  for (owner *o = u->owners; o != &last_owner; o = o->next_of_tensor) {
    if (o->strong || o->dead) continue;
    push_from(L, &weak_key, o->slot);
    make_strong(L, o);
    update_later(o->anchor);
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

static void unlink_owner(owner *o) {
  if (o->previous) o->previous->next = o->next;
  else o->anchor->owners = o->next;
  if (o->next) o->next->previous = o->previous;
}

static void forget_face(owner *o) {
  if (!o->tensor_face) return;
  owner **at = &o->tensor_face->owners;
  while (*at != o) at = &(*at)->next_of_tensor;
  *at = o->next_of_tensor;
  o->tensor_face = NULL;
}

/* The bag that the userdata at index has, made at the first call. */
static void push_bag(lua_State *L, int index) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bags_key);
  lua_pushvalue(L, index);
  if (lua_rawget(L, -2) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

/* Takes the holder out of the bag of the userdata on top (popped), if that has one. */
static void take_from_bag(lua_State *L, const owner *o) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bags_key);
  lua_insert(L, -2);
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    lua_pushnil(L);
    lua_rawseti(L, -2, o->slot);
  }
  lua_pop(L, 2);
}

static void bury(lua_State *L, owner *o) {
  if (o->tensor_face && o->of_node) { /* a leaf's own goes with it */
    push_face(L, o->tensor_face->t);
    take_from_bag(L, o);
  }
  pthread_mutex_lock(&o->anchor->lock);
  unlink_owner(o);
  pthread_mutex_unlock(&o->anchor->lock);
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

void cr__lua_sweep_owners(lua_State *L, anchor *a) {
  pthread_mutex_lock(&a->lock);
  owner *dead = a->dead_owners;
  a->dead_owners = NULL;
  bool stale = a->stale;
  a->stale = false;
  pthread_mutex_unlock(&a->lock);
  while (dead) {
    owner *o = dead;
    dead = o->next_dead;
    cr__lua_count_dead(-1);
    bury(L, o);
  }
  if (!stale) return;
  cr__lua_count_dead(-1);
  for (owner *o = a->owners; o; o = o->next) update(L, o);
}

void cr__lua_drop_owners(anchor *a) {
  while (a->dead_owners) {
    owner *o = a->dead_owners;
    a->dead_owners = o->next_dead;
    cr__lua_count_dead(-1);
    if (--o->values > 0) continue;
    free(o);
    a->refs--;
  }
  if (a->stale) cr__lua_count_dead(-1);
  a->stale = false;
}

/* ---- The end of a userdata -------------------------------------------------------------------------- */

/* The userdata at index goes, the object stays: its holder, which only the bag may have, becomes strong. */
static void rescue(lua_State *L, owner *o, int index) {
  if (o->strong || o->dead) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &bags_key);
  lua_pushvalue(L, index);
  if (lua_rawget(L, -2) == LUA_TTABLE && lua_rawgeti(L, -1, o->slot) == LUA_TTABLE) {
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
  while (u->owners && u->owners != &last_owner) {
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

#define BATCH 16
#define KBYTES_PER_BATCH 64

/* ---- Making one --------------------------------------------------------------------------------------- */

static owner *find_owner(lua_State *L, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
  lua_rawgetp(L, -1, object);
  owner *o = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return o && !o->dead ? o : NULL;
}

/* Puts o's holder, on top, into the bag of the userdata at index. */
static void put_into_bag(lua_State *L, const owner *o, int index) {
  push_bag(L, index);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, o->slot);
  lua_pop(L, 1);
}

/* Makes the userdata at index, of the leaf or a result, refer to o's holder, which is on top. */
static void attach_tensor(lua_State *L, owner *o, int index) {
  cr__lua_tensor *u = lua_touserdata(L, index);
  if (o->tensor_face || o->tensor != u->t) return;
  cr__lua_know(L, index);
  put_into_bag(L, o, index);
  o->tensor_face = u;
  o->next_of_tensor = u->owners;
  u->owners = o;
  o->tensor_refs = cr_tensor_refs(u->t);
}

static void attach_node(lua_State *L, owner *o, int index) {
  cr__lua_node *u = lua_touserdata(L, index);
  if (o->node_face) return;
  put_into_bag(L, o, index);
  o->node_face = u;
  u->owner = o;
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
  owner *o = malloc(sizeof *o);
  if (o) {
    *o = (owner){.anchor = cr__lua_anchor_of(L),
                 .object = object,
                 .slot = slot,
                 .values = 1,
                 .of_node = of_node,
                 .strong = true};
    int code = of_node ? cr_node_watch(object, object_told, o, object_gone)
                       : cr_tensor_watch(object, object_told, o, object_gone);
    if (code) free(o), o = NULL;
  }
  if (!o) {
    luaL_unref(L, -1, slot);
    luaL_error(L, "not enough memory");
  }
  o->refs = of_node ? cr_node_refs(object) : cr_tensor_refs(object);
  pthread_mutex_lock(&o->anchor->lock);
  o->anchor->refs++;
  o->next = o->anchor->owners;
  if (o->next) o->next->previous = o;
  o->anchor->owners = o;
  pthread_mutex_unlock(&o->anchor->lock);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  lua_pushlightuserdata(L, o);
  lua_rawsetp(L, -2, object);
  lua_pop(L, 1);
  return o;
}

/* Watches t as the result through which a userdata holds o's node. */
static void set_result(owner *o, cr_tensor *t) {
  if (o->tensor || !cr_is_result_of(t, o->object)) return;
  cr__lua_ref *r = cr__lua_ref_bare(o);
  if (r && !cr_tensor_watch(t, result_told, r, result_gone)) {
    o->tensor = t;
    return;
  }
  cr__lua_ref_free(r); /* the holder stays strong */
  cr_error_clear();
}

/* The owner for the node of the tensor or node at index, or for the leaf there. */
static owner *own_object(lua_State *L, int index, void *object, bool of_node) {
  owner *o = find_owner(L, object);
  if (o) cr__lua_push_holder(L, o);
  if (o && !lua_istable(L, -1)) cr__lua_error(L, "this tensor is being collected");
  if (!o) o = make_owner(L, object, of_node);
  cr__lua_tensor *u = cr__lua_test(L, index);
  if (u && of_node) set_result(o, u->t);
  if (u && !of_node && !o->tensor) o->tensor = u->t;
  if (u) attach_tensor(L, o, index);
  lua_pop(L, 1);
  update(L, o);
  return o;
}

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
        set_result(o, n->from);
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

void cr__lua_push_grad_fn(lua_State *L, int index) {
  cr__lua_tensor *from = lua_touserdata(L, index);
  cr__lua_know(L, index);
  cr__lua_node *u = cr__lua_new_node(L);
  cr_error_clear();
  CR__LUA_DO(L, u->n = cr_grad_fn(from->t));
  if (!u->n && cr_error_code()) cr__lua_raise(L, NULL);
  if (!u->n) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return;
  }
  u->from = from->t;
  cr__lua_know_node(L);
}

/* A node's userdata is on top: another that stands for the node takes its place. */
void cr__lua_know_node(lua_State *L) {
  cr__lua_node *u = lua_touserdata(L, -1);
  push_face(L, u->n);
  const cr__lua_node *old = lua_touserdata(L, -1);
  if (old && old->n == u->n) {
    cr__lua_node *spare = u;
    CR__LUA_DO(L, cr_node_release(spare->n));
    spare->n = NULL;
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &faces_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, u->n);
  lua_pop(L, 1);
  owner *o = find_owner(L, u->n);
  if (!o) return;
  cr__lua_push_holder(L, o);
  if (lua_istable(L, -1)) attach_node(L, o, lua_gettop(L) - 1);
  lua_pop(L, 1);
  update(L, o);
}

/* ---- The tables ------------------------------------------------------------------------------------- */

static void make_table(lua_State *L, const void *key, const char *mode) {
  lua_newtable(L);
  if (mode) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void cr__lua_open_owners(lua_State *L) {
  make_table(L, &strong_key, NULL);
  make_table(L, &weak_key, "v");
  make_table(L, &bags_key, "k");
  make_table(L, &faces_key, "v");
  make_table(L, &owners_key, NULL);
}
