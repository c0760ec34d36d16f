/* table.c: tables in (cr.tensor) and tables out (x:totable, x:item).
 *
 * Holds true: Lua integers stay exact on both ways. Without a dtype, integers give int64, booleans
 * bool, and any float in a table makes it the default dtype. Plain tables are read raw. What holds
 * tensors, or looks like a table through its metamethods, is made a plain table first (plain.c). Every
 * shape is checked before memory is asked for, and while memory is being filled nothing allocates. */
#include <math.h>
#include <string.h>

#include "binding.h"
#include "parse.h"

/* Called for n more elements: raises if the host has stopped the call. */
static inline void look(lua_State *L, uint32_t *seen, uint32_t n) {
  int code = 0;
  uint32_t before = *seen >> 16;
  *seen += n;
  if (*seen >> 16 == before) return;
  CR__LUA_DO(L, code = cr_interrupted());
  if (code) cr__lua_raise(L, NULL);
}

/* ---- The shape and kind of a nested table ---- */

typedef struct survey {
  lua_State *L;
  const char *op;
  int ndim; /* -1 until the first element that is no table tells */
  int64_t shape[CR_MAX_DIMS];
  int64_t path[CR_MAX_DIMS + 1];
  bool ints, floats, bools;
  uint32_t seen; /* elements */
  bool strange;  /* stopped at what is neither a plain table nor a number */
} survey;

/* Writes where the survey stands, "[2][1]". */
static const char *place(survey *s, int depth) {
  luaL_Buffer b;
  luaL_buffinit(s->L, &b);
  for (int i = 0; i < depth; i++) {
    lua_pushfstring(s->L, "[%I]", (lua_Integer)s->path[i]);
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  return lua_tostring(s->L, -1);
}

static int wrong_depth(survey *s, int depth, const char *what) {
  return cr__lua_error(s->L,
                       "%s: the table is ragged: element %s is %s where others of its level are %s",
                       s->op, place(s, depth), what,
                       strcmp(what, "a table") == 0 ? "numbers" : "tables");
}

static void survey_element(survey *s, int depth) {
  lua_State *L = s->L;
  if (s->ndim >= 0 && s->ndim != depth) wrong_depth(s, depth, "no table");
  s->ndim = depth;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN: s->bools = true; break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1)) s->ints = true;
    else s->floats = true;
    break;
  default: {
    const char *got = cr__lua_describe(L, -1);
    if (depth == 0)
      cr__lua_error(L, "%s: data must be a number, a boolean, a table of them or a tensor, got %s",
                    s->op, got);
    cr__lua_error(L, "%s: element %s must be a number or a boolean, got %s", s->op, place(s, depth),
                  got);
  }
  }
}

static void refuse_other_keys(survey *s, int depth, lua_Integer n) {
  lua_State *L = s->L;
  if (!cr__lua_other_key(L, -1, n)) return;
  const char *key = lua_tostring(L, -1);
  cr__lua_error(L,
                "%s: the table%s has %s beside its list; options go into a table of their "
                "own: f({1, 2}, {dtype = \"float64\"})",
                s->op, place(s, depth), key);
}

/* The value on top of the stack, at `depth` tables down. */
static void survey_value(survey *s, int depth) {
  lua_State *L = s->L;
  int type = lua_type(L, -1);
  if ((type == LUA_TTABLE || type == LUA_TUSERDATA) && cr__lua_is_strange(L, -1)) {
    s->strange = true;
    return;
  }
  if (type != LUA_TTABLE) {
    survey_element(s, depth);
    return;
  }
  if (s->ndim >= 0 && depth >= s->ndim) wrong_depth(s, depth, "a table");
  if (depth == CR_MAX_DIMS)
    cr__lua_error(L, "%s: the table is nested deeper than %d levels (does it contain itself?)",
                  s->op, CR_MAX_DIMS);
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  luaL_checkstack(L, 8, "no stack for a table");
  refuse_other_keys(s, depth, n);
  if (s->shape[depth] < 0) s->shape[depth] = n;
  if (s->shape[depth] != n)
    cr__lua_error(L,
                  "%s: the table is ragged: table%s has %lld entries where others of its level "
                  "have "
                  "%lld",
                  s->op, place(s, depth), (long long)n, (long long)s->shape[depth]);
  for (lua_Integer i = 1; i <= n && !s->strange; i++) {
    lua_rawgeti(L, -1, i);
    s->path[depth] = i;
    look(L, &s->seen, 1);
    survey_value(s, depth + 1);
    lua_pop(L, 1);
  }
  if (n == 0 && s->ndim < 0) s->ndim = depth + 1;
}

/* ---- Filling ---- */

typedef struct filler {
  lua_State *L;
  const char *op;
  cr_dtype dtype; /* of the memory: int64, float64, float32 or bool */
  cr_dtype wanted;
  uint32_t seen;
  int ndim;
  const int64_t *shape;
  union {
    int64_t *i;
    double *d;
    float *f;
    bool *b;
  } at;
} filler;

/* The least and the greatest value of an integer dtype. */
static void int_range(cr_dtype dtype, int64_t *low, int64_t *high) {
  int bits = (int)cr_dtype_size(dtype) * 8;
  *high = (int64_t)(UINT64_MAX >> (65 - bits));
  *low = -*high - 1;
  bool bare = dtype == CR_UINT8 || dtype == CR_UINT16 || dtype == CR_UINT32;
  if (!bare) return; /* an integer stands for the bits of a uint64 */
  *low = 0;
  *high = 2 * *high + 1;
}

static int64_t integer_value(filler *f) {
  lua_State *L = f->L;
  int64_t low, high, i;
  int_range(f->wanted, &low, &high);
  if (lua_isboolean(L, -1)) return lua_toboolean(L, -1);
  if (lua_isinteger(L, -1)) {
    i = lua_tointeger(L, -1);
  } else {
    double d = trunc(lua_tonumber(L, -1));
    if (f->wanted == CR_UINT64 && d >= 0x1p63 && d < 0x1p64) return (int64_t)(uint64_t)d;
    if (f->wanted == CR_UINT64 && d < 0) d = NAN;
    if (!(d >= -0x1p63 && d < 0x1p63))
      cr__lua_error(L, "%s: %s does not fit %s", f->op, cr__lua_describe(L, -1),
                    cr_dtype_name(f->wanted));
    i = (int64_t)d;
  }
  if (i < low || i > high)
    cr__lua_error(L, "%s: %s does not fit %s", f->op, cr__lua_describe(L, -1),
                  cr_dtype_name(f->wanted));
  return i;
}

static double float_value(lua_State *L) {
  return lua_isboolean(L, -1) ? (double)lua_toboolean(L, -1) : lua_tonumber(L, -1);
}

static void fill_element(filler *f) {
  lua_State *L = f->L;
  switch (f->dtype) {
  case CR_INT64: *f->at.i++ = integer_value(f); break;
  case CR_FLOAT64: *f->at.d++ = float_value(L); break;
  case CR_FLOAT32: *f->at.f++ = (float)float_value(L); break;
  default: *f->at.b++ = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1) != 0;
  }
}

/* The survey's finalizers may have changed the table since: what no longer fits is an error. */
static void fill_value(filler *f, int depth) {
  lua_State *L = f->L;
  if (depth == f->ndim) {
    if (lua_type(L, -1) != LUA_TNUMBER && lua_type(L, -1) != LUA_TBOOLEAN)
      cr__lua_error(L, "%s: the table changed while it was read", f->op);
    fill_element(f);
    return;
  }
  if (lua_type(L, -1) != LUA_TTABLE)
    cr__lua_error(L, "%s: the table changed while it was read", f->op);
  for (lua_Integer i = 1; i <= f->shape[depth]; i++) {
    lua_rawgeti(L, -1, i);
    look(L, &f->seen, 1);
    fill_value(f, depth + 1);
    lua_pop(L, 1);
  }
}

static cr_dtype natural_dtype(const survey *s) {
  if (s->floats) return CR__LUA_GET(s->L, cr_default_dtype());
  if (s->ints) return CR_INT64;
  return s->bools ? CR_BOOL : CR__LUA_GET(s->L, cr_default_dtype());
}

/* In which dtype to fill, so that the conversion that may follow rounds only once. */
static cr_dtype fill_dtype(cr_dtype wanted) {
  if (wanted == CR_FLOAT32 || wanted == CR_BOOL) return wanted;
  return cr_dtype_category(wanted) >= CR_FLOATING ? CR_FLOAT64 : CR_INT64;
}

/* Replaces the tensor on top by its conversion. */
static void convert_top(lua_State *L, cr_dtype dtype, cr_device device) {
  cr__lua_tensor *u = lua_touserdata(L, -1);
  if (cr_dtype_of(u->t) == dtype && cr_device_of(u->t) == device) return;
  const cr_op *op = cr__lua_op(CR__LUA_to);
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(lua_gettop(L)), cr_dtype_value(dtype),
                                       cr_device_value(device), cr_bool(false)};
  int top = lua_gettop(L);
  cr__lua_call(L, op, args);
  lua_replace(L, top);
  lua_settop(L, top);
}

/* Surveys the value at top, and nothing above it. */
static void survey_whole(survey *s, lua_State *L, const char *op, int top) {
  s->L = L, s->op = op, s->ndim = -1; /* the path is written before it is read */
  s->ints = s->floats = s->bools = s->strange = false;
  for (int d = 0; d < CR_MAX_DIMS; d++) s->shape[d] = -1;
  survey_value(s, 0);
  lua_settop(L, top);
}

void cr__lua_tensor_from(lua_State *L, int index, const char *op, cr_dtype dtype) {
  survey s;
  int top = lua_gettop(L);
  cr_dtype natural = CR_DTYPE_NONE;
  luaL_checkstack(L, 2 * CR_MAX_DIMS + 12, "no stack for a table");
  lua_pushvalue(L, index);
  survey_whole(&s, L, op, top + 1);
  if (s.strange) {
    natural = cr__lua_make_plain(L, op);
    survey_whole(&s, L, op, top + 1);
  }
  if (natural == CR_DTYPE_NONE) natural = natural_dtype(&s);
  if (dtype == CR_DTYPE_NONE) dtype = natural;
  filler f = {.L = L,
              .op = op,
              .dtype = fill_dtype(dtype),
              .wanted = dtype,
              .ndim = s.ndim,
              .shape = s.shape};
  cr__lua_tensor *u = cr__lua_new(L);
  for (bool retried = false;; retried = true) {
    CR__LUA_DO(L, u->t = cr_new(f.dtype, CR_CPU, s.ndim, s.shape));
    if (u->t) break;
    if (retried || !cr__lua_retry(L)) cr__lua_raise(L, NULL);
  }
  f.at.i = cr_data(u->t);
  lua_pushvalue(L, top + 1);
  fill_value(&f, 0);
  lua_pop(L, 1);
  lua_remove(L, top + 1);
  convert_top(L, dtype, CR_CPU);
}

/* Pushes a copy that no graph knows of (below the alias that it was made from). */
static int copy_of(lua_State *L, int index) {
  const cr_op *detach = cr__lua_op(CR__LUA_detach);
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(index)};
  cr__lua_call(L, detach, args);
  args[0] = cr__lua_at(lua_gettop(L));
  return cr__lua_call(L, cr__lua_op(CR__LUA_clone), args);
}

/* cr.tensor(data, { dtype =, device =, requires_grad = }) */
static int tensor(lua_State *L) {
  static const char *const names[] = {"dtype", "device", "requires_grad", NULL};
  if (lua_isnoneornil(L, 1))
    return cr__lua_error(L,
                         "tensor: data must be a number, a boolean, a table of them or a tensor, "
                         "got "
                         "%s",
                         cr__lua_describe(L, 1));
  int o = cr__lua_options(L, 2, "tensor", names);
  cr_dtype dtype = CR_DTYPE_NONE;
  cr_device device = CR_CPU;
  bool requires_grad = false, placed = !lua_isnil(L, o + 1);
  if (!lua_isnil(L, o)) dtype = cr__lua_dtype_arg(L, o, "tensor", "dtype");
  if (placed) device = cr__lua_device_arg(L, o + 1, "tensor", "device");
  if (!lua_isnil(L, o + 2)) requires_grad = cr__lua_bool_arg(L, o + 2, "tensor", "requires_grad");
  if (cr__lua_test(L, 1)) {
    cr_tensor *source = cr__lua_tensor_arg(L, 1, "tensor", "data");
    if (dtype == CR_DTYPE_NONE) dtype = cr_dtype_of(source);
    if (!placed) device = cr_device_of(source);
    copy_of(L, 1);
  } else {
    cr__lua_tensor_from(L, 1, "tensor", dtype);
    if (dtype == CR_DTYPE_NONE) dtype = cr_dtype_of(cr_lua_check(L, -1));
  }
  convert_top(L, dtype, device);
  if (requires_grad) cr__lua_know(L, lua_gettop(L));
  if (requires_grad && cr__lua_require_grad(L, cr_lua_check(L, -1), true))
    return cr__lua_raise(L, NULL);
  return 1;
}

/* ---- Tables out ---- */

static cr_dtype readable_dtype(cr_dtype dtype) {
  if (dtype == CR_BOOL) return CR_BOOL;
  return cr_dtype_category(dtype) == CR_FLOATING ? CR_FLOAT64 : CR_INT64;
}

/* The copy is our own: no finalizer that runs while tables are built can take its memory away. */
cr__lua_tensor *cr__lua_readable(lua_State *L, int index) {
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(index)};
  cr__lua_call(L, cr__lua_op(CR__LUA_detach), args);
  cr_tensor *t = cr_lua_check(L, -1);
  convert_top(L, readable_dtype(cr_dtype_of(t)), CR_CPU);
  int top = lua_gettop(L);
  if (cr_is_contiguous(cr_lua_check(L, top))) return lua_touserdata(L, top);
  args[0] = cr__lua_at(top);
  cr__lua_call(L, cr__lua_op(CR__LUA_contiguous), args);
  lua_replace(L, top);
  return lua_touserdata(L, top);
}

typedef struct reader {
  lua_State *L;
  cr_dtype dtype;
  int ndim;
  const int64_t *shape;
  const char *at;
  uint32_t seen;
} reader;

static void push_element(reader *r) {
  if (r->dtype == CR_BOOL) {
    lua_pushboolean(r->L, *(const bool *)r->at);
    r->at += sizeof(bool);
  } else if (r->dtype == CR_INT64) {
    lua_pushinteger(r->L, *(const int64_t *)r->at);
    r->at += sizeof(int64_t);
  } else {
    lua_pushnumber(r->L, *(const double *)r->at);
    r->at += sizeof(double);
  }
}

/* Fills the table on top with n elements, the first at `first`. */
static void fill_row(reader *r, int64_t first, int64_t n) {
  lua_State *L = r->L;
  if (r->dtype == CR_INT64) {
    const int64_t *x = (const int64_t *)r->at;
    for (int64_t i = 0; i < n; i++) lua_pushinteger(L, x[i]), lua_rawseti(L, -2, first + i);
    r->at += n * (int64_t)sizeof *x;
  } else if (r->dtype == CR_FLOAT64) {
    const double *x = (const double *)r->at;
    for (int64_t i = 0; i < n; i++) lua_pushnumber(L, x[i]), lua_rawseti(L, -2, first + i);
    r->at += n * (int64_t)sizeof *x;
  } else {
    for (int64_t i = 0; i < n; i++) push_element(r), lua_rawseti(L, -2, first + i);
  }
}

static void push_level(reader *r, int depth) {
  enum { STRETCH = 1024 }; /* elements between two looks */
  if (depth == r->ndim) {
    push_element(r);
    return;
  }
  int64_t n = r->shape[depth];
  bool last = depth == r->ndim - 1;
  lua_createtable(r->L, n > INT32_MAX ? 0 : (int)n, 0);
  for (int64_t i = 1; i <= n; i += last ? STRETCH : 1) {
    int64_t some = !last ? 1 : n - i + 1 < STRETCH ? n - i + 1 : STRETCH;
    look(r->L, &r->seen, (uint32_t)some);
    if (last) {
      fill_row(r, i, some);
    } else {
      push_level(r, depth + 1);
      lua_rawseti(r->L, -2, i);
    }
  }
}

static int totable(lua_State *L) {
  cr__lua_tensor_arg(L, 1, "totable", "self");
  luaL_checkstack(L, CR_MAX_DIMS + 8, "no stack for a table");
  cr_tensor *t = cr__lua_readable(L, 1)->t;
  reader r = {L, cr_dtype_of(t), cr_ndim(t), cr_shape(t), cr_data(t), 0};
  push_level(&r, 0);
  return 1;
}

static int item(lua_State *L) {
  cr_value v;
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "item", "self");
  if (cr__lua_item(L, t, &v)) return cr__lua_raise(L, NULL);
  cr__lua_push_value(L, &v);
  return 1;
}

/* x:deepcopy(): a leaf of its own, with a copy of the gradient. */
static int deepcopy(lua_State *L) {
  cr_tensor *t = cr__lua_tensor_arg(L, 1, "deepcopy", "self");
  if (!cr_is_leaf(t))
    return cr__lua_error(L,
                         "deepcopy: only leaves can be copied with their place in the graph; use "
                         "x:detach():clone(), or x:clone() to stay in it");
  bool requires_grad = cr_requires_grad(t), has_grad = requires_grad && cr_grad_of(t);
  lua_settop(L, 1);
  copy_of(L, 1);
  if (requires_grad && cr__lua_require_grad(L, cr_lua_check(L, -1), true))
    return cr__lua_raise(L, NULL);
  if (!has_grad) return 1;
  int copy = lua_gettop(L);
  lua_getfield(L, 1, "grad");
  if (cr__lua_test(L, -1)) {
    copy_of(L, lua_gettop(L));
    cr_tensor *to = cr_lua_check(L, copy), *from = cr_lua_check(L, -1);
    if (CR__LUA_GET(L, cr_set_grad(to, from))) return cr__lua_raise(L, NULL);
  }
  lua_settop(L, copy);
  return 1;
}

void cr__lua_open_table(lua_State *L) {
  static const luaL_Reg functions[] = {{"tensor", tensor}, {"deepcopy", deepcopy}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"totable", totable},
                                     {"item", item},
                                     {"deepcopy", deepcopy},
                                     {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  cr__lua_add_methods(L, methods);
}
