/* owner.c: what keeps Lua values that the graph calls, and whether the registry has to: own.c makes owners.
 *
 * Holds true: a leaf or node that has Lua values (hooks, a Function's context) keeps them in one table,
 * the holder. The userdata of the leaf, of the node, and of a result of the node refer to it through a
 * table with weak keys, so that Lua's collector sees the ring of a closure that uses its own tensor. While
 * anything but these userdata refers to the object, the registry refers to the holder too: the core tells
 * of each reference (cr_tensor_watch), and the change to that side is made at once. The way back may wait
 * until the next sweep. A node to which only another one leads that has an owner, as after a write in place,
 * is kept by that one's holder. Rings that pass through other C objects are not seen. */
#include "owner.h"

#include <stdlib.h>

#include "callback.h"

const char cr__lua_strong_key, cr__lua_weak_key, cr__lua_owners_key;

/* ---- Strong or weak ------------------------------------------------------------------------------- */

/* All references to the object are those of userdata that refer to the holder. */
static bool is_exclusive(const owner *o) {
  if (!o->of_node) return o->tensor_face && o->refs == 1;
  int known = o->node_face != NULL;
  if (o->tensor && o->tensor_face && o->tensor_refs == 1 && cr_is_result_of(o->tensor, o->object))
    known++;
  if (o->parent) known += cr_node_holds(o->parent->object, o->object);
  return known > 0 && o->refs == known;
}

/* Takes no memory: the place is there. */
void cr__lua_make_strong(lua_State *L, owner *o) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_strong_key);
  lua_insert(L, -2);
  lua_rawseti(L, -2, o->slot);
  lua_pop(L, 1);
  o->strong = true;
}

static void make_weak(lua_State *L, owner *o) {
  lua_pushboolean(L, false);
  cr__lua_make_strong(L, o);
  o->strong = false;
}

static void push_from(lua_State *L, const void *key, int slot) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_rawgeti(L, -1, slot);
  lua_remove(L, -2);
}

void cr__lua_push_holder(lua_State *L, const owner *o) {
  push_from(L, o->strong ? &cr__lua_strong_key : &cr__lua_weak_key, o->slot);
}

void cr__lua_owner_update(lua_State *L, owner *o) {
  bool strong = !is_exclusive(o);
  if (o->dead || strong == o->strong) return;
  if (!strong) {
    make_weak(L, o);
    return;
  }
  push_from(L, &cr__lua_weak_key, o->slot);
  if (lua_istable(L, -1)) cr__lua_make_strong(L, o);
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
void cr__lua_owner_update_now(owner *o) {
  lua_State *L = cr__lua_current;
  if (o->dead || (!o->parent && o->strong == !is_exclusive(o))) return;
  bool here = L && lua_checkstack(L, 4) && cr__lua_same_state(L, o->anchor);
  if (here) cr__lua_owner_update(L, o);
  /* What a parent holds is told of while it still counts, so it is looked at again. */
  if (!here || (o->parent && o->strong)) update_later(o);
}

void cr__lua_face_leaves(lua_State *L, cr__lua_tensor *u) {
  luaL_checkstack(L, 4, "no stack for a tensor");
  for (owner *o = u->owners; o != &cr__lua_last_owner; o = o->next_of_tensor) {
    if (o->strong || o->dead) continue;
    push_from(L, &cr__lua_weak_key, o->slot);
    cr__lua_make_strong(L, o);
    update_later(o);
  }
}

void cr__lua_object_told(void *user, int refs) {
  owner *o = user;
  o->refs = refs;
  if (refs == 0) { /* it will be gone, but what it leads to may stay */
    cr__lua_orphan(o);
    return;
  }
  cr__lua_owner_update_now(o);
}

void cr__lua_orphan(owner *o) {
  while (o->child) {
    owner *child = o->child;
    o->child = child->sibling;
    child->parent = child->sibling = NULL;
    cr__lua_owner_update_now(child);
  }
}

/* ---- Life ----------------------------------------------------------------------------------------- */

void cr__lua_owner_done(owner *o) {
  if (--o->values > 0 || !o->dead) return;
  pthread_mutex_lock(&o->anchor->lock);
  cr__lua_anchor_release(o->anchor);
  free(o);
}

/* One value stands for the object itself. */
void cr__lua_object_gone(void *user) {
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
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_owners_key);
  if (lua_rawgetp(L, -1, o->object) == LUA_TLIGHTUSERDATA && lua_touserdata(L, -1) == o) {
    lua_pushnil(L);
    lua_rawsetp(L, -3, o->object);
  }
  lua_pop(L, 2);
  lua_pushnil(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_weak_key);
  lua_insert(L, -2);
  lua_rawseti(L, -2, o->slot);
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_strong_key);
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
    cr__lua_owner_update(L, o);
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
    cr__lua_make_strong(L, o);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &cr__lua_weak_key);
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
