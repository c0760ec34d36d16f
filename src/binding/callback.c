/* callback.c: the ground that Functions, hooks and traces stand on: references from the core to Lua
 * values, and protected calls from the core into Lua.
 *
 * Holds true: a state has one anchor, shared by all references to its values and by the state itself.
 * A reference that the core drops joins the anchor's list of dead ones, whose registry entries go at
 * the state's next visit; once the state is closed, it is merely freed. */
#include "callback.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char anchor_key; /* registry: a userdata that holds the state's anchor */
static const char values_key; /* registry: the table of values that the core holds */
static const char trace_key;  /* registry: the traceback of the last error in a callback */
static const char traced_key; /* registry: that error */
static atomic_int dead_count; /* of all states: is there anything to sweep? */

CR__LUA_TLS lua_State *cr__lua_current;
static CR__LUA_TLS cr__lua_note *innermost;

/* ---- Anchors ---- */

void cr__lua_anchor_release(anchor *a) {
  bool last = --a->refs == 0;
  pthread_mutex_unlock(&a->lock);
  if (!last) return;
  pthread_mutex_destroy(&a->lock);
  free(a);
}

/* The end of the state: what is dead needs no more sweeping. */
static int anchor_gc(lua_State *L) {
  anchor **box = lua_touserdata(L, 1);
  anchor *a = *box;
  *box = NULL;
  if (!a) return 0;
  pthread_mutex_lock(&a->lock);
  a->main = NULL;
  while (a->dead) {
    cr__lua_ref *next = a->dead->next;
    if (a->dead->home) a->dead->home->values--; /* its owner goes with the object */
    free(a->dead);
    a->dead = next;
    a->refs--;
    atomic_fetch_sub(&dead_count, 1);
  }
  cr__lua_drop_owners(a);
  cr__lua_anchor_release(a);
  return 0;
}

anchor *cr__lua_anchor_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &anchor_key);
  anchor **box = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return box ? *box : NULL;
}

static lua_State *main_of(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

bool cr__lua_same_state(lua_State *L, const anchor *a) { return cr__lua_anchor_of(L) == a; }
void cr__lua_count_dead(int by) { atomic_fetch_add(&dead_count, by); }

static void open_anchor(lua_State *L) {
  anchor **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, anchor_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &anchor_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &values_key);
  anchor *a = calloc(1, sizeof *a);
  if (!a) luaL_error(L, "not enough memory");
  pthread_mutex_init(&a->lock, NULL);
  a->refs = 1;
  a->main = main_of(L);
  *box = a;
}

/* ---- References ---- */

static cr__lua_ref *make_ref(anchor *a, owner *home, void **user, int id) {
  cr__lua_ref *r = a ? malloc(sizeof *r) : NULL;
  if (!r) return NULL;
  *r = (cr__lua_ref){a, NULL, user, home, id};
  if (home) home->values++;
  pthread_mutex_lock(&a->lock);
  a->refs++;
  pthread_mutex_unlock(&a->lock);
  return r;
}

cr__lua_ref *cr__lua_ref_bare(owner *home) { return make_ref(home->anchor, home, NULL, LUA_NOREF); }

/* Pushes the table that has, or is to have, the reference's value; not a table if it is gone. */
static void push_table(lua_State *L, const owner *home) {
  if (home) cr__lua_push_holder(L, home);
  else lua_rawgetp(L, LUA_REGISTRYINDEX, &values_key);
}

cr__lua_ref *cr__lua_ref_new(lua_State *L, owner *home, void **user) {
  push_table(L, home);
  lua_insert(L, -2);
  int id = luaL_ref(L, -2);
  cr__lua_ref *r = make_ref(cr__lua_anchor_of(L), home, user, id);
  if (!r) {
    luaL_unref(L, -1, id);
    luaL_error(L, "not enough memory");
  }
  lua_pop(L, 1);
  return r;
}

void cr__lua_ref_move(lua_State *L, cr__lua_ref *r, owner *home) {
  push_table(L, home);
  cr__lua_ref_push(L, r);
  int id = luaL_ref(L, -2);
  lua_pop(L, 1);
  push_table(L, r->home);
  luaL_unref(L, -1, r->id);
  lua_pop(L, 1);
  r->home = home;
  r->id = id;
  home->values++;
}

void cr__lua_ref_free(void *ref) {
  cr__lua_ref *r = ref;
  if (!r) return;
  anchor *a = r->anchor;
  pthread_mutex_lock(&a->lock);
  if (a->main) {
    if (r->user) *r->user = NULL; /* its userdata lives as long as the entry in the table */
    r->next = a->dead;
    a->dead = r;
    atomic_fetch_add(&dead_count, 1);
    pthread_mutex_unlock(&a->lock);
  } else {
    owner *home = r->home;
    free(r);
    cr__lua_anchor_release(a);
    if (home) cr__lua_owner_done(home);
  }
}

void cr__lua_ref_push(lua_State *L, const cr__lua_ref *r) {
  push_table(L, r->home);
  if (lua_istable(L, -1)) lua_rawgeti(L, -1, r->id);
  else lua_pushnil(L);
  lua_remove(L, -2);
}

static void sweep_ref(lua_State *L, cr__lua_ref *r) {
  anchor *a = r->anchor;
  owner *home = r->home;
  push_table(L, home);
  if (lua_istable(L, -1)) luaL_unref(L, -1, r->id);
  lua_pop(L, 1);
  free(r);
  atomic_fetch_sub(&dead_count, 1);
  pthread_mutex_lock(&a->lock);
  cr__lua_anchor_release(a);
  if (home) cr__lua_owner_done(home);
}

/* Allocates nothing, so it may run in finalizers. */
void cr__lua_sweep(lua_State *L) {
  if (atomic_load_explicit(&dead_count, memory_order_relaxed) == 0) return;
  anchor *a = cr__lua_anchor_of(L);
  if (!a) return;
  pthread_mutex_lock(&a->lock);
  cr__lua_ref *dead = a->dead;
  a->dead = NULL;
  pthread_mutex_unlock(&a->lock);
  while (dead) {
    cr__lua_ref *r = dead;
    dead = r->next;
    sweep_ref(L, r);
  }
  cr__lua_sweep_owners(L, a);
}

/* ---- Calls from the core ---- */

lua_State *cr__lua_state_of(const cr__lua_ref *r) {
  lua_State *L = cr__lua_current;
  pthread_mutex_lock(&r->anchor->lock);
  lua_State *main = r->anchor->main;
  pthread_mutex_unlock(&r->anchor->lock);
  if (!main) {
    cr_error_set(CR_E_CALLBACK, "a part of this graph is Lua code whose state has been closed");
    return NULL;
  }
  if (!L) L = main;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    cr_error_set(CR_E_MEMORY, "out of memory: no Lua stack for a callback");
    return NULL;
  }
  if (main_of(L) == main) return L;
  cr_error_set(CR_E_CALLBACK, "a part of this graph is Lua code that belongs to another Lua state");
  return NULL;
}

static bool names(const char *text, const cr__lua_note *note) {
  size_t n = strlen(note->name);
  for (const char *at = strstr(text, note->name); at; at = strstr(at + 1, note->name))
    if (at[n] == ':' || at[n] == ']') return true;
  return false;
}

/* The message handler: adds the note, and keeps the traceback of where the error began; one that is
 * passing on from an inner callback has its traceback already. */
static int on_error(lua_State *L) {
  const cr__lua_note *note = innermost;
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traced_key);
  bool traced = lua_rawequal(L, 1, 2) && !lua_isnil(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING && note && note->name && !names(lua_tostring(L, 1), note)) {
    lua_pushfstring(L, "%s [in the %s of %s]", lua_tostring(L, 1), note->half, note->name);
    lua_replace(L, 1);
  }
  if (!traced) {
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &trace_key);
  }
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traced_key);
  lua_settop(L, 1);
  return 1;
}

/* The key stays in use, so that this allocates nothing. */
static void forget_traced(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&traced_key);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traced_key);
}

int cr__lua_protect(lua_State *L, const char *half, const char *name, lua_CFunction body,
                    void *frame, int nargs, int nresults) {
  int base = lua_gettop(L) - nargs;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    lua_settop(L, base);
    return cr_error_set(CR_E_MEMORY, "out of memory: no Lua stack for a callback");
  }
  cr_scope *scope = NULL; /* what a host calls has set its mode in another place */
  if (!cr__lua_current) {
    const cr_mode mode = {.sets = CR_SETS_GRAD, .grad = cr_grad_enabled()};
    if (!(scope = cr_scope_new(&mode, NULL))) {
      lua_settop(L, base);
      return (int)cr_error_code();
    }
  }
  lua_pushcfunction(L, on_error);
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, frame);
  lua_rotate(L, base + 1, 3); /* below the arguments */
  cr__lua_note note = {half, name, innermost};
  cr__lua_entry outer = cr__lua_enter(L);
  cr_scope_open(scope, NULL);
  innermost = &note;
  int status = lua_pcall(L, nargs + 1, nresults, base + 1);
  innermost = note.outer;
  cr_scope_free(scope);
  cr__lua_leave(outer);
  int code = status == LUA_OK ? 0 : cr__lua_keep_error(L);
  if (code && !note.outer) forget_traced(L);
  lua_remove(L, base + 1);
  return code;
}

/* A tensor's call is an index: no function. */
bool cr__lua_callable(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return true;
  if (cr__lua_test(L, index)) return false;
  if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

/* cr.traceback(): where the last error in a Function or a hook began; nil if there was none. */
static int traceback(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &trace_key);
  return 1;
}

void cr__lua_open_callback(lua_State *L) {
  open_anchor(L);
  cr__lua_open_owners(L);
  forget_traced(L);
  lua_pushcfunction(L, traceback);
  lua_setfield(L, -2, "traceback");
}
