/* rnn.c: recurrent layers and cells as they are called: what their arguments must fulfil.
 *
 * Holds true: each argument is checked before anything is computed or drawn; a message says which tensor has which
 * wrong shape. */
#include "rnn.h"
#include "reduce.h"

#include <stdio.h>

/* ---- Checks ------------------------------------------------------------------------------------ */

/* A call while it is checked. */
typedef struct call {
  cr__rnn_args a;
  bool train;
  int each; /* parameters of a direction of a layer */
  bool projects;
  int64_t gates, dirs, width, hidden, shown, batch;
  bool single;
} call;

/* sizes: ndim of them. */
static int check_shape(const char *op, const char *what, const cr_tensor *t, int ndim,
                       const int64_t *sizes) {
  cr__text a, b;
  if (cr__has_shape(t, ndim, sizes)) return 0;
  return cr__fail(CR_E_SHAPE, "%s: %s has shape %s; expected %s", op, what,
                  cr__shape_text(t->ndim, cr__sizes(t), &a), cr__shape_text(ndim, sizes, &b));
}

static int check_kind(const char *op, const char *what, const cr_tensor *t,
                      const cr_tensor *input) {
  cr_device device;
  if (t->dtype != input->dtype)
    return cr__fail(CR_E_DTYPE, "%s: %s is %s and input is %s; all must have one dtype", op, what,
                    cr_dtype_name((cr_dtype)t->dtype), cr_dtype_name((cr_dtype)input->dtype));
  return cr__same_device(op, (cr_value[]){cr_of((cr_tensor *)input), cr_of((cr_tensor *)t)}, 2,
                         &device);
}

/* The names of a direction's parameters, in order. */
static const char *name_of(const call *c, int i) {
  static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  return c->projects && i == c->each - 1 ? "weight_hr" : names[i];
}

static const char *describe(const call *c, int i, char text[64]) {
  int direction = i / c->each;
  snprintf(text, 64, "params[%d], the %s of layer %d%s,", i + 1, name_of(c, i % c->each),
           direction / (int)c->dirs + 1,
           c->dirs == 1    ? ""
           : direction % 2 ? " backwards"
                           : " forwards");
  return text;
}

static int check_count(call *c) {
  const cr__rnn_args *a = &c->a;
  if (a->layers < 1)
    return cr__fail(CR_E_ARGUMENT, "%s: num_layers must be at least 1, got %lld", a->op,
                    (long long)a->layers);
  int plain = a->biases ? 4 : 2;
  int64_t each = a->layers <= a->params.n ? c->dirs * a->layers : 0;
  c->each = each && a->params.n % each == 0 ? (int)(a->params.n / each) : 0;
  c->projects = a->mode == CR__LSTM && c->each == plain + 1;
  if (c->each == plain || c->projects) return 0;
  char more[32] = "";
  if (a->mode == CR__LSTM) snprintf(more, sizeof more, ", or %d with projections", plain + 1);
  return cr__fail(CR_E_ARGUMENT,
                  "%s: params has %d tensors; %lld layer%s in %s have %d for each direction "
                  "of each layer%s",
                  a->op, a->params.n, (long long)a->layers, a->layers == 1 ? "" : "s",
                  c->dirs == 2 ? "both directions, with or without biases as has_biases says,"
                  : a->biases  ? "one direction, with biases,"
                               : "one direction, without biases,",
                  plain, more);
}

/* The sizes of the hidden units, from the first layer's weight_hh; the weight_hr must agree. */
static int find_hidden(call *c) {
  const cr_tensor *hh = c->a.params.at[1];
  char text[64];
  cr__text shape;
  bool fits = hh->ndim == 2 && cr__sizes(hh)[0] % c->gates == 0;
  if (!fits)
    return cr__fail(CR_E_SHAPE, "%s: %s has shape %s; expected %lld x H rows and %s columns",
                    c->a.op, describe(c, 1, text), cr__shape_text(hh->ndim, cr__sizes(hh), &shape),
                    (long long)c->gates,
                    c->projects ? "as many as there are projected units" : "H");
  c->hidden = cr__sizes(hh)[0] / c->gates;
  c->shown = c->projects ? cr__sizes(hh)[1] : c->hidden;
  return 0;
}

static int check_param(const call *c, int i) {
  const cr_tensor *t = c->a.params.at[i];
  char text[64];
  int part = i % c->each, layer = i / c->each / (int)c->dirs;
  int64_t wide = c->gates * c->hidden, sizes[2] = {wide, c->shown};
  int ndim = part < 2 ? 2 : 1;
  if (part == 0) sizes[1] = layer ? c->dirs * c->shown : c->width;
  if (c->projects && part == c->each - 1) ndim = 2, sizes[0] = c->shown, sizes[1] = c->hidden;
  int code = check_kind(c->a.op, describe(c, i, text), t, c->a.input);
  return code ? code : check_shape(c->a.op, text, t, ndim, sizes);
}

static int check_params(call *c) {
  int code = check_count(c);
  for (int i = 0; i < c->a.params.n && !code; i++)
    if (!c->a.params.at[i]) code = cr__fail_absent(c->a.op, "params");
  if (!code) code = find_hidden(c);
  for (int i = 0; i < c->a.params.n && !code; i++) code = check_param(c, i);
  return code;
}

static int check_sizes(const call *c) {
  const cr_tensor *s = c->a.batch_sizes, *input = c->a.input;
  cr__text text;
  if (s->dtype != CR_INT64 || s->ndim != 1 || s->numel == 0)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: batch_sizes must be an int64 vector, as pack_padded_sequence "
                    "gives it, got a %s tensor of shape %s",
                    c->a.op, cr_dtype_name((cr_dtype)s->dtype),
                    cr__shape_text(s->ndim, cr__sizes(s), &text));
  const int64_t *n = (const int64_t *)(const void *)cr__data(s), step = cr__steps(s)[0];
  int64_t rows = cr__sizes(input)[0], before = rows;
  for (int64_t t = 0; t < s->numel; before = n[t++ * step]) {
    if (n[t * step] < 1 || n[t * step] > before)
      return cr__fail(CR_E_ARGUMENT,
                      "%s: batch_sizes must not grow and be at least 1, got %lld at step %lld",
                      c->a.op, (long long)n[t * step], (long long)t + 1);
    rows -= n[t * step];
    if (rows < 0) break;
  }
  if (rows == 0) return 0;
  return cr__fail(CR_E_SHAPE, "%s: batch_sizes does not add up to the %lld rows of input", c->a.op,
                  (long long)cr__sizes(input)[0]);
}

static int check_input(call *c) {
  const cr_tensor *x = c->a.input;
  cr__text text;
  const char *shape = cr__shape_text(x->ndim, cr__sizes(x), &text);
  bool packed = c->a.layout == CR__RNN_PACKED;
  const char *wanted = packed                        ? "rows x features, as batch_sizes is there"
                       : c->a.layout == CR__RNN_CELL ? "batch x features, or features alone"
                       : c->a.layout == CR__RNN_BATCHES
                           ? "batch x time x features, or time x features"
                           : "time x batch x features, or time x features";
  int most = packed || c->a.layout == CR__RNN_CELL ? 2 : 3, least = packed ? 2 : most - 1;
  int code = cr__need_float(c->a.op, (cr_dtype)x->dtype, "convert input first");
  if (code) return code;
  if (x->ndim < least || x->ndim > most)
    return cr__fail(CR_E_SHAPE, "%s: input has shape %s; expected %s", c->a.op, shape, wanted);
  c->single = x->ndim == most - 1 && !packed;
  c->width = cr__sizes(x)[x->ndim - 1];
  if (packed) {
    code = check_sizes(c);
    if (!code) c->batch = *(const int64_t *)(const void *)cr__data(c->a.batch_sizes);
    return code;
  }
  c->batch = 1;
  if (c->a.layout == CR__RNN_CELL) {
    if (!c->single) c->batch = cr__sizes(x)[0];
    return 0;
  }
  int time = c->a.layout == CR__RNN_BATCHES && !c->single;
  if (!c->single) c->batch = cr__sizes(x)[1 - time];
  if (cr__sizes(x)[time] > INT32_MAX)
    return cr__fail(CR_E_SHAPE, "%s: input of shape %s has more steps than %d", c->a.op, shape,
                    INT32_MAX);
  if (cr__sizes(x)[time] > 0) return 0;
  return cr__fail(CR_E_SHAPE, "%s: input of shape %s has no steps; at least one is needed", c->a.op,
                  shape);
}

/* A state that is given: of all directions, or of a cell. */
static int check_state(const call *c, const char *what, const cr_tensor *t, int64_t last) {
  int64_t sizes[3];
  int ndim = 0;
  if (!t) return 0;
  if (c->a.layout != CR__RNN_CELL) sizes[ndim++] = c->a.layers * c->dirs;
  if (!c->single) sizes[ndim++] = c->batch;
  sizes[ndim++] = last;
  int code = check_kind(c->a.op, what, t, c->a.input);
  return code ? code : check_shape(c->a.op, what, t, ndim, sizes);
}

static int check_states(const call *c) {
  bool list = c->a.mode == CR__LSTM;
  int code = check_state(c, list ? "hx[1], the state," : "hx", c->a.hx, c->shown);
  return code ? code : check_state(c, "hx[2], the cell,", c->a.cx, c->hidden);
}

/* ---- Layers ------------------------------------------------------------------------------------ */

static cr__rnn_mode mode_of(const cr_op *op) {
  switch (op->id) {
  case CR__OP_rnn_tanh:
  case CR__OP_rnn_tanh_cell: return CR__RNN_TANH;
  case CR__OP_rnn_relu:
  case CR__OP_rnn_relu_cell: return CR__RNN_RELU;
  case CR__OP_gru:
  case CR__OP_gru_cell: return CR__GRU;
  default: return CR__LSTM;
  }
}

/* Takes what dropout draws, where there is any. */
static int take_draws(call *c) {
  cr__rnn p;
  if (!c->train || c->a.layers < 2) c->a.dropout = 0;
  if (c->a.dropout == 0) return 0;
  int code = cr__rnn_plan(&p, &c->a);
  if (code) return code;
  int64_t each = cr__draw_blocks(p.rows * p.dirs * p.shown, false);
  cr__rng_place at = cr__take_draws((p.layers - 1) * each);
  cr__rnn_drop(&p);
  c->a.seed = (int64_t)at.seed, c->a.offset = (int64_t)at.offset;
  return 0;
}

/* Whether a node will ask for what is kept. */
static bool is_recorded(const cr__rnn_args *a) {
  cr_tensor *const others[] = {a->input, a->hx, a->cx};
  bool any = false;
  for (int i = 0; i < 3; i++) any = any || (others[i] && cr__requires(others[i]));
  for (int i = 0; i < a->params.n; i++) any = any || cr__requires(a->params.at[i]);
  return any && cr__recording();
}

/* All results of the layers, once the arguments are known to be sound. */
static int run_checked(call *c, cr_tensor **all) {
  const cr__rnn_args *a = &c->a;
  int code = take_draws(c);
  if (code) return code;
  return cr__call_rnn_layers(a->input, a->hx, a->cx, a->params.at, a->params.n, a->batch_sizes,
                             a->mode, a->layout, a->biases, a->layers, a->dropout, a->both, a->seed,
                             a->offset, is_recorded(a), a->op, all);
}

/* batch_sizes are read here: they are brought to the host. *own: the copy, or NULL. */
static int bring_sizes(call *c, cr_tensor **own) {
  cr_tensor *s = c->a.batch_sizes;
  *own = NULL;
  if (!s || cr_device_of(s) == CR_CPU) return 0;
  *own = cr__call_to(s, CR_DTYPE_NONE, cr_device_value(CR_CPU), false);
  c->a.batch_sizes = *own;
  return *own ? 0 : (int)cr_error_code();
}

static int run(const cr_op *op, call *c, cr_tensor **all) {
  cr_tensor *own;
  c->a.op = op->name;
  c->a.mode = mode_of(op);
  c->gates = CR__RNN_GATES(c->a.mode);
  c->dirs = c->a.both ? 2 : 1;
  int code = bring_sizes(c, &own);
  if (!code) code = check_input(c);
  if (!code) code = check_params(c);
  if (!code) code = check_states(c);
  if (!code && !(c->a.dropout >= 0 && c->a.dropout <= 1))
    code = cr__fail(CR_E_ARGUMENT, "%s: dropout is a probability, from 0 to 1; got %g", op->name,
                    c->a.dropout);
  if (!code) code = run_checked(c, all);
  cr_release(own);
  return code;
}

static call layers_call(cr_tensor *input, cr__tensors params, bool biases, int64_t layers,
                        double dropout, bool train, bool both, bool batch_first,
                        cr_tensor *batch_sizes) {
  call c = {.train = train};
  c.a.input = input, c.a.params = params, c.a.biases = biases, c.a.layers = layers;
  c.a.dropout = dropout, c.a.both = both, c.a.batch_sizes = batch_sizes;
  c.a.layout = batch_sizes ? CR__RNN_PACKED : batch_first ? CR__RNN_BATCHES : CR__RNN_STEPS;
  return c;
}

/* Hands on the first n of the results. */
static int hand_on(cr_tensor **all, int n, cr_tensor **out) {
  for (int i = 0; i < 4; i++) {
    if (i < n) out[i] = all[i];
    else cr_release(all[i]);
  }
  return 0;
}

int cr__run_rnn(const cr_op *op, cr_tensor *input, cr_tensor *hx, cr__tensors params,
                bool has_biases, int64_t num_layers, double dropout, bool train, bool bidirectional,
                bool batch_first, cr_tensor *batch_sizes, cr_tensor **out) {
  cr_tensor *all[4];
  call c = layers_call(input, params, has_biases, num_layers, dropout, train, bidirectional,
                       batch_first, batch_sizes);
  c.a.hx = hx;
  int code = run(op, &c, all);
  return code ? code : hand_on(all, 2, out);
}

/* States and cells, from a list of both. */
static int take_pair(const cr_op *op, cr__tensors hx, call *c) {
  if (hx.n == -1) return 0;
  if (hx.n != 2)
    return cr__fail(CR_E_ARGUMENT, "%s: hx must be two tensors, state and cell, got %d", op->name,
                    hx.n);
  if (!hx.at[0] || !hx.at[1]) return cr__fail_absent(op->name, "hx");
  c->a.hx = hx.at[0], c->a.cx = hx.at[1];
  return 0;
}

int cr__run_lstm(const cr_op *op, cr_tensor *input, cr__tensors hx, cr__tensors params,
                 bool has_biases, int64_t num_layers, double dropout, bool train,
                 bool bidirectional, bool batch_first, cr_tensor *batch_sizes, cr_tensor **out) {
  cr_tensor *all[4];
  call c = layers_call(input, params, has_biases, num_layers, dropout, train, bidirectional,
                       batch_first, batch_sizes);
  int code = take_pair(op, hx, &c);
  if (!code) code = run(op, &c, all);
  return code ? code : hand_on(all, 3, out);
}

/* ---- Cells ------------------------------------------------------------------------------------- */

static int check_cell(call *c, cr_tensor *const by[4]) {
  static const char *const names[] = {"w_ih", "w_hh", "b_ih", "b_hh"};
  cr__text text;
  int code = check_input(c);
  for (int i = 0; i < 4 && !code; i++)
    if (by[i]) code = check_kind(c->a.op, names[i], by[i], c->a.input);
  if (code) return code;
  const cr_tensor *hh = by[1];
  if (hh->ndim != 2 || cr__sizes(hh)[0] != c->gates * cr__sizes(hh)[1])
    return cr__fail(CR_E_SHAPE, "%s: w_hh has shape %s; expected %lld x H rows and H columns",
                    c->a.op, cr__shape_text(hh->ndim, cr__sizes(hh), &text), (long long)c->gates);
  c->hidden = c->shown = cr__sizes(hh)[1];
  int64_t wide = c->gates * c->hidden;
  code = check_shape(c->a.op, names[0], by[0], 2, (int64_t[]){wide, c->width});
  for (int i = 2; i < 4 && !code; i++)
    if (by[i]) code = check_shape(c->a.op, names[i], by[i], 1, &wide);
  return code ? code : check_states(c);
}

/* A step; where one bias alone is there, the other one is zeros. */
static int run_cell(const cr_op *op, call *c, cr_tensor *const by[4], cr_tensor **all) {
  c->a.op = op->name;
  c->a.mode = mode_of(op);
  c->a.layout = CR__RNN_CELL;
  c->a.layers = c->dirs = 1;
  c->gates = CR__RNN_GATES(c->a.mode);
  int code = check_cell(c, by);
  if (code) return code;
  cr_tensor *params[4] = {by[0], by[1], by[2], by[3]}, *other = NULL;
  c->a.biases = by[2] || by[3];
  if (c->a.biases && !(by[2] && by[3])) {
    other = cr__call_zeros_like(by[2] ? by[2] : by[3], CR_DTYPE_NONE, cr_none());
    params[by[2] ? 3 : 2] = other;
    if (!other) return (int)cr_error_code();
  }
  c->a.params = (cr__tensors){params, c->a.biases ? 4 : 2};
  code = run_checked(c, all);
  cr_release(other);
  return code;
}

cr_tensor *cr__run_rnn_cell(const cr_op *op, cr_tensor *input, cr_tensor *hx, cr_tensor *w_ih,
                            cr_tensor *w_hh, cr_tensor *b_ih, cr_tensor *b_hh) {
  cr_tensor *all[4], *out[1];
  call c = {.a = {.input = input, .hx = hx}};
  int code = run_cell(op, &c, (cr_tensor *[]){w_ih, w_hh, b_ih, b_hh}, all);
  if (code) return NULL;
  hand_on(all, 1, out);
  return out[0];
}

int cr__run_lstm_cell(const cr_op *op, cr_tensor *input, cr__tensors hx, cr_tensor *w_ih,
                      cr_tensor *w_hh, cr_tensor *b_ih, cr_tensor *b_hh, cr_tensor **out) {
  cr_tensor *all[4];
  call c = {.a = {.input = input}};
  int code = take_pair(op, hx, &c);
  if (!code) code = run_cell(op, &c, (cr_tensor *[]){w_ih, w_hh, b_ih, b_hh}, all);
  if (code) return code;
  cr_release(all[1]), cr_release(all[3]);
  out[0] = all[0], out[1] = all[2];
  return 0;
}
