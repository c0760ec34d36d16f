/* own.c: making the owners of Lua values that the graph calls (owner.c).
 *
 * Holds true: an owner is made with all that it takes, or an error is raised and nothing has changed. It is
 * strong at first, and weak once nothing but userdata refers to its object. */
#include <stdlib.h>

#include "callback.h"

/* ---- What the core tells of a result ----------------------------------------------------------------- */

static void result_told(void *user, int refs) {
  owner *o = ((cr__lua_ref *)user)->home;
  o->tensor_refs = refs;
  cr__lua_owner_update_now(o);
}

static void result_gone(void *user) {
  ((cr__lua_ref *)user)->home->tensor = NULL;
  cr__lua_ref_free(user);
}

/* ---- Making one --------------------------------------------------------------------------------------- */

static owner *find_owner(lua_State *L, const void *object) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_owners_key);
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
  int code = of_node ? cr_node_watch(object, cr__lua_object_told, o, cr__lua_object_gone)
                     : cr_tensor_watch(object, cr__lua_object_told, o, cr__lua_object_gone);
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
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_owners_key);
  lua_pushboolean(L, false);
  lua_rawsetp(L, -2, object); /* makes the place */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_strong_key);
  lua_pushboolean(L, false);
  int slot = luaL_ref(L, -2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_weak_key);
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
  cr__lua_owner_update(L, o);
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
      cr__lua_owner_update(L, o);
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
  cr__lua_owner_update(L, o);
}

/* ---- After a write in place ---------------------------------------------------------------------------- */

/* tensor, owner of its former node: its new node gets an owner too, whose holder refers to that one's. */
static int follow(lua_State *L) {
  owner *old = lua_touserdata(L, 2), *o = cr__lua_own(L, 1);
  if (!o->of_node || o == old || !cr_node_holds(o->object, old->object)) return 0;
  cr__lua_push_holder(L, o);
  cr__lua_push_holder(L, old);
  if (!lua_istable(L, -1) || !lua_istable(L, -2)) return 0;
  lua_rawsetp(L, -2, old);
  old->parent = o;
  old->sibling = o->child;
  o->child = old;
  cr__lua_owner_update(L, old);
  return 0;
}

/* The userdata at index, if it stands for what had a node with values before. What fails is left to the end
 * of the state: the write is done. */
static void follow_write(lua_State *L, int index) {
  const cr__lua_tensor *u = lua_touserdata(L, index);
  owner *o = u->owners;
  if (!o || o == &cr__lua_last_owner || o->dead || !o->of_node || o->parent) return;
  if (o->tensor != u->t || cr_is_result_of(u->t, o->object)) return;
  lua_pushcfunction(L, follow);
  lua_pushvalue(L, index);
  lua_pushlightuserdata(L, o);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
  cr_error_clear();
}

void cr__lua_written(lua_State *L, cr_tensor *t) {
  cr_tensor *each[] = {t, cr_base(t)};
  for (int i = 0; i < 2; i++) {
    if (!each[i] || !lua_checkstack(L, 16) || !cr__lua_push_known(L, each[i])) continue;
    follow_write(L, lua_gettop(L));
    lua_pop(L, 1);
  }
}

void cr__lua_open_owners(lua_State *L) {
  cr__lua_make_registry(L, &cr__lua_strong_key, NULL);
  cr__lua_make_registry(L, &cr__lua_weak_key, "v");
  cr__lua_make_registry(L, &cr__lua_owners_key, NULL);
  cr__lua_open_faces(L);
}
