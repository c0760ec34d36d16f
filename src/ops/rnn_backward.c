/* rnn_backward.c: the derivative of recurrent layers, from the last layer to the first.
 *
 * Holds true: only gradients that are asked for are computed, in the dtype of the computation; those of weights are one
 * product over all steps. A node's edges: input, hx, cx, the parameters. */
#include "rnn.h"

enum { HX = 1, CX = 2, PARAMS = 3 };

typedef struct backward {
  cr__rnn p;
  cr__rnn_args a;
  cr_node *n;
  cr_tensor *kept, *of_h, *of_c; /* of_h, of_c: the gradients of h_n and c_n, contiguous */
  cr_tensor *by_h, *by_c;        /* those of hx and cx, where they are asked for */
  cr_tensor **gi;
} backward;

/* What a direction's kernel works on. */
typedef struct direction {
  int64_t number;
  bool backwards;
  cr__rnn_weights by;
  cr_tensor *x, *rest, *of_out, *by_gates, *by_products, *carry;
} direction;

static cr_tensor *matrix_like(const cr__rnn *p, int64_t rows, int64_t columns) {
  return cr__new(p->op, p->compute, p->device, 2, (int64_t[]){rows, columns});
}

/* ---- The kernel -------------------------------------------------------------------------------- */

/* Adds the gradients of the last states to those of the output. */
static int add_last(const backward *b, const direction *d) {
  const cr__rnn *p = &b->p;
  cr_tensor *all = cr__rnn_matrix(b->of_h, d->number, p->batch, p->shown);
  cr__rnn_piece piece;
  int code = all ? 0 : (int)cr_error_code();
  for (int64_t t = -1; !code && cr__rnn_next(p, !d->backwards, &t, &piece);) {
    cr_tensor *to = cr__rnn_block(d->of_out, piece.row, piece.n, 0, p->shown);
    cr_tensor *from = to ? cr__rnn_block(all, piece.first, piece.n, 0, p->shown) : NULL;
    cr_value args[] = {cr_of(to), cr_of(from), cr_none()};
    code = from ? cr_call_inplace(&cr__ops[CR__OP_add], args) : (int)cr_error_code();
    cr_release(to), cr_release(from);
  }
  cr_release(all);
  return code;
}

/* An LSTM's is the gradient of its last cell; a GRU's is zeros. */
static cr_tensor *carry_of(const backward *b, int64_t number) {
  const cr__rnn *p = &b->p;
  cr_tensor *t = matrix_like(p, p->batch, p->hidden);
  if (!t || p->mode == CR__GRU) return t ? cr__filled(cr__fill(p->op, t, cr_float(0)), t) : NULL;
  cr_tensor *from = cr__rnn_matrix(b->of_c, number, p->batch, p->hidden);
  int code = from ? cr__copy(p->op, t, from) : (int)cr_error_code();
  cr_release(from);
  return cr__filled(code, t);
}

static int run_kernel(const backward *b, cr__work *w, direction *d) {
  const cr__rnn *p = &b->p;
  cr_tensor *gates = cr__keep(w, cr__rnn_kept(p, b->kept, d->number, false));
  int64_t wide = p->gates * p->hidden;
  bool carries = p->mode == CR__LSTM || p->mode == CR__GRU;
  d->rest = cr__keep(w, cr__rnn_kept(p, b->kept, d->number, true));
  d->by_gates = cr__keep(w, matrix_like(p, p->rows, wide));
  d->by_products = p->mode == CR__GRU ? cr__keep(w, matrix_like(p, p->rows, wide)) : NULL;
  d->carry = carries ? cr__keep(w, carry_of(b, d->number)) : NULL;
  if (!gates || !d->rest || !d->by_gates || (p->mode == CR__GRU && !d->by_products) ||
      (carries && !d->carry))
    return (int)cr_error_code();
  cr__launch k;
  cr__launch_begin(&k, p->op, p->device);
  cr__launch_view(&k, &k.rnn_backward.gates, gates);
  cr__launch_view(&k, &k.rnn_backward.kept, d->rest);
  cr__launch_view(&k, &k.rnn_backward.grad, d->of_out);
  cr__launch_view(&k, &k.rnn_backward.by_gates, d->by_gates);
  cr__launch_view(&k, &k.rnn_backward.by_products, d->by_products);
  cr__launch_view(&k, &k.rnn_backward.carry, d->carry);
  cr__launch_view(&k, &k.rnn_backward.weight, d->by.hh);
  cr__launch_view(&k, &k.rnn_backward.projection, d->by.hr);
  k.rnn_backward.mode = p->mode;
  k.rnn_backward.backwards = d->backwards;
  k.rows = p->sizes, k.nrow = (int32_t)p->steps;
  return cr__launch_run(&k, CR__K_rnn_backward);
}

/* ---- Gradients --------------------------------------------------------------------------------- */

/* Stores in gi[edge] turned times x, or (x NULL) the sums of its rows, where they are asked for. */
static int by_weight(const backward *b, int edge, cr_tensor *turned, cr_tensor *x) {
  int64_t columns = 2;
  if (!cr__needs(b->n, edge)) return 0;
  if (!turned) return (int)cr_error_code();
  b->gi[edge] =
      x ? cr__call_mm(turned, x) : cr__call_sum(turned, &columns, 1, false, CR_DTYPE_NONE);
  return b->gi[edge] ? 0 : (int)cr_error_code();
}

/* Columns as rows that lie side by side: they are read for two products. */
static cr_tensor *turned_of(cr__work *w, cr_tensor *t) {
  cr_tensor *view = cr__keep(w, cr__call_transpose(t, 1, 2));
  return view ? cr__keep(w, cr__call_contiguous(view)) : NULL;
}

/* Of those that a direction's parameters need, what is turned once. */
static bool asks(const backward *b, int edge, int first, int second) {
  return cr__needs(b->n, edge + first) || (b->p.biases && cr__needs(b->n, edge + second));
}

static int by_weights(const backward *b, cr__work *w, const direction *d) {
  const cr__rnn *p = &b->p;
  int edge = PARAMS + (int)d->number * p->each;
  bool inputs = asks(b, edge, 0, 2), states = asks(b, edge, 1, 3), apart = d->by_products;
  cr_tensor *gates = inputs || (states && !apart) ? turned_of(w, d->by_gates) : NULL;
  cr_tensor *products = !apart ? gates : states ? turned_of(w, d->by_products) : NULL;
  cr_tensor *before = cr__keep(w, cr__rnn_block(d->rest, 0, p->rows, p->kept - p->shown, p->shown));
  int code = before ? by_weight(b, edge, gates, d->x) : (int)cr_error_code();
  if (!code) code = by_weight(b, edge + 1, products, before);
  if (!code && p->biases) code = by_weight(b, edge + 2, gates, NULL);
  if (!code && p->biases) code = by_weight(b, edge + 3, products, NULL);
  if (code || !p->projects || !cr__needs(b->n, edge + p->each - 1)) return code;
  cr_tensor *hidden = cr__keep(w, cr__rnn_block(d->rest, 0, p->rows, p->hidden, p->hidden));
  cr_tensor *turned = cr__keep(w, cr__call_transpose(d->of_out, 1, 2));
  return hidden ? by_weight(b, edge + p->each - 1, turned, hidden) : (int)cr_error_code();
}

/* The gradients of the first states and cells. */
static int by_first(const backward *b, const direction *d) {
  const cr__rnn *p = &b->p;
  cr_tensor *products = d->by_products ? d->by_products : d->by_gates;
  cr_tensor *all = cr__rnn_matrix(b->by_h, d->number, p->batch, p->shown);
  cr__rnn_piece piece;
  int code = !b->by_h || all ? 0 : (int)cr_error_code();
  for (int64_t t = -1; all && !code && cr__rnn_next(p, d->backwards, &t, &piece);) {
    cr_tensor *to = cr__rnn_block(all, piece.first, piece.n, 0, p->shown);
    cr_tensor *from = cr__rnn_block(products, piece.row, piece.n, 0, p->gates * p->hidden);
    cr_tensor *beside =
        p->mode == CR__GRU ? cr__rnn_block(d->carry, piece.first, piece.n, 0, p->hidden) : NULL;
    bool whole = to && from && (beside || p->mode != CR__GRU);
    code = whole ? cr__rnn_multiply(p, to, from, d->by.hh, false, beside) : (int)cr_error_code();
    cr_release(to), cr_release(from), cr_release(beside);
  }
  cr_release(all);
  if (code || !b->by_c) return code;
  cr_tensor *cell = cr__rnn_matrix(b->by_c, d->number, p->batch, p->hidden);
  code = cell ? cr__copy(p->op, cell, d->carry) : (int)cr_error_code();
  cr_release(cell);
  return code;
}

/* of_out: the gradients of the layer's output, to be changed; by_x, where it is there: those of its input, to which a
 * second direction adds. */
static int run_direction(const backward *b, int64_t number, cr_tensor *x, cr_tensor *of_out,
                         cr_tensor *by_x) {
  const cr__rnn *p = &b->p;
  cr__work w = {.n = 0};
  int64_t side = number % p->dirs;
  direction d = {.number = number, .backwards = side, .x = x};
  int code = cr__rnn_weights_of(p, &w, b->a.params, number, &d.by);
  if (!code) d.of_out = cr__keep(&w, cr__rnn_block(of_out, 0, p->rows, side * p->shown, p->shown));
  if (!code) code = d.of_out ? add_last(b, &d) : (int)cr_error_code();
  if (!code) code = run_kernel(b, &w, &d);
  if (!code) code = by_weights(b, &w, &d);
  if (!code) code = by_first(b, &d);
  if (!code && by_x)
    code = cr__rnn_multiply(p, by_x, d.by_gates, d.by.ih, false, side ? by_x : NULL);
  cr__drop_work(&w);
  return code;
}

/* ---- Layers ------------------------------------------------------------------------------------ */

/* Whether anything before the parameters of a layer has a gradient that is asked for. */
static bool goes_on(const backward *b, int64_t layer) {
  if (cr__needs(b->n, 0)) return true;
  if (layer == 0) return false;
  int end = PARAMS + (int)(layer * b->p.dirs * b->p.each);
  for (int i = HX; i < end; i++)
    if (cr__needs(b->n, i)) return true;
  return false;
}

/* Returns the gradients of what the layer before has passed on, as those of its output. */
static cr_tensor *thinned(const cr__rnn *p, int64_t layer, cr_tensor *g) {
  if (p->dropout == 0 || !g) return g;
  cr_tensor *mask = cr__rnn_mask(p, layer - 1), *r = mask ? cr__call_mul(g, mask) : NULL;
  cr_release(mask), cr_release(g);
  return r;
}

static int run_layers(const backward *b, cr_tensor *of_rows) {
  const cr__rnn *p = &b->p;
  cr_tensor *g = cr_retain(of_rows);
  int code = 0;
  for (int64_t l = p->layers - 1; l >= 0 && g; l--) {
    cr_tensor *x = l ? cr__rnn_between(p, b->kept, l) : cr__rnn_rows(p, b->a.input, false);
    bool on = goes_on(b, l);
    cr_tensor *by_x = x && on ? matrix_like(p, p->rows, cr__sizes(x)[1]) : NULL;
    code = x && (by_x || !on) ? 0 : (int)cr_error_code();
    for (int64_t d = 0; d < p->dirs && !code; d++)
      code = run_direction(b, l * p->dirs + d, x, g, by_x);
    cr_release(x), cr_release(g);
    g = by_x;
    if (!code && l > 0 && g && !(g = thinned(p, l, g))) code = (int)cr_error_code();
    if (code) break;
  }
  if (!code && g) b->gi[0] = cr__rnn_laid_out(p, g);
  if (!code && g && !b->gi[0]) code = (int)cr_error_code();
  cr_release(g);
  return code;
}

static int run(backward *b, const cr_value *g) {
  const cr__rnn *p = &b->p;
  cr_tensor *of_rows = cr__rnn_rows(p, g[0].u.t, true);
  b->of_h = of_rows ? cr__rnn_ready(p, g[1].u.t) : NULL;
  b->of_c = b->of_h && p->mode == CR__LSTM ? cr__rnn_ready(p, g[2].u.t) : NULL;
  bool whole = b->of_h && (b->of_c || p->mode != CR__LSTM);
  if (whole && cr__needs(b->n, HX))
    whole = (b->by_h = cr__new_like(p->op, b->of_h, p->compute)) != NULL;
  if (whole && cr__needs(b->n, CX))
    whole = (b->by_c = cr__new_like(p->op, b->of_c, p->compute)) != NULL;
  int code = whole ? run_layers(b, of_rows) : (int)cr_error_code();
  cr_release(of_rows), cr_release(b->of_h), cr_release(b->of_c);
  b->gi[HX] = b->by_h, b->gi[CX] = b->by_c;
  return code;
}

int cr__grad_rnn_layers(cr_node *n, const cr_value *g, cr_tensor **gi) {
  enum { KEPT = CR__SAVED_rnn_layers_kept };
  bool recorded = cr__recording();
  cr_value v[KEPT + 1];
  for (int i = 0; i <= KEPT; i++) v[i] = i == KEPT && recorded ? cr_none() : cr__unpack(n, i);
  backward b = {.n = n, .gi = gi, .kept = cr__given_tensor(&v[KEPT])};
  b.a = (cr__rnn_args){.input = cr__given_tensor(&v[CR__SAVED_rnn_layers_input]),
                       .hx = cr__given_tensor(&v[CR__SAVED_rnn_layers_hx]),
                       .cx = cr__given_tensor(&v[CR__SAVED_rnn_layers_cx]),
                       .batch_sizes = cr__given_tensor(&v[CR__SAVED_rnn_layers_batch_sizes]),
                       .params = cr__given_tensors(&v[CR__SAVED_rnn_layers_params]),
                       .mode = v[CR__SAVED_rnn_layers_mode].u.i,
                       .layout = v[CR__SAVED_rnn_layers_layout].u.i,
                       .layers = v[CR__SAVED_rnn_layers_num_layers].u.i,
                       .seed = v[CR__SAVED_rnn_layers_seed].u.i,
                       .offset = v[CR__SAVED_rnn_layers_offset].u.i,
                       .biases = v[CR__SAVED_rnn_layers_has_biases].u.i,
                       .both = v[CR__SAVED_rnn_layers_bidirectional].u.i,
                       .dropout = v[CR__SAVED_rnn_layers_dropout].u.f,
                       .op = v[CR__SAVED_rnn_layers_name].u.s};
  int code = b.a.input && b.a.params.at && (b.kept || recorded) && !cr__unpack_failed
                 ? 0
                 : (int)cr_error_code();
  if (!code && recorded) code = cr__rnn_replay(n, &b.a, g, gi);
  if (!code && !recorded && !(code = cr__rnn_plan(&b.p, &b.a))) {
    code = run(&b, g);
    cr__rnn_drop(&b.p);
  }
  for (int i = 0; i <= KEPT; i++) cr__drop(v[i]);
  return code;
}
