/* rnn_replay.c: recurrent layers in operations that record themselves, for derivatives of derivatives.
 *
 * Holds true: the layers are computed once more from what was saved, through handles of its own, so that gradients stop
 * there and none passes from one argument to another; then differentiated as any graph. Every call gives NULL for NULL,
 * so that a chain is looked at where it ends. */
#include "rnn.h"

typedef struct replay {
  cr__rnn p;
  cr_tensor *h0, *c0; /* directions x batch x units */
} replay;

/* A state on its way, stolen by what changes it. */
typedef struct state {
  cr_tensor *h, *c; /* c: an LSTM's */
} state;

static void drop_state(state *s) {
  cr_release(s->h), cr_release(s->c);
  *s = (state){NULL, NULL};
}

static cr_tensor *zeros(const cr__rnn *p, int64_t columns) {
  int64_t shape[3] = {p->layers * p->dirs, p->batch, columns};
  return cr__call_zeros(shape, 3, p->compute, cr_device_value(p->device));
}

/* Rows [from, to) of t. */
static cr_tensor *some_rows(cr_tensor *t, int64_t from, int64_t to) {
  return cr__call_narrow(t, 1, from + 1, to - from);
}

static cr_tensor *joined(cr_tensor *a, cr_tensor *b) {
  if (!a || !b) return NULL;
  return cr__call_cat((cr_tensor *[]){a, b}, 2, 1);
}

/* ---- A step ------------------------------------------------------------------------------------ */

static cr_tensor *gate(cr__work *w, cr_tensor *all, int64_t i, int64_t n) {
  return cr__keep(w, cr__call_narrow(all, 2, i * n + 1, n));
}
static cr_tensor *logistic(cr__work *w, cr_tensor *x) { return cr__keep(w, cr__call_sigmoid(x)); }
static cr_tensor *tangent(cr__work *w, cr_tensor *x) { return cr__keep(w, cr__call_tanh(x)); }

static state lstm_step(const cr__rnn *p, cr__work *w, const cr__rnn_weights *by, cr_tensor *sums,
                       cr_tensor *cell) {
  cr_tensor *part[4];
  for (int i = 0; i < 4; i++) part[i] = gate(w, sums, i, p->hidden);
  cr_tensor *old = cr__times(w, logistic(w, part[1]), cell);
  cr_tensor *fresh = cr__times(w, logistic(w, part[0]), tangent(w, part[2]));
  cr_tensor *c = cr__plus(w, old, fresh);
  cr_tensor *h = cr__times(w, logistic(w, part[3]), tangent(w, c));
  return (state){by->hr ? cr__call_linear(h, by->hr, NULL) : cr_retain(h), cr_retain(c)};
}

static cr_tensor *gru_step(const cr__rnn *p, cr__work *w, cr_tensor *gates, cr_tensor *products,
                           cr_tensor *h) {
  cr_tensor *x[3], *y[3];
  for (int i = 0; i < 3; i++)
    x[i] = gate(w, gates, i, p->hidden), y[i] = gate(w, products, i, p->hidden);
  cr_tensor *reset = logistic(w, cr__plus(w, x[0], y[0]));
  cr_tensor *update = logistic(w, cr__plus(w, x[1], y[1]));
  cr_tensor *fresh = tangent(w, cr__plus(w, x[2], cr__times(w, reset, y[2])));
  return cr_retain(cr__plus(w, fresh, cr__times(w, update, cr__less(w, h, fresh))));
}

/* gates: the input's part, with the biases that cr__rnn has there. */
static state one_step(const cr__rnn *p, const cr__rnn_weights *by, cr_tensor *gates,
                      const state *before) {
  cr__work w = {.n = 0};
  state s = {NULL, NULL};
  cr_tensor *bias = p->mode == CR__GRU ? by->b_hh : NULL;
  cr_tensor *products = cr__keep(&w, cr__call_linear(before->h, by->hh, bias));
  if (p->mode == CR__GRU) {
    s.h = gru_step(p, &w, gates, products, before->h);
  } else {
    cr_tensor *sums = cr__plus(&w, gates, products);
    if (p->mode == CR__LSTM) s = lstm_step(p, &w, by, sums, before->c);
    else s.h = p->mode == CR__RNN_TANH ? cr__call_tanh(sums) : cr__call_relu(sums);
  }
  cr__drop_work(&w);
  return s;
}

/* ---- A direction ------------------------------------------------------------------------------- */

/* Where the results of steps are gathered: outputs by step, the states of sequences that have ended. */
typedef struct gathering {
  cr_tensor **outputs, **h, **c;
  int64_t ended;
} gathering;

/* Fits a state of `n` sequences to one of `more`: drops those that have ended, or lets others begin. */
static void fit(const replay *r, int64_t direction, state *s, int64_t n, int64_t more,
                gathering *all) {
  if (n == more) return;
  cr_tensor *from[2] = {s->h, s->c}, *to[2] = {NULL, NULL};
  cr_tensor *first[2] = {r->h0, r->c0}, **ended[2] = {all->h, all->c};
  for (int i = 0; i < 2 && from[i]; i++) {
    if (more < n) {
      ended[i][all->ended] = some_rows(from[i], more, n);
      to[i] = some_rows(from[i], 0, more);
      continue;
    }
    cr_tensor *mine = cr__call_select(first[i], 1, direction + 1);
    cr_tensor *others = some_rows(mine, n, more);
    to[i] = n ? joined(from[i], others) : cr_retain(others);
    cr_release(mine), cr_release(others);
  }
  all->ended += more < n;
  drop_state(s);
  *s = (state){to[0], to[1]};
}

/* The last states: those that ended last come first. */
static cr_tensor *last_of(cr_tensor *state, cr_tensor *const *ended, int64_t n) {
  cr_tensor *r = cr_retain(state);
  for (int64_t i = n - 1; i >= 0; i--) {
    cr_tensor *more = joined(r, ended[i]);
    cr_release(r);
    r = more;
  }
  return r;
}

/* Returns the direction's states of all rows; *last: the last ones. */
static cr_tensor *run_steps(const replay *r, const cr__rnn_weights *by, int64_t direction,
                            cr_tensor *gates, gathering *all, state *last) {
  const cr__rnn *p = &r->p;
  bool backwards = p->dirs == 2 && direction % 2;
  state s = {cr__call_select(r->h0, 1, direction + 1),
             p->mode == CR__LSTM ? cr__call_select(r->c0, 1, direction + 1) : NULL};
  int64_t n = p->batch;
  for (int64_t i = 0; i < p->steps && s.h; i++) {
    int64_t t = backwards ? p->steps - 1 - i : i, more = p->sizes[t].n, row = p->sizes[t].step;
    if (i == 0 && more < n) { /* some begin later, from states of their own */
      state some = {some_rows(s.h, 0, more), s.c ? some_rows(s.c, 0, more) : NULL};
      drop_state(&s);
      s = some;
    } else {
      fit(r, direction, &s, n, more, all);
    }
    n = more;
    cr_tensor *mine = some_rows(gates, row, row + n);
    state after = mine && s.h ? one_step(p, by, mine, &s) : (state){NULL, NULL};
    cr_release(mine);
    drop_state(&s);
    s = after;
    all->outputs[t] = cr_retain(s.h);
  }
  bool whole = s.h && (s.c || p->mode != CR__LSTM);
  *last = (state){whole ? last_of(s.h, all->h, all->ended) : NULL,
                  whole && s.c ? last_of(s.c, all->c, all->ended) : NULL};
  drop_state(&s);
  return last->h ? cr__call_cat(all->outputs, (int)p->steps, 1) : NULL;
}

static cr_tensor *run_gathered(const replay *r, const cr__rnn_weights *by, int64_t direction,
                               cr_tensor *gates, state *last) {
  int64_t n = r->p.steps;
  size_t room = 3 * (size_t)n * sizeof(cr_tensor *);
  cr_tensor **at = cr__alloc(room);
  if (!at) return NULL;
  for (int64_t i = 0; i < 3 * n; i++) at[i] = NULL;
  gathering all = {at, at + n, at + 2 * n, 0};
  cr_tensor *out = run_steps(r, by, direction, gates, &all, last);
  for (int64_t i = 0; i < 3 * n; i++) cr_release(at[i]);
  cr__free(at, room);
  return out;
}

static cr_tensor *run_direction(const replay *r, cr__tensors params, int64_t direction,
                                cr_tensor *x, state *last) {
  const cr__rnn *p = &r->p;
  cr__work w = {.n = 0};
  cr__rnn_weights by;
  if (cr__rnn_weights_of(p, &w, params, direction, &by)) {
    cr__drop_work(&w);
    return NULL;
  }
  bool both = by.b_ih && p->mode != CR__GRU;
  cr_tensor *bias = both ? cr__plus(&w, by.b_ih, by.b_hh) : by.b_ih, *out = NULL;
  cr_tensor *gates = bias || !p->biases ? cr__keep(&w, cr__call_linear(x, by.ih, bias)) : NULL;
  if (gates) out = run_gathered(r, &by, direction, gates, last);
  cr__drop_work(&w);
  return out;
}

/* ---- Layers ------------------------------------------------------------------------------------ */

/* Returns the output of a layer, for x, stolen; last: of its directions. */
static cr_tensor *run_layer(const replay *r, cr__tensors params, int64_t layer, cr_tensor *x,
                            state *last) {
  const cr__rnn *p = &r->p;
  cr_tensor *side[2] = {NULL, NULL}, *out = NULL;
  for (int64_t d = 0; d < p->dirs && x; d++)
    side[d] = run_direction(r, params, layer * p->dirs + d, x, &last[d]);
  if (side[0] && (side[1] || p->dirs == 1))
    out = p->dirs == 1 ? cr_retain(side[0]) : cr__call_cat(side, 2, 2);
  cr_release(side[0]), cr_release(side[1]), cr_release(x);
  if (!out || p->dropout == 0 || layer + 1 == p->layers) return out;
  cr_tensor *mask = cr__rnn_mask(p, layer), *thin = mask ? cr__call_mul(out, mask) : NULL;
  cr_release(mask), cr_release(out);
  return thin;
}

/* Returns the states of all directions in the shape and dtype of a result. */
static cr_tensor *states_of(const cr__rnn *p, state *last, bool cells, const cr_tensor *like) {
  int64_t n = p->layers * p->dirs;
  size_t room = (size_t)n * sizeof(cr_tensor *);
  cr_tensor **list = cr__alloc(room);
  if (!list) return NULL;
  for (int64_t i = 0; i < n; i++) list[i] = cells ? last[i].c : last[i].h;
  cr_tensor *all = cr__call_stack(list, (int)n, 1);
  cr__free(list, room);
  cr_tensor *shaped = all ? cr__call_reshape(all, cr__sizes(like), like->ndim) : NULL;
  cr_tensor *r = shaped ? cr__call_to(shaped, p->dtype, cr_none(), false) : NULL;
  cr_release(all), cr_release(shaped);
  return r;
}

static cr_tensor *output_of(const cr__rnn *p, cr_tensor *rows) {
  int64_t shape[3], stride[3];
  int ndim = cr__rnn_geometry(p, p->dirs * p->shown, shape, stride);
  bool turns = p->layout == CR__RNN_BATCHES && !p->single;
  if (turns) shape[0] = p->steps, shape[1] = p->batch;
  cr_tensor *all = cr__call_reshape(rows, shape, ndim);
  cr_tensor *laid = all && turns ? cr__call_transpose(all, 1, 2) : cr_retain(all);
  cr_tensor *r = laid ? cr__call_to(laid, p->dtype, cr_none(), false) : NULL;
  cr_release(all), cr_release(laid);
  return r;
}

/* Fills results as rnn_layers has them; g: their gradients, in whose shapes they are. */
static int run_layers(const replay *r, const cr__rnn_args *a, state *last, const cr_value *g,
                      cr_tensor *results[3]) {
  const cr__rnn *p = &r->p;
  cr_tensor *x = cr__rnn_rows(p, a->input, false);
  for (int64_t l = 0; l < p->layers && x; l++)
    x = run_layer(r, a->params, l, x, last + l * p->dirs);
  if (x) results[0] = output_of(p, x);
  if (results[0]) results[1] = states_of(p, last, false, g[1].u.t);
  if (results[1] && p->mode == CR__LSTM) results[2] = states_of(p, last, true, g[2].u.t);
  cr_release(x);
  return results[p->mode == CR__LSTM ? 2 : 1] ? 0 : (int)cr_error_code();
}

/* Given or zeros, as directions x batch x units of the computation's dtype. */
static cr_tensor *first_states(const cr__rnn *p, cr_tensor *given, int64_t columns) {
  if (!given) return zeros(p, columns);
  int64_t shape[3] = {p->layers * p->dirs, p->batch, columns};
  cr_tensor *wide = cr__call_to(given, p->compute, cr_none(), false);
  cr_tensor *r = wide ? cr__call_reshape(wide, shape, 3) : NULL;
  cr_release(wide);
  return r;
}

static int results_of(const cr__rnn_args *a, const cr_value *g, cr_tensor *results[3]) {
  replay r;
  int code = cr__rnn_plan(&r.p, a);
  if (code) return code;
  int64_t n = r.p.layers * r.p.dirs;
  size_t room = (size_t)n * sizeof(state);
  state *last = cr__alloc(room);
  r.h0 = last ? first_states(&r.p, a->hx, r.p.shown) : NULL;
  r.c0 = r.h0 && r.p.mode == CR__LSTM ? first_states(&r.p, a->cx, r.p.hidden) : NULL;
  bool whole = r.h0 && (r.c0 || r.p.mode != CR__LSTM);
  for (int64_t i = 0; last && i < n; i++) last[i] = (state){NULL, NULL};
  code = whole ? run_layers(&r, a, last, g, results) : (int)cr_error_code();
  for (int64_t i = 0; last && i < n; i++) drop_state(&last[i]);
  if (last) cr__free(last, room);
  cr_release(r.h0), cr_release(r.c0);
  cr__rnn_drop(&r.p);
  return code;
}

/* ---- The derivative ----------------------------------------------------------------------------- */

/* Gradients by the handles whose edges ask for them: the first `asked` of handles, of the edges in `edge`. */
static int differentiate(const cr__rnn_args *a, const cr_value *g, cr_tensor **handles,
                         const int *edge, int asked, cr_tensor **found, cr_tensor **gi) {
  cr_tensor *results[3] = {NULL}, *gradients[3] = {g[0].u.t, g[1].u.t, g[2].u.t};
  int nroot = a->mode == CR__LSTM ? 3 : 2;
  int code = results_of(a, g, results);
  cr_backward_options o = {.gradients = gradients, .ngradients = nroot, .retain_graph = true};
  o.create_graph = true, o.allow_unused = true, o.inputs = handles, o.ninputs = asked;
  if (!code) code = cr_grad(results, nroot, &o, found);
  for (int i = 0; i < asked && !code; i++) gi[edge[i]] = found[i];
  for (int i = 0; i < 3; i++) cr_release(results[i]);
  return code;
}

/* The arguments as handles of their own: input, hx, cx, the parameters; NULL for one that is absent. */
static int take_handles(const cr__rnn_args *a, cr_tensor **own) {
  int n = a->params.n + 3;
  for (int i = 0; i < n; i++) {
    cr_tensor *t = i == 0 ? a->input : i == 1 ? a->hx : i == 2 ? a->cx : a->params.at[i - 3];
    if (t && !(own[i] = cr__call_alias(t))) return (int)cr_error_code();
  }
  return 0;
}

int cr__rnn_replay(cr_node *node, const cr__rnn_args *a, const cr_value *g, cr_tensor **gi) {
  int n = a->params.n + 3, asked = 0;
  size_t room = 3 * (size_t)n * sizeof(cr_tensor *), numbers = (size_t)n * sizeof(int);
  cr_tensor **own = cr__alloc(room);
  int *edge = own ? cr__alloc(numbers) : NULL;
  for (int i = 0; own && i < 3 * n; i++) own[i] = NULL;
  cr_tensor **handles = own ? own + n : NULL, **found = own ? handles + n : NULL;
  int code = edge ? take_handles(a, own) : (int)cr_error_code();
  for (int i = 0; i < n && !code; i++)
    if (own[i] && cr__needs(node, i)) handles[asked] = own[i], edge[asked++] = i;
  cr__rnn_args mine = *a;
  if (!code) {
    mine.input = own[0], mine.hx = own[1], mine.cx = own[2];
    mine.params = (cr__tensors){own + 3, a->params.n};
    code = asked ? differentiate(&mine, g, handles, edge, asked, found, gi) : 0;
  }
  for (int i = 0; own && i < n; i++) cr_release(own[i]);
  if (edge) cr__free(edge, numbers);
  if (own) cr__free(own, room);
  return code;
}
