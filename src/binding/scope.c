/* scope.c: scopes as Lua has them: `local _ <close> = cr.no_grad()`, or a function that is called in one.
 *
 * Holds true: a scope begins when a variable with <close> has its guard, and ends when that is closed, or
 * with its coroutine. A guard that no such variable holds has no effect. */
#include "scope.h"

#include <stdio.h>
#include <string.h>

#define GUARD "cresset.Scope"

static const char last_key; /* registry: a weak list with the last function that was read */

/* ---- Which variables are closed ---- */

/* Lua does not tell a library that a variable was declared with <close>. The code of its function does: an
 * instruction marks the variable's register. `first` is the function's own code, the eighteenth of the
 * blocks that lua_dump hands out; the block before it is its length, seven bits to a byte. */
enum { CODE_BLOCK = 18, OPCODE_BITS = 7, REGISTER_BITS = 8 };

typedef struct code {
  int block;
  size_t length;
  uint32_t *copy; /* NULL: only to be searched for: */
  uint32_t wanted;
  bool found, read;
} code;

static size_t spelt(const unsigned char *p, size_t n) {
  size_t x = 0;
  for (size_t i = 0; i < n && i < 8; i++) x = x << 7 | (p[i] & 0x7f);
  return x;
}

static int read_block(lua_State *L, const void *p, size_t size, void *user) {
  code *c = user;
  (void)L;
  c->block++;
  if (c->block == CODE_BLOCK - 1) c->length = spelt(p, size);
  if (c->block != CODE_BLOCK) return c->block > CODE_BLOCK;
  if (size != c->length * sizeof(uint32_t)) return 1;
  const uint32_t mask = (1u << (OPCODE_BITS + REGISTER_BITS)) - 1, *code = p; /* as Lua has it */
  if (c->copy) memcpy(c->copy, code, size < 4 * sizeof *code ? size : 4 * sizeof *code);
  for (size_t i = 0; i < c->length && !c->found; i++) c->found = (code[i] & mask) == c->wanted;
  c->read = true;
  return 1; /* the rest is of no interest */
}

/* The number of the instruction that marks a register: the third of a function that does nothing else;
 * -2: cannot be found out. May raise. */
static int find_opcode(lua_State *L) {
  static const char text[] = "local _ <close> = nil";
  uint32_t copy[4] = {0};
  code c = {.copy = copy};
  if (luaL_loadbufferx(L, text, sizeof text - 1, "=scope", "t") == LUA_OK)
    lua_dump(L, read_block, &c, 1);
  lua_pop(L, 1);
  if (!c.read || c.length < 4) return -2;
  return (int)(copy[2] & ((1u << OPCODE_BITS) - 1));
}

/* Whether the function on top, a Lua function, closes its register; popped. The last function that was
 * read is remembered, in a list of one that does not keep it alive. */
static bool closes(lua_State *t, struct cr__lua_rest *r, int reg) {
  lua_rawgetp(t, LUA_REGISTRYINDEX, &last_key);
  lua_rawgeti(t, -1, 1);
  bool known = reg == r->last_register && lua_rawequal(t, -1, -3);
  lua_pop(t, 1);
  if (!known) {
    code c = {.wanted = (uint32_t)r->closing_opcode | (uint32_t)reg << OPCODE_BITS};
    lua_pushvalue(t, -2);
    lua_rawseti(t, -2, 1); /* a place that the list has */
    lua_pushvalue(t, -2);
    if (r->closing_opcode >= 0) lua_dump(t, read_block, &c, 1);
    lua_pop(t, 1);
    r->last_register = reg;
    r->last_closes = c.found || !c.read;
  }
  lua_pop(t, 2);
  return r->last_closes;
}

/* ---- Who holds a guard ---- */

/* Whether the n-th value of the frame, which is the guard and has this name, is one that will be closed:
 * the fourth value of a loop, a value that a C function keeps, or a variable with <close>. Where a function
 * has no names, its code alone decides. */
static bool is_closed_there(lua_State *t, const cr__lua_home *h, lua_Debug *at, int n,
                            const char *name) {
  if (strcmp(name, "(C temporary)") == 0 || strcmp(name, "(for state)") == 0) return true;
  if (!lua_getinfo(t, "lf", at)) return true;
  if (*name == '(' && at->currentline >= 0) {
    lua_pop(t, 1);
    return false;
  }
  return closes(t, h->rest, n - 1);
}

static bool is_held(const cr__lua_home *h, const cr__lua_guard *g, const lua_State *running) {
  lua_State *t = g->of->L;
  lua_Debug at;
  if (!lua_checkstack(t, 6)) return true;
  /* The function that runs has not made it, and will give back what it was given. */
  for (int level = t == running; lua_getstack(t, level, &at); level++) {
    const char *name;
    for (int n = 1; (name = lua_getlocal(t, &at, n)) != NULL; n++) {
      bool same = lua_touserdata(t, -1) == g;
      lua_pop(t, 1);
      if (same && is_closed_there(t, h, &at, n, name)) return true;
    }
  }
  return false;
}

static void stop_waiting(cr__lua_home *h, cr__lua_guard *g) {
  cr__lua_guard **at = &h->rest->waiting;
  if (!g->waits) return;
  while (*at && *at != g) at = &(*at)->next;
  if (*at) {
    *at = g->next;
    h->attention--;
  }
  g->waits = false;
}

static void end_scope(cr__lua_guard *g) {
  cr_scope *s = g->scope;
  g->scope = NULL;
  cr_scope_free(s);
  if (g->ended) g->ended(g->user);
  g->ended = NULL;
  cr__lua_list_modes(g->of);
}

static void begin_scope(cr__lua_guard *g) {
  if (!g->of->modes) return;
  cr_scope_open(g->scope, g->of->modes);
  cr__lua_list_modes(g->of);
}

void cr__lua_settle_guards(cr__lua_home *h, const lua_State *running) {
  while (h->rest->waiting) {
    cr__lua_guard *g = h->rest->waiting;
    stop_waiting(h, g);
    if (!g->of->modes) continue;
    if (is_held(h, g, running)) {
      begin_scope(g);
      continue;
    }
    char sentence[160];
    snprintf(sentence, sizeof sentence,
             "%s without a function has an effect only as `local _ <close> = cr.%s(...)`", g->op,
             g->op);
    cr__lua_keep_warning(h, sentence);
    end_scope(g);
  }
}

/* ---- Guards ---- */

/* The end of the variable, or of the call: what it does is done once. */
static int guard_close(lua_State *L) {
  cr__lua_guard *g = luaL_checkudata(L, 1, GUARD);
  if (!g->of) return 0;
  stop_waiting(g->of->home, g);
  if (g->setting && g->of->modes) {
    cr_mode_set(g->of->modes, &g->before);
    cr__lua_list_modes(g->of);
  }
  g->setting = false;
  if (g->scope) end_scope(g);
  return 0;
}

static int guard_gc(lua_State *L) {
  cr__lua_guard *g = luaL_checkudata(L, 1, GUARD);
  if (!g->of) return 0;
  stop_waiting(g->of->home, g);
  if (g->scope) end_scope(g);
  return 0;
}

static cr__lua_guard *new_guard(lua_State *L, const char *op) {
  cr__lua_modes *of = cr__lua_own_modes(L);
  cr__lua_guard *g = lua_newuserdatauv(L, sizeof *g, 1);
  *g = (cr__lua_guard){.of = of, .op = op};
  luaL_setmetatable(L, GUARD);
  if (of != &of->home->rest->main) cr__lua_keep_modes(L, -1);
  return g;
}

cr__lua_guard *cr__lua_new_scope(lua_State *L, const char *op) {
  cr__lua_guard *g = new_guard(L, op);
  cr__lua_home *h = g->of->home;
  if (h->rest->closing_opcode == -1) h->rest->closing_opcode = find_opcode(L);
  return g;
}

int cr__lua_give_scope(lua_State *L) {
  cr__lua_guard *g = lua_touserdata(L, -1), **at = &g->of->home->rest->waiting;
  lua_Debug caller;
  if (!lua_getstack(L, 1, &caller)) { /* the host's C code, which no function shows */
    begin_scope(g);
    return 1;
  }
  while (*at) at = &(*at)->next;
  *at = g;
  g->waits = true;
  g->of->home->attention++;
  return 1;
}

static int after_call(lua_State *L, int status, lua_KContext index) {
  (void)status;
  return lua_gettop(L) - (int)index;
}

int cr__lua_call_in_scope(lua_State *L, int index) {
  cr__lua_guard *g = lua_touserdata(L, -1);
  lua_insert(L, index);
  lua_toclose(L, index);
  begin_scope(g);
  lua_callk(L, lua_gettop(L) - index - 1, LUA_MULTRET, index, after_call);
  return after_call(L, LUA_OK, index);
}

int cr__lua_set_mode(lua_State *L, const char *op, const cr_mode *mode) {
  cr__lua_guard *g = new_guard(L, op);
  cr_mode changed = g->before = cr_mode_get(g->of->modes);
  g->setting = true;
  if (mode->sets & CR_SETS_GRAD) changed.grad = mode->grad;
  if (mode->sets & CR_SETS_INFERENCE) changed.inference = mode->inference;
  if (mode->sets & CR_SETS_ANOMALY) {
    changed.anomaly = mode->anomaly;
    changed.check_nan = mode->check_nan;
    changed.trace = mode->trace;
    changed.trace_user = mode->trace_user;
  }
  changed.sets |= mode->sets;
  cr_mode_set(g->of->modes, &changed);
  cr__lua_list_modes(g->of);
  return 1;
}

void cr__lua_open_scope(lua_State *L) {
  lua_createtable(L, 1, 0);
  lua_pushboolean(L, false);
  lua_rawseti(L, -2, 1);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &last_key);
  luaL_newmetatable(L, GUARD);
  lua_pushcfunction(L, guard_close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, guard_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
