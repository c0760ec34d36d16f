/* index.c: x[k] and x[k] = v for every kind of k.
 *
 * Holds true: numbers, ranges, newaxis and "..." are gathered into one view; tensors of positions and
 * masks into a list, which one `index` or `index_put_` takes at the end. So what is written through
 * x[k] reaches x, and gradients flow both ways. */
#include <string.h>

#include "binding.h"
#include "parse.h"

static const char newaxis; /* its address, a light userdata, is cr.newaxis */

/* The entries of the operation basic_index: one of these and three numbers. */
enum { WHOLE, POSITION, RANGE, NEW_DIM, NO_FIRST = 4, NO_LAST = 8 };
enum { ENTRY = 4, MAX_ENTRIES = 4 * CR_MAX_DIMS };

typedef struct walk {
  lua_State *L;
  const cr__lua_tensor *self; /* the userdata at 1 */
  int metatable;              /* for cr__lua_new_by */
  bool is_list;               /* the key is a list of entries */
  int n;                      /* how many */
  int dim;                    /* dims of self that the entries so far take */
  int nentry;                 /* entries of the view, as basic_index has them */
  int nviewing;               /* those of them that change something, ... */
  int last, at;               /* ... the last one of these, and its dim, from 0 */
  int whole;                  /* dims of the view since the last indexing tensor */
  int view;                   /* stack index of the tensor as viewed, in the end */
  int list;                   /* stack index of the userdata of `by` */
  cr__lua_list *by;           /* tensors that index; NULL elements for whole dims; NULL: none yet */
  int64_t entries[MAX_ENTRIES * ENTRY];
} walk;

/* Lua may run while a key is read, and close it. */
static inline const cr__lua_tensor *open_self(lua_State *L) {
  const cr__lua_tensor *u = cr__lua_test(L, 1);
  if (!u || !u->t) cr__lua_tensor_arg(L, 1, "index", "self"); /* says why */
  return u;
}
static cr_tensor *self(const walk *w) { return w->self->t ? w->self->t : open_self(w->L)->t; }
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
  if (cr__lua_to_int(L, index, i)) return true;
  cr__lua_tensor *u = cr__lua_test(L, index);
  cr_value v;
  if (!u || !u->t || cr_ndim(u->t) > 0 || cr_dtype_category(cr_dtype_of(u->t)) != CR_INTEGRAL)
    return false;
  if (cr__lua_item(L, u->t, &v)) cr__lua_raise(L, NULL);
  *i = v.u.i;
  return true;
}

static int refuse(lua_State *L, int place) {
  return cr__lua_error(L,
                       "index: entry %d must be an integer, a range {first, last, step}, a tensor, "
                       "\"...\" or cr.newaxis, got %s",
                       place, cr__lua_describe(L, -1));
}

/* How many dims of self the entry on top takes; -1 for "...". */
static int dims_of(lua_State *L, int place) {
  cr__lua_tensor *u = cr__lua_test(L, -1);
  if (u && !u->t) cr__lua_error(L, "index: this tensor was closed");
  if (u) return cr_dtype_of(u->t) == CR_BOOL ? cr_ndim(u->t) : 1;
  int64_t i;
  if (lua_type(L, -1) == LUA_TTABLE || cr__lua_to_int(L, -1, &i)) return 1;
  if (is_newaxis(L, -1) || lua_isboolean(L, -1)) return 0;
  return is_ellipsis(L, -1) ? -1 : refuse(L, place);
}

static void add(walk *w, int kind, int64_t a, int64_t b, int64_t c) {
  memcpy(w->entries + w->nentry * ENTRY, (int64_t[]){kind, a, b, c}, ENTRY * sizeof a);
  if (kind != WHOLE) {
    w->nviewing++;
    w->last = w->nentry;
    w->at = w->dim;
  }
  w->nentry++;
}

static void by_number(walk *w, int64_t i) {
  add(w, POSITION, i, 0, 0);
  w->dim++;
}

/* cr.newaxis; true, which is like it; false: a new dim without positions. */
static void by_new_dim(walk *w, bool on) {
  add(w, NEW_DIM, on, 0, 0);
  w->whole++;
}

static void by_whole(walk *w, int dims) {
  add(w, WHOLE, dims, 0, 0);
  w->dim += dims;
  w->whole += dims;
}

/* {} the whole dim, {a} and {a, b} and {a, b, step} ranges; nil ends are the dim's. */
static void by_range(walk *w, int place) {
  lua_State *L = w->L;
  int64_t ends[3] = {0, 0, 1};
  int kind = RANGE | NO_FIRST | NO_LAST, table = w->list + 1;
  lua_Integer n = (lua_Integer)lua_rawlen(L, table);
  if (n > 3)
    cr__lua_error(L,
                  "index: entry %d is a range of %d numbers; {first, last, step} it may have; a "
                  "list "
                  "of positions is a tensor: cr.tensor{...}",
                  place, (int)n);
  for (int i = 0; i < n; i++) {
    if (lua_rawgeti(L, table, i + 1) != LUA_TNIL) {
      if (!cr__lua_to_int(L, -1, &ends[i]))
        cr__lua_error(L, "index: a range has integers, got %s in entry %d", cr__lua_describe(L, -1),
                      place);
      kind &= i == 0 ? ~NO_FIRST : i == 1 ? ~NO_LAST : ~0;
    }
    lua_pop(L, 1);
  }
  if (cr__lua_other_key(L, table, n))
    cr__lua_error(L, "index: entry %d, a range, has %s", place, lua_tostring(L, -1));
  if (n == 0) {
    by_whole(w, 1);
    return;
  }
  if (n == 1) {
    ends[1] = ends[0];
    kind = RANGE;
  }
  add(w, kind, ends[0], ends[1], ends[2]);
  w->dim++;
  w->whole++;
}

static void by_tensor(walk *w, int place) {
  lua_State *L = w->L;
  int dims = dims_of(L, place);
  if (!w->by) {
    w->by = cr__lua_new_list(L, CR_MAX_DIMS + w->n);
    lua_replace(L, w->list);
  }
  for (; w->whole > 0; w->whole--) w->by->t[w->by->n++] = NULL;
  cr_tensor *t = cr__lua_tensor_arg(L, -1, "index", "an indexing tensor");
  w->by->t[w->by->n++] = cr_retain(t);
  add(w, WHOLE, dims, 0, 0);
  w->dim += dims;
}

/* ---- The walk over all entries ---- */

/* Pushes entry i (from 1), of the table at 2 or that value itself; returns its type. */
static int push_entry(walk *w, int i) {
  if (w->is_list) return lua_rawgeti(w->L, 2, i);
  lua_pushvalue(w->L, 2);
  return lua_type(w->L, 2);
}

static int count_entries(lua_State *L, bool is_list) {
  if (!is_list) return 1;
  lua_Unsigned n = lua_rawlen(L, 2);
  if (n > MAX_ENTRIES) cr__lua_error(L, "index: %d entries are too many", (int)n);
  if (cr__lua_other_key(L, 2, (lua_Integer)n))
    cr__lua_error(L, "index: the table has %s beside its list of entries", lua_tostring(L, -1));
  return (int)n;
}

static void check_dims(walk *w, int taken) {
  if (taken > cr_ndim(self(w)))
    cr__lua_error(w->L, "index: %d positions are too many for %s", taken,
                  cr__lua_describe(w->L, 1));
}

/* How many dims "..." stands for: those that no other entry takes. */
static int ellipsis(walk *w) {
  int taken = 0, dots = 0;
  for (int i = 1; i <= w->n; i++) {
    push_entry(w, i);
    int dims = dims_of(w->L, i);
    if (dims < 0) dots++;
    else taken += dims;
    lua_pop(w->L, 1);
  }
  if (dots > 1) cr__lua_error(w->L, "index: \"...\" may come once, got it %d times", dots);
  check_dims(w, taken);
  return cr_ndim(self(w)) - taken;
}

/* Takes up the entry on top of the stack. */
static void take(walk *w, int type, int place) {
  lua_State *L = w->L;
  int64_t i;
  if (type == LUA_TTABLE) by_range(w, place);
  else if (to_position(L, -1, &i)) by_number(w, i);
  else if (cr__lua_test(L, -1)) by_tensor(w, place);
  else if (is_newaxis(L, -1)) by_new_dim(w, true);
  else if (lua_isboolean(L, -1)) by_new_dim(w, lua_toboolean(L, -1));
  else if (is_ellipsis(L, -1)) by_whole(w, ellipsis(w));
  else refuse(L, place);
}

static void call_view(walk *w, cr__lua_known op, cr_value a, cr_value b, cr_value c, cr_value d) {
  cr_value args[] = {cr__lua_of(w->self, 1), a, b, c, d}; /* no view has more parameters */
  cr__lua_call_as(w->L, cr__lua_home_of(w->L), cr__lua_op(op), NULL, w->metatable, args);
}

/* Pushes self as the entries view it; by an operation of one dim where that will do. */
static void push_view(walk *w) {
  const int64_t *e = w->entries + w->last * ENTRY;
  if (w->nviewing == 0) {
    lua_pushvalue(w->L, 1);
  } else if (w->nviewing == 1 && e[0] == POSITION) {
    call_view(w, CR__LUA_select, cr_int(w->at + 1), cr_int(e[1]), cr_none(), cr_none());
  } else if (w->nviewing == 1 && e[0] & RANGE && e[0] != NEW_DIM) {
    call_view(w, CR__LUA_slice, cr_int(w->at + 1), e[0] & NO_FIRST ? cr_none() : cr_int(e[1]),
              e[0] & NO_LAST ? cr_none() : cr_int(e[2]), cr_int(e[3]));
  } else {
    call_view(w, CR__LUA_basic_index, cr_ints(w->entries, w->nentry * ENTRY), cr_none(), cr_none(),
              cr_none());
  }
  w->view = lua_gettop(w->L);
}

/* Views self (1) by the key (2); on return w->view is the view and w->by what else indexes it. The
 * stack that every C function has will do: entries leave nothing there. */
static void walk_key(lua_State *L, walk *w, const cr__lua_tensor *self, int metatable) {
  w->L = L;
  w->self = self;
  w->metatable = metatable;
  w->dim = w->nentry = w->nviewing = w->last = w->at = w->whole = 0;
  w->by = NULL;
  w->is_list = lua_type(L, 2) == LUA_TTABLE;
  w->n = count_entries(L, w->is_list);
  lua_pushnil(L);
  w->list = lua_gettop(L);
  for (int i = 1; i <= w->n; i++) {
    take(w, push_entry(w, i), i);
    lua_settop(L, w->list);
  }
  check_dims(w, w->dim);
  push_view(w);
}

int cr__lua_index_read(lua_State *L, int metatable) {
  cr_value args[CR__LUA_MAX_PARAMS];
  int64_t i;
  const cr__lua_tensor *u = open_self(L);
  if (cr__lua_to_int(L, 2, &i)) {
    if (cr_ndim(u->t) > 0 && i == cr_shape(u->t)[0] + 1) return 0; /* where ipairs ends */
    args[0] = cr__lua_of(u, 1);
    args[1] = cr_int(1);
    args[2] = cr_int(i);
    return cr__lua_call_as(L, cr__lua_home_of(L), cr__lua_op(CR__LUA_select), NULL, metatable,
                           args);
  }
  walk w;
  walk_key(L, &w, u, metatable);
  if (w.by) {
    args[0] = cr__lua_at(w.view);
    args[1] = cr_list(w.by->t, w.by->n);
    return cr__lua_call_as(L, cr__lua_home_of(L), cr__lua_op(CR__LUA_index), NULL, metatable, args);
  }
  if (w.nviewing == 0) {
    int64_t shape[CR_MAX_DIMS];
    cr_tensor *t = viewed(&w);
    memcpy(shape, cr_shape(t), (size_t)cr_ndim(t) * sizeof *shape);
    call_view(&w, CR__LUA_view, cr_ints(shape, cr_ndim(t)), cr_none(), cr_none(), cr_none());
  }
  return 1;
}

/* ---- Writing ---- */

/* Turns the value at 3 into a tensor or leaves it a number; pushes it. */
static void push_value(walk *w) {
  lua_State *L = w->L;
  bool tensor = cr__lua_test(L, 3) != NULL;
  if (lua_type(L, 3) == LUA_TTABLE || (!tensor && cr__lua_is_strange(L, 3))) {
    cr__lua_tensor_from(L, 3, "index", cr_dtype_of(viewed(w)));
    return;
  }
  cr_value number;
  if (!tensor && !cr__lua_to_number(L, 3, &number))
    cr__lua_error(L,
                  "index: the assigned value must be a tensor, a number or a table of numbers, got "
                  "%s",
                  cr__lua_describe(L, 3));
  if (tensor) cr__lua_tensor_arg(L, 3, "index", "the assigned value");
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
  walk_key(L, &w, open_self(L), 0);
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
  cr__lua_call_inplace(L, cr__lua_home_of(L), cr__lua_op(op), NULL, args);
  return 0;
}

void cr__lua_open_index(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&newaxis);
  lua_setfield(L, -2, "newaxis");
}
