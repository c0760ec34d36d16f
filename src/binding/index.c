/* index.c: x[k] and x[k] = v for every kind of k.
 *
 * Holds true: numbers, ranges, newaxis and "..." give views, one after the other; tensors of
 * positions and masks are gathered into a list, which one `index` or `index_put_` takes at the end.
 * So what is written through x[k] reaches x, and gradients flow both ways. Every step's result is a
 * userdata on the stack, which keeps it alive. */
#include <string.h>

#include "binding.h"
#include "parse.h"

static const char newaxis; /* its address, a light userdata, is cr.newaxis */

typedef struct walk {
  lua_State *L;
  int view;         /* stack index of the tensor as viewed so far */
  int dim;          /* its next dim, from 0 */
  int ellipsis;     /* how many dims "..." stands for */
  bool viewed;      /* a view operation was applied */
  cr__lua_list *by; /* tensors that index; NULL elements for whole dims; NULL: none yet */
  int whole;        /* whole dims before the next indexing tensor */
} walk;

/* Replaces the view by op(view, ...). */
static void step(walk *w, cr__lua_known op, cr_value a, cr_value b, cr_value c, cr_value d) {
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(w->view), a, b, c, d};
  cr__lua_call_as(w->L, cr__lua_op(op), NULL, args);
  lua_replace(w->L, w->view);
  w->viewed = true;
}

static cr_tensor *viewed(walk *w) { return cr__lua_tensor_arg(w->L, w->view, "index", "self"); }

/* ---- The kinds of entry ---- */

static bool is_newaxis(lua_State *L, int index) {
  return lua_islightuserdata(L, index) && lua_touserdata(L, index) == &newaxis;
}

static bool is_ellipsis(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, index), "...") == 0;
}

/* A number, or one in a 0-dim tensor of integers, which selects as the number would. */
static bool to_position(lua_State *L, int index, int64_t *i) {
  cr__lua_tensor *u = cr__lua_test(L, index);
  cr_value v;
  if (!u) return cr__lua_to_int(L, index, i);
  if (!u->t || cr_ndim(u->t) > 0 || cr_dtype_category(cr_dtype_of(u->t)) != CR_INTEGRAL)
    return false;
  if (cr_item(u->t, &v)) cr__lua_raise(L, NULL);
  *i = v.u.i;
  return true;
}

/* How many dims of the tensor the entry on top consumes; -1 for "...". */
static int dims_of(lua_State *L, int place) {
  cr__lua_tensor *u = cr__lua_test(L, -1);
  if (u && !u->t) cr__lua_error(L, "index: this tensor was closed");
  if (u) return cr_dtype_of(u->t) == CR_BOOL ? cr_ndim(u->t) : 1;
  int64_t i;
  if (lua_type(L, -1) == LUA_TTABLE || cr__lua_to_int(L, -1, &i)) return 1;
  if (is_newaxis(L, -1) || lua_isboolean(L, -1)) return 0;
  if (is_ellipsis(L, -1)) return -1;
  return cr__lua_error(L,
                       "index: entry %d must be an integer, a range {first, last, step}, a tensor, "
                       "\"...\" or cr.newaxis, got %s",
                       place, cr__lua_describe(L, -1));
}

static void by_number(walk *w, int64_t i) {
  step(w, CR__LUA_select, cr_int(w->dim + 1), cr_int(i), cr_none(), cr_none());
}

static void by_newaxis(walk *w) {
  step(w, CR__LUA_unsqueeze, cr_int(w->dim + 1), cr_none(), cr_none(), cr_none());
  w->dim++;
  w->whole++;
}

static void by_boolean(walk *w, bool on) {
  by_newaxis(w);
  if (!on) step(w, CR__LUA_narrow, cr_int(w->dim), cr_int(1), cr_int(0), cr_none());
}

/* {} the whole dim, {a} and {a, b} and {a, b, step} ranges; nil ends are the dim's. */
static void by_range(walk *w, int place) {
  lua_State *L = w->L;
  cr_value ends[3] = {cr_none(), cr_none(), cr_int(1)};
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  int table = lua_gettop(L);
  if (n > 3)
    cr__lua_error(L,
                  "index: entry %d is a range of %d numbers; {first, last, step} it may have; a "
                  "list "
                  "of positions is a tensor: cr.tensor{...}",
                  place, (int)n);
  for (int i = 0; i < n; i++) {
    int64_t end;
    if (lua_rawgeti(L, table, i + 1) != LUA_TNIL) {
      if (!cr__lua_to_int(L, -1, &end))
        cr__lua_error(L, "index: a range has integers, got %s in entry %d", cr__lua_describe(L, -1),
                      place);
      ends[i] = cr_int(end);
    }
    lua_pop(L, 1);
  }
  if (cr__lua_other_key(L, table, n))
    cr__lua_error(L, "index: entry %d, a range, has %s", place, lua_tostring(L, -1));
  if (n == 1) ends[1] = ends[0];
  if (n > 0) step(w, CR__LUA_slice, cr_int(w->dim + 1), ends[0], ends[1], ends[2]);
  w->dim++;
  w->whole++;
}

static void by_tensor(walk *w) {
  cr_tensor *t = cr__lua_tensor_arg(w->L, -1, "index", "an indexing tensor");
  w->dim += cr_dtype_of(t) == CR_BOOL ? cr_ndim(t) : 1;
  for (; w->whole > 0; w->whole--) w->by->t[w->by->n++] = NULL;
  w->by->t[w->by->n++] = cr_retain(t);
}

/* Applies the entry on top of the stack. */
static void apply(walk *w, int place) {
  lua_State *L = w->L;
  int64_t i;
  if (to_position(L, -1, &i)) {
    by_number(w, i);
  } else if (cr__lua_test(L, -1)) {
    by_tensor(w);
  } else if (lua_type(L, -1) == LUA_TTABLE) {
    by_range(w, place);
  } else if (is_newaxis(L, -1)) {
    by_newaxis(w);
  } else if (lua_isboolean(L, -1)) {
    by_boolean(w, lua_toboolean(L, -1));
  } else {
    w->dim += w->ellipsis;
    w->whole += w->ellipsis;
  }
}

/* ---- The walk over all entries ---- */

/* Pushes entry i (from 1): of the table at 2, or that value itself. */
static void push_entry(lua_State *L, int i) {
  if (lua_type(L, 2) == LUA_TTABLE) lua_rawgeti(L, 2, i);
  else lua_pushvalue(L, 2);
}

static int count_entries(lua_State *L) {
  if (lua_type(L, 2) != LUA_TTABLE) return 1;
  lua_Unsigned n = lua_rawlen(L, 2);
  if (n > 4 * CR_MAX_DIMS) cr__lua_error(L, "index: %d entries are too many", (int)n);
  if (cr__lua_other_key(L, 2, (lua_Integer)n))
    cr__lua_error(L, "index: the table has %s beside its list of entries", lua_tostring(L, -1));
  return (int)n;
}

/* Checks the entries before anything is viewed; finds what "..." stands for and room for
 * tensors. */
static void prepare(walk *w, int n) {
  lua_State *L = w->L;
  int consumed = 0, dots = 0, tensors = 0;
  for (int i = 1; i <= n; i++) {
    push_entry(L, i);
    int dims = dims_of(L, i);
    if (dims < 0) dots++;
    else consumed += dims;
    int64_t position;
    tensors += cr__lua_test(L, -1) && !to_position(L, -1, &position);
    lua_pop(L, 1);
  }
  int ndim = cr_ndim(viewed(w));
  if (dots > 1) cr__lua_error(L, "index: \"...\" may come once, got it %d times", dots);
  if (consumed > ndim)
    cr__lua_error(L, "index: %d positions are too many for %s", consumed,
                  cr__lua_describe(L, w->view));
  w->ellipsis = ndim - consumed;
  w->by = tensors ? cr__lua_new_list(L, CR_MAX_DIMS + n) : NULL;
}

/* Views self (1) by the key (2); on return w->view is the view and w->by what else indexes it. */
static void walk_key(lua_State *L, walk *w) {
  luaL_checkstack(L, 40, "no stack for an index");
  *w = (walk){.L = L};
  int n = count_entries(L);
  lua_pushvalue(L, 1);
  w->view = lua_gettop(L);
  prepare(w, n);
  for (int i = 1; i <= n; i++) {
    int top = lua_gettop(L);
    push_entry(L, i);
    apply(w, i);
    lua_settop(L, top);
  }
}

int cr__lua_index_read(lua_State *L) {
  cr_value args[CR__LUA_MAX_PARAMS];
  int64_t i;
  cr__lua_tensor_arg(L, 1, "index", "self");
  if (cr__lua_to_int(L, 2, &i)) {
    args[0] = cr__lua_at(1);
    args[1] = cr_int(1);
    args[2] = cr_int(i);
    return cr__lua_call_as(L, cr__lua_op(CR__LUA_select), NULL, args);
  }
  walk w;
  walk_key(L, &w);
  if (w.by) {
    args[0] = cr__lua_at(w.view);
    args[1] = cr_list(w.by->t, w.by->n);
    return cr__lua_call_as(L, cr__lua_op(CR__LUA_index), NULL, args);
  }
  if (!w.viewed) {
    int64_t shape[CR_MAX_DIMS];
    cr_tensor *t = viewed(&w);
    memcpy(shape, cr_shape(t), (size_t)cr_ndim(t) * sizeof *shape);
    step(&w, CR__LUA_view, cr_ints(shape, cr_ndim(t)), cr_none(), cr_none(), cr_none());
  }
  lua_settop(L, w.view);
  return 1;
}

/* ---- Writing ---- */

/* Turns the value at 3 into a tensor or leaves it a number; pushes it. */
static void push_value(walk *w) {
  lua_State *L = w->L;
  if (lua_type(L, 3) == LUA_TTABLE) {
    cr_dtype dtype = cr_dtype_of(viewed(w));
    bool floats = cr_dtype_category(dtype) == CR_FLOATING;
    cr__lua_tensor_from(L, 3, "index", floats ? dtype : CR_DTYPE_NONE);
    return;
  }
  cr_value number;
  if (!cr__lua_test(L, 3) && !cr__lua_to_number(L, 3, &number))
    cr__lua_error(L,
                  "index: the assigned value must be a tensor, a number or a table of numbers, got "
                  "%s",
                  cr__lua_describe(L, 3));
  if (cr__lua_test(L, 3)) cr__lua_tensor_arg(L, 3, "index", "the assigned value");
  lua_pushvalue(L, 3);
}

/* Leading dims of size 1 that the target lacks are dropped from the tensor on top. */
static void drop_leading_ones(lua_State *L, int ndim) {
  cr_tensor *t = cr_lua_check(L, -1);
  int extra = cr_ndim(t) - ndim, top = lua_gettop(L);
  int64_t shape[CR_MAX_DIMS];
  for (int d = 0; d < extra; d++)
    if (cr_shape(t)[d] != 1) return;
  if (extra <= 0) return;
  memcpy(shape, cr_shape(t) + extra, (size_t)ndim * sizeof *shape);
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(top), cr_ints(shape, ndim)};
  cr__lua_call(L, cr__lua_op(CR__LUA_reshape), args);
  lua_replace(L, top);
}

/* Converts the tensor on top to the view's dtype and device. */
static void match_view(walk *w) {
  lua_State *L = w->L;
  cr_tensor *view = viewed(w);
  int top = lua_gettop(L);
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(top), cr_dtype_value(cr_dtype_of(view)),
                                       cr_device_value(cr_device_of(view)), cr_bool(false)};
  cr__lua_call(L, cr__lua_op(CR__LUA_to), args);
  lua_replace(L, top);
}

int cr__lua_index_write(lua_State *L) {
  walk w;
  cr_value value, args[CR__LUA_MAX_PARAMS];
  lua_settop(L, 3);
  walk_key(L, &w);
  push_value(&w);
  bool number = cr__lua_to_number(L, -1, &value);
  if (!number && w.by) match_view(&w);
  if (!number && !w.by) drop_leading_ones(L, cr_ndim(viewed(&w)));
  if (!number) value = cr__lua_at(lua_gettop(L));
  cr__lua_known op = w.by ? CR__LUA_index_put : number ? CR__LUA_fill_ : CR__LUA_copy_;
  args[0] = cr__lua_at(w.view);
  args[1] = value;
  if (w.by) {
    args[1] = cr_list(w.by->t, w.by->n);
    args[2] = value;
    args[3] = cr_bool(false);
  }
  cr__lua_call_inplace(L, cr__lua_op(op), NULL, args);
  return 0;
}

void cr__lua_open_index(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&newaxis);
  lua_setfield(L, -2, "newaxis");
}
