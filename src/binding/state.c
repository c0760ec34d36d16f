/* state.c: a Lua state's own settings and modes, and on which of them a call works.
 *
 * Holds true: a thread is in the state's place while a call of the core runs, and at no other time: so
 * nothing of a state reaches the host's own C code or another state, whatever thread runs it and however
 * a call ends. */
#include "state.h"

#include <string.h>

static const char home_key;       /* registry: the home */
static const char coroutines_key; /* registry: the modes of coroutines, by coroutine (weak) */

/* ---- Finding the home ---- */

atomic_uint cr__lua_homes_changed;
CR__LUA_TLS struct cr__lua_remembered cr__lua_remembered;

cr__lua_home *cr__lua_look_up_home(lua_State *L) {
  static cr__lua_home nobodys; /* of states that have not opened the module */
  if (!lua_checkstack(L, 1)) return &nobodys;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &home_key);
  cr__lua_home *h = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!h) return &nobodys;
  cr__lua_remembered.registry = lua_topointer(L, LUA_REGISTRYINDEX);
  cr__lua_remembered.home = h;
  cr__lua_remembered.main = h->rest->main.L;
  cr__lua_remembered.changed = atomic_load(&cr__lua_homes_changed);
  return h;
}

/* ---- Modes of coroutines ---- */

static void unlist(cr__lua_modes *m) {
  cr__lua_modes **at = &m->home->rest->first;
  if (!m->listed) return;
  while (*at && *at != m) at = &(*at)->next;
  if (*at) m->home->attention--;
  if (*at) *at = m->next;
  m->listed = false;
}

void cr__lua_list_modes(cr__lua_modes *m) {
  if (m == &m->home->rest->main || !m->modes) return;
  bool wanted = cr_modes_in_use(m->modes);
  if (!wanted) unlist(m);
  if (!wanted || m->listed) return;
  m->next = m->home->rest->first;
  m->home->rest->first = m;
  m->listed = true;
  m->home->attention++;
}

/* The userdata keeps its coroutine (user value 1), so that it is finalized before that is freed: no
 * coroutine in the list is ever gone. */
static int modes_gc(lua_State *L) {
  cr__lua_modes *m = lua_touserdata(L, 1);
  unlist(m);
  cr_modes_free(m->modes);
  m->modes = NULL;
  return 0;
}

/* Pushes what the table of coroutines, which it pushes first, has for L. */
static cr__lua_modes *push_modes(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &coroutines_key);
  lua_pushthread(L);
  lua_rawget(L, -2);
  return lua_touserdata(L, -1);
}

static cr__lua_modes *make_modes(lua_State *L, cr__lua_home *h) {
  cr__lua_modes *m = lua_newuserdatauv(L, sizeof *m, 1);
  memset(m, 0, sizeof *m);
  m->home = h;
  m->L = L;
  lua_pushthread(L);
  lua_setiuservalue(L, -2, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &coroutines_key);
  lua_getfield(L, -1, "modes");
  lua_setmetatable(L, -3);
  lua_pop(L, 1);
  if (!(m->modes = cr_modes_new())) cr__lua_raise(L, NULL);
  return m;
}

cr__lua_modes *cr__lua_own_modes(lua_State *L) {
  cr__lua_home *h = cr__lua_home_of(L);
  luaL_checkstack(L, 6, "no stack for modes");
  if (!h->place.modes) luaL_error(L, "cresset: this Lua state is being closed");
  if (L == h->rest->main.L) return &h->rest->main;
  cr__lua_modes *m = push_modes(L);
  if (!m || !m->modes) {
    lua_pop(L, 1);
    m = make_modes(L, h);
    lua_pushthread(L);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_pop(L, 2); /* the table keeps it */
  return m;
}

void cr__lua_keep_modes(lua_State *L, int index) {
  index = lua_absindex(L, index);
  push_modes(L);
  lua_setiuservalue(L, index, 1);
  lua_pop(L, 1);
}

/* ---- Which modes a coroutine computes in ---- */

/* The coroutine that t, which is not running, is resuming at present: it is in a call of coroutine.resume,
 * or of a function that coroutine.wrap made. NULL: it cannot be seen. */
static lua_State *resumed_by(lua_State *t) {
  lua_Debug at;
  lua_State *other = NULL;
  if (!lua_checkstack(t, 2) || !lua_getstack(t, 0, &at) || !lua_getinfo(t, "f", &at)) return NULL;
  if (lua_iscfunction(t, -1)) {
    if (lua_getlocal(t, &at, 1)) {
      other = lua_tothread(t, -1);
      lua_pop(t, 1);
    }
    if (!other && lua_getupvalue(t, -1, 1)) {
      other = lua_tothread(t, -1);
      lua_pop(t, 1);
    }
  }
  lua_pop(t, 1);
  return other;
}

static cr__lua_modes *listed(const cr__lua_home *h, const lua_State *L) {
  cr__lua_modes *m = h->rest->first;
  while (m && m->L != L) m = m->next;
  return m;
}

/* Those between the main thread and L in the order in which they were resumed; false: cannot be seen. */
static bool walk_chain(cr__lua_home *h, const lua_State *L) {
  enum { MOST = 256 }; /* Lua allows fewer */
  cr__lua_modes *from = &h->rest->main;
  lua_State *t = h->rest->main.L;
  for (int i = 0; i < MOST && (t = resumed_by(t)) != NULL && t != L; i++) {
    cr__lua_modes *m = listed(h, t);
    if (!m) continue;
    from->above = m;
    from = m;
  }
  from->above = NULL;
  return t == L;
}

/* A coroutine that has called another and waits for it. */
static bool is_normal(lua_State *t) {
  lua_Debug at;
  return lua_status(t) == LUA_OK && lua_getstack(t, 0, &at);
}

/* The same where the host resumes coroutines from C: who has computed last was resumed last. */
static void guess_chain(cr__lua_home *h, const lua_State *L) {
  h->rest->main.above = NULL;
  for (cr__lua_modes *m = h->rest->first; m; m = m->next) {
    if (m->L == L || !is_normal(m->L)) continue;
    cr__lua_modes *from = &h->rest->main;
    while (from->above && from->above->seen < m->seen) from = from->above;
    m->above = from->above;
    from->above = m;
  }
}

cr_modes *cr__lua_modes_of(cr__lua_home *h, lua_State *L) {
  cr__lua_keep_watch(h, L);
  if (h->rest->waiting) cr__lua_settle_guards(h, L);
  if (!h->rest->first || L == h->rest->main.L) return h->place.modes;
  cr__lua_modes *own = listed(h, L);
  if (own) own->seen = ++h->rest->clock;
  if (!walk_chain(h, L)) guess_chain(h, L);
  cr_modes *under = h->place.modes;
  for (cr__lua_modes *m = h->rest->main.above; m; m = m->above) {
    cr_modes_over(m->modes, under);
    under = m->modes;
  }
  if (!own) return under;
  cr_modes_over(own->modes, under);
  return own->modes;
}

cr__lua_entry cr__lua_enter(lua_State *L) {
  cr__lua_entry outer = {.L = cr__lua_current};
  outer.place = cr_enter(cr__lua_place(cr__lua_home_of(L), L));
  cr__lua_current = L;
  return outer;
}

int cr__lua_item_elsewhere(lua_State *L, cr_tensor *t, cr_value *out) {
  return CR__LUA_GET(L, cr_item(t, out));
}

cr__lua_entry cr__lua_enter_own(cr__lua_modes *m) {
  cr__lua_entry outer = cr__lua_enter(m->L);
  cr_enter((cr_place){m->home->place.state, m->modes});
  return outer;
}

void cr__lua_leave(cr__lua_entry outer) {
  cr__lua_current = outer.L;
  cr_enter(outer.place);
}

/* ---- For C functions of the host ---- */

cr_lua_visit cr_lua_enter(lua_State *L) { return cr__lua_enter(L); }
void cr_lua_leave(cr_lua_visit before) { cr__lua_leave(before); }

/* ---- Life ---- */

static int home_gc(lua_State *L) {
  cr__lua_home *h = lua_touserdata(L, 1);
  cr_place place = h->place;
  h->place = (cr_place){NULL, NULL};
  h->rest->main.modes = NULL;
  h->rest->waiting = NULL;
  h->attention = 0;
  h->rest->watched = h->rest->watched_own = false;
  h->rest->first = NULL;
  atomic_fetch_add(&cr__lua_homes_changed, 1);
  cr_modes_free(place.modes);
  cr_state_free(place.state);
  return 0;
}

static void push_metatable(lua_State *L, lua_CFunction gc) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
}

/* The table of coroutines keeps no coroutine alive; its metatable does not stand in it. */
static void open_coroutines(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  push_metatable(L, modes_gc);
  lua_setfield(L, -2, "modes");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &coroutines_key);
}

void cr__lua_open_state(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &home_key) == LUA_TUSERDATA) {
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  open_coroutines(L);
  size_t size = sizeof(cr__lua_home) + sizeof(struct cr__lua_rest);
  cr__lua_home *h = lua_newuserdatauv(L, size, 0);
  memset(h, 0, size);
  h->rest = (struct cr__lua_rest *)(h + 1);
  push_metatable(L, home_gc);
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  h->rest->main.home = h;
  h->rest->main.L = lua_tothread(L, -1);
  h->rest->closing_opcode = -1;
  lua_pop(L, 1);
  h->place.state = cr_state_new();
  h->place.modes = h->rest->main.modes = cr_modes_new();
  if (!h->place.state || !h->place.modes) cr__lua_raise(L, NULL);
  cr_place outer = cr_enter(h->place);
  cr_set_warning_handler(cr__lua_keep_warning, h);
  cr_enter(outer);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &home_key);
  atomic_fetch_add(&cr__lua_homes_changed, 1);
}
