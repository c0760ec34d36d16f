/* print.c: tostring of a tensor, in Torch's layout.
 *
 * Holds true: one width and one scale for all elements; vectors one element a line, matrices in
 * blocks of columns that fit the line, more dims as matrices headed by "(1,2,.,.) ="; a last line
 * in brackets says what it is. Of large tensors only the edges are read from the device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"
#include "parse.h"

typedef struct options {
  int precision, threshold, edge, width;
} options;

static const char options_key; /* registry: a userdata of options */

/* How all elements are written. */
typedef struct format {
  cr_dtype dtype; /* of the memory: int64, float64 or bool */
  int size;       /* characters per element */
  int precision;
  bool bare;    /* integers have no sign: those of uint64 */
  char style;   /* 'd' integers, 'b' booleans, 'i' whole floats, 'f' fixed, 'e' exponents */
  double scale; /* of 'f': elements are divided by it */
} format;

typedef struct printer {
  luaL_Buffer b;
  options o;
  format f;
  int ndim;
  int64_t shape[CR_MAX_DIMS]; /* of the whole tensor */
  int64_t step[CR_MAX_DIMS];  /* of the memory */
  bool cut[CR_MAX_DIMS];      /* only the edges of this dim were read */
  const char *data;
} printer;

/* ---- Numbers ---- */

static double value_at(const printer *p, int64_t i) {
  if (p->f.dtype == CR_BOOL) return ((const bool *)p->data)[i];
  return p->f.dtype == CR_INT64 ? (double)((const int64_t *)p->data)[i]
                                : ((const double *)p->data)[i];
}

static int exponent(double x) { return x == 0 ? 1 : (int)floor(log10(x)) + 1; }

static int write_int(char *text, size_t size, const printer *p, int64_t v) {
  return p->f.bare ? snprintf(text, size, "%llu", (unsigned long long)v)
                   : snprintf(text, size, "%lld", (long long)v);
}

static void choose_int_format(printer *p, int64_t n) {
  char text[32];
  for (int64_t i = 0; i < n; i++) {
    int64_t v = ((const int64_t *)p->data)[i];
    int length = write_int(text, sizeof text, p, v) + (v >= 0 || p->f.bare);
    if (length > p->f.size) p->f.size = length;
  }
}

/* Torch's choice between whole numbers, fixed point with a common scale, and exponents. */
static void choose_float_format(printer *p, int64_t n) {
  format *f = &p->f;
  bool whole = true, odd = false;
  double low = INFINITY, high = 0;
  for (int64_t i = 0; i < n; i++) {
    double x = fabs(value_at(p, i));
    if (!isfinite(x)) {
      odd = true;
      continue;
    }
    whole = whole && x == ceil(x);
    low = fmin(low, x);
    high = fmax(high, x);
  }
  if (low > high) low = 0;
  int from = exponent(low), to = exponent(high), least = odd ? 4 : 2;
  f->style = whole ? 'i' : 'f';
  f->size = to + (whole ? 1 : 2 + f->precision);
  if (whole ? to > f->precision + 4 : to - from > f->precision) {
    f->style = 'e';
    f->size = 7 + f->precision + (abs(from) > 99 || abs(to) > 99);
  } else if (!whole && (to > f->precision + 1 || to < 0)) {
    f->scale = pow(10, to - 1);
    f->size = 3 + f->precision;
  } else if (!whole && to <= 0) {
    f->size = 3 + f->precision;
  }
  if (f->size < least) f->size = least;
}

static bool is_cut(const printer *p) {
  for (int d = 0; d < p->ndim; d++)
    if (p->cut[d]) return true;
  return false;
}

static void choose_format(printer *p, int64_t n) {
  p->f.scale = 1;
  p->f.size = 2;
  p->f.precision = p->o.precision;
  if (p->f.dtype == CR_BOOL) {
    p->f.style = 'b';
    p->f.size = 6;
  } else if (p->f.dtype == CR_INT64) {
    p->f.style = 'd';
    choose_int_format(p, n);
  } else {
    choose_float_format(p, n);
  }
  if (p->ndim > 1 && is_cut(p) && p->f.size < 3) p->f.size = 3; /* the width of "..." */
}

static void add_text(printer *p, const char *text, int size) {
  for (int n = (int)strlen(text); n < size; n++) luaL_addchar(&p->b, ' ');
  luaL_addstring(&p->b, text);
}

static void add_element(printer *p, int64_t i) {
  char text[400]; /* a double in fixed point may have 309 digits */
  const format *f = &p->f;
  double x = value_at(p, i);
  if (f->style == 'b') snprintf(text, sizeof text, "%s", x != 0 ? "true" : "false");
  else if (f->style == 'd') write_int(text, sizeof text, p, ((const int64_t *)p->data)[i]);
  else if (isnan(x)) snprintf(text, sizeof text, "nan");
  else if (f->style == 'e') snprintf(text, sizeof text, "%.*e", f->precision, x);
  else snprintf(text, sizeof text, "%.*f", f->style == 'i' ? 0 : f->precision, x / f->scale);
  add_text(p, text, f->size);
}

/* ---- Lines ---- */

/* How many entries of a dim are shown, "..." counting as one, and which one is the k-th: its place
 * in the memory, or -1 for "...". */
static int64_t shown(const printer *p, int d) {
  return p->cut[d] ? 2 * p->o.edge + 1 : p->shape[d];
}

static int64_t entry(const printer *p, int d, int64_t k) {
  if (!p->cut[d] || k < p->o.edge) return k;
  return k == p->o.edge ? -1 : k - 1;
}

/* The 1-based position in the whole tensor. */
static int64_t position(const printer *p, int d, int64_t k) {
  if (!p->cut[d] || k < p->o.edge) return k + 1;
  return p->shape[d] - 2 * p->o.edge + k;
}

static void add_scale(printer *p) {
  char text[32];
  if (p->f.scale == 1) return;
  snprintf(text, sizeof text, "%.5e *\n", p->f.scale);
  luaL_addstring(&p->b, text);
}

static void add_vector(printer *p) {
  add_scale(p);
  for (int64_t k = 0; k < shown(p, 0); k++) {
    if (p->f.scale != 1) luaL_addchar(&p->b, ' ');
    if (entry(p, 0, k) < 0) add_text(p, "...", p->f.size);
    else add_element(p, entry(p, 0, k) * p->step[0]);
    luaL_addchar(&p->b, '\n');
  }
}

static void add_row(printer *p, int64_t row, int64_t at, int64_t from, int64_t to,
                    const char *indent) {
  int c = p->ndim - 1;
  luaL_addstring(&p->b, indent);
  if (p->f.scale != 1) luaL_addchar(&p->b, ' ');
  for (int64_t k = from; k < to; k++) {
    int64_t column = entry(p, c, k);
    if (k > from) luaL_addchar(&p->b, ' ');
    if (row < 0 || column < 0) add_text(p, "...", p->f.size);
    else add_element(p, at + row * p->step[c - 1] + column * p->step[c]);
  }
  luaL_addchar(&p->b, '\n');
}

/* The last two dims, from memory offset `at`. */
static void add_matrix(printer *p, int64_t at, const char *indent) {
  char text[80];
  int r = p->ndim - 2, c = p->ndim - 1;
  int64_t columns = shown(p, c),
          per_line = (p->o.width - (int64_t)strlen(indent)) / (p->f.size + 1);
  if (per_line < 1) per_line = 1;
  for (int64_t from = 0; from < columns; from += per_line) {
    int64_t to = from + per_line < columns ? from + per_line : columns;
    if (per_line < columns) {
      snprintf(text, sizeof text, "%sColumns %lld to %lld\n", from ? "\n" : "",
               (long long)position(p, c, from), (long long)position(p, c, to - 1));
      luaL_addstring(&p->b, text);
    }
    if (p->f.scale != 1) luaL_addstring(&p->b, indent);
    add_scale(p);
    for (int64_t k = 0; k < shown(p, r); k++) add_row(p, entry(p, r, k), at, from, to, indent);
  }
}

static void add_heading(printer *p, const int64_t *counter) {
  char text[32];
  luaL_addchar(&p->b, '(');
  for (int d = 0; d < p->ndim - 2; d++) {
    snprintf(text, sizeof text, "%lld,", (long long)position(p, d, counter[d]));
    luaL_addstring(&p->b, text);
  }
  luaL_addstring(&p->b, ".,.) =\n");
}

/* All matrices of a tensor of more than two dims; counter[d] counts shown entries. */
static void add_slices(printer *p) {
  int64_t counter[CR_MAX_DIMS] = {0};
  for (bool first = true;; first = false) {
    int64_t at = 0;
    bool dots = false;
    for (int d = 0; d < p->ndim - 2; d++) {
      if (dots) counter[d] = shown(p, d) - 1; /* one "..." for all below it */
      dots = dots || entry(p, d, counter[d]) < 0;
      at += entry(p, d, counter[d]) * p->step[d];
    }
    if (!first) luaL_addchar(&p->b, '\n');
    if (dots) {
      luaL_addstring(&p->b, "...\n");
    } else {
      add_heading(p, counter);
      add_matrix(p, at, "  ");
    }
    int d = p->ndim - 3;
    while (d >= 0 && ++counter[d] == shown(p, d)) counter[d--] = 0;
    if (d < 0) return;
  }
}

/* ---- The whole ---- */

enum { SHAPE = 2 }; /* the stack index of the shape's text; the tensor is at 1 */

static options *get_options(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &options_key);
  options *o = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return o;
}

/* Replaces the tensor on top by its edges along every dim that is long; marks those in p->cut. */
static void cut_edges(lua_State *L, printer *p) {
  int top = lua_gettop(L);
  for (int d = 0; d < p->ndim; d++) {
    if (p->shape[d] <= 2 * p->o.edge) continue;
    p->cut[d] = true;
    lua_createtable(L, 2 * p->o.edge, 0);
    for (int i = 1; i <= 2 * p->o.edge; i++) {
      lua_pushinteger(L, i <= p->o.edge ? i : p->shape[d] - 2 * p->o.edge + i);
      lua_rawseti(L, -2, i);
    }
    cr__lua_tensor_from(L, lua_gettop(L), "tostring", CR_INT64);
    cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(lua_gettop(L)), cr_none(),
                                         cr_device_value(cr_device_of(cr_lua_check(L, top))),
                                         cr_bool(false)};
    cr__lua_call(L, cr__lua_op(CR__LUA_to), args);
    args[0] = cr__lua_at(top);
    args[1] = cr_int(d + 1);
    args[2] = cr__lua_at(lua_gettop(L));
    cr__lua_call(L, cr__lua_op(CR__LUA_index_select), args);
    lua_replace(L, top);
    lua_settop(L, top);
  }
}

/* "[float32 tensor of size 2x3, cuda:0, grad_fn=MulBackward]" */
static void add_summary(lua_State *L, printer *p, int self) {
  char text[128];
  cr_tensor *t = ((cr__lua_tensor *)lua_touserdata(L, self))->t;
  if (!t) return;
  snprintf(text, sizeof text, "[%s %stensor", cr_dtype_name(cr_dtype_of(t)),
           p->ndim == 0 ? "0-dim " : "");
  luaL_addstring(&p->b, text);
  if (p->ndim > 0) {
    luaL_addstring(&p->b, " of size ");
    lua_pushvalue(L, SHAPE);
    luaL_addvalue(&p->b);
  }
  if (cr_device_of(t) != CR_CPU) {
    char name[16];
    snprintf(text, sizeof text, ", %s", cr_device_name(cr_device_of(t), name));
    luaL_addstring(&p->b, text);
  }
  cr_node *n = CR__LUA_GET(L, cr_grad_fn(t));
  if (n) snprintf(text, sizeof text, ", grad_fn=%s]", cr_node_name(n));
  else snprintf(text, sizeof text, "%s]", cr_requires_grad(t) ? ", requires_grad" : "");
  cr_node_release(n);
  luaL_addstring(&p->b, text);
}

static void add_elements(printer *p) {
  if (p->ndim == 0) {
    if (p->f.scale != 1) p->f.style = 'e';
    p->f.scale = 1;
    p->f.size = 0;
    add_element(p, 0);
    luaL_addchar(&p->b, ' ');
  } else if (p->ndim == 1) {
    add_vector(p);
  } else if (p->ndim == 2) {
    add_matrix(p, 0, "");
  } else {
    add_slices(p);
  }
}

static int tensor_tostring(lua_State *L) {
  printer p = {.o = *get_options(L)};
  cr__lua_tensor *u = cr__lua_test(L, 1);
  if (!u)
    return cr__lua_error(L, "tostring: self must be a tensor, got %s", cr__lua_describe(L, 1));
  if (!u->t) {
    lua_pushliteral(L, "[closed tensor]");
    return 1;
  }
  lua_settop(L, 1);
  luaL_checkstack(L, 20, "no stack for printing");
  p.ndim = cr_ndim(u->t);
  memcpy(p.shape, cr_shape(u->t), (size_t)p.ndim * sizeof *p.shape);
  cr__lua_push_shape(L, u->t);
  luaL_tolstring(L, -1, NULL);
  lua_replace(L, SHAPE);
  int64_t numel = cr_numel(u->t);
  bool bare = cr_dtype_of(u->t) == CR_UINT64;
  cr_value args[CR__LUA_MAX_PARAMS] = {cr__lua_at(1)};
  cr__lua_call(L, cr__lua_op(CR__LUA_detach), args);
  if (numel > p.o.threshold) cut_edges(L, &p);
  cr_tensor *t = cr__lua_readable(L, SHAPE + 1)->t;
  for (int d = 0; d < p.ndim; d++) p.step[d] = cr_stride(t)[d];
  p.data = cr_data(t);
  p.f.dtype = cr_dtype_of(t);
  p.f.bare = bare;
  luaL_buffinit(L, &p.b);
  if (numel > 0) {
    choose_format(&p, cr_numel(t));
    add_elements(&p);
  }
  add_summary(L, &p, 1);
  luaL_pushresult(&p.b);
  return 1;
}

static int option(lua_State *L, int index, const char *name, int low, int high, int now) {
  if (lua_isnil(L, index)) return now;
  int64_t n = cr__lua_int_arg(L, index, "set_print", name);
  if (n < low || n > high)
    cr__lua_error(L, "set_print: %s must be from %d to %d, got %lld", name, low, high,
                  (long long)n);
  return (int)n;
}

/* cr.set_print { precision =, threshold =, edgeitems =, linewidth = } */
static int set_print(lua_State *L) {
  static const char *const names[] = {"precision", "threshold", "edgeitems", "linewidth", NULL};
  int first = cr__lua_options(L, 1, "set_print", names);
  options o = *get_options(L);
  o.precision = option(L, first, "precision", 0, 17, o.precision);
  o.threshold = option(L, first + 1, "threshold", 0, INT32_MAX, o.threshold);
  o.edge = option(L, first + 2, "edgeitems", 1, 1000, o.edge);
  o.width = option(L, first + 3, "linewidth", 10, 10000, o.width);
  *get_options(L) = o;
  return 0;
}

void cr__lua_open_print(lua_State *L) {
  options *o = lua_newuserdatauv(L, sizeof *o, 0);
  *o = (options){.precision = 4, .threshold = 1000, .edge = 3, .width = 80};
  lua_rawsetp(L, LUA_REGISTRYINDEX, &options_key);
  lua_pushcfunction(L, set_print);
  lua_setfield(L, -2, "set_print");
  cr__lua_metatable(L);
  lua_pushcfunction(L, tensor_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
