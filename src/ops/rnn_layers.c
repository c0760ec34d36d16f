/* rnn_layers.c: recurrent layers, one after the other, and their derivative.
 *
 * Holds true: arguments are sound. What is kept for the derivative is one tensor; without it, what a layer leaves is
 * gone once the next one has begun. Where a derivative is recorded, rnn_replay.c has it. */
#include "rnn.h"

/* ---- Forward ---------------------------------------------------------------------------------- */

typedef struct forward {
  cr__rnn p;
  cr__rnn_args a;
  bool keep;
  cr_tensor *kept, *h0, *c0; /* NULL: zeros */
  cr_tensor *h_n, *c_n;      /* matrices, one for each direction of each layer */
} forward;

static cr_tensor *matrix_like(const cr__rnn *p, int64_t rows, int64_t columns) {
  return cr__new(p->op, p->compute, p->device, 2, (int64_t[]){rows, columns});
}

static cr_tensor *zeros(const cr__rnn *p, int64_t rows, int64_t columns) {
  cr_tensor *t = matrix_like(p, rows, columns);
  return t ? cr__filled(cr__fill(p->op, t, cr_float(0)), t) : NULL;
}

/* What the input's product starts from: all biases; of a GRU the input's alone. */
static cr_tensor *bias_of(const cr__rnn *p, cr__work *w, const cr__rnn_weights *by) {
  if (!by->b_ih || p->mode == CR__GRU) return by->b_ih;
  return cr__plus(w, by->b_ih, by->b_hh);
}

static int last_states(const cr__rnn *p, cr_tensor *out, cr_tensor *to, bool backwards) {
  cr__rnn_piece piece;
  int code = 0;
  for (int64_t t = -1; !code && cr__rnn_next(p, !backwards, &t, &piece);) {
    cr_tensor *from = cr__rnn_block(out, piece.row, piece.n, 0, p->shown);
    cr_tensor *place = from ? cr__rnn_block(to, piece.first, piece.n, 0, p->shown) : NULL;
    code = place ? cr__copy(p->op, place, from) : (int)cr_error_code();
    cr_release(from), cr_release(place);
  }
  return code;
}

/* The steps of a direction; gates hold the input's part. */
static int run_steps(const forward *f, cr__work *w, const cr__rnn_weights *by, int64_t direction,
                     cr_tensor *gates, cr_tensor *rest, cr_tensor *out) {
  const cr__rnn *p = &f->p;
  bool cells = p->mode == CR__LSTM, backwards = p->dirs == 2 && direction % 2;
  cr_tensor *first = cr__keep(w, f->h0 ? cr__rnn_matrix(f->h0, direction, p->batch, p->shown)
                                       : zeros(p, p->batch, p->shown));
  cr_tensor *cell =
      cells ? cr__keep(w, cr__rnn_matrix(f->c_n, direction, p->batch, p->hidden)) : NULL;
  if (!first || (cells && !cell)) return (int)cr_error_code();
  cr__launch k;
  cr__launch_begin(&k, p->op, p->device);
  cr__launch_view(&k, &k.rnn.gates, gates);
  cr__launch_view(&k, &k.rnn.kept, rest);
  cr__launch_view(&k, &k.rnn.out, out);
  cr__launch_view(&k, &k.rnn.first, first);
  cr__launch_view(&k, &k.rnn.cell, cell);
  cr__launch_view(&k, &k.rnn.weight, by->hh);
  cr__launch_view(&k, &k.rnn.bias, p->mode == CR__GRU ? by->b_hh : NULL);
  cr__launch_view(&k, &k.rnn.projection, by->hr);
  k.rnn.mode = p->mode;
  k.rnn.backwards = backwards;
  k.rows = p->sizes, k.nrow = (int32_t)p->steps;
  int code = cr__launch_run(&k, CR__K_rnn);
  if (code) return code;
  cr_tensor *last = cr__keep(w, cr__rnn_matrix(f->h_n, direction, p->batch, p->shown));
  return last ? last_states(p, out, last, backwards) : (int)cr_error_code();
}

static int run_direction(const forward *f, int64_t direction, cr_tensor *x, cr_tensor *out) {
  const cr__rnn *p = &f->p;
  cr__work w = {.n = 0};
  cr__rnn_weights by;
  int64_t wide = p->gates * p->hidden, d = direction % p->dirs;
  int code = cr__rnn_weights_of(p, &w, f->a.params, direction, &by);
  cr_tensor *gates = NULL, *rest = NULL, *bias = NULL, *mine = NULL;
  if (!code)
    gates = cr__keep(&w, f->keep ? cr__rnn_kept(p, f->kept, direction, false)
                                 : matrix_like(p, p->rows, wide));
  if (gates && (f->keep || p->projects))
    rest = cr__keep(&w, f->keep ? cr__rnn_kept(p, f->kept, direction, true)
                                : matrix_like(p, p->rows, p->kept));
  if (gates) bias = bias_of(p, &w, &by);
  if (gates) mine = cr__keep(&w, cr__rnn_block(out, 0, p->rows, d * p->shown, p->shown));
  bool whole = gates && mine && (rest || (!f->keep && !p->projects)) && (bias || !p->biases);
  if (!code) code = whole ? cr__rnn_multiply(p, gates, x, by.ih, true, bias) : (int)cr_error_code();
  if (!code) code = run_steps(f, &w, &by, direction, gates, rest, mine);
  cr__drop_work(&w);
  return code;
}

/* Returns what goes into the layer behind `layer`, whose output is `out`, stolen. */
static cr_tensor *passed_on(const forward *f, int64_t layer, cr_tensor *out) {
  const cr__rnn *p = &f->p;
  if (p->dropout == 0) return out;
  cr_tensor *mask = cr__rnn_mask(p, layer), *thin = mask ? cr__call_mul(out, mask) : NULL;
  cr_release(mask), cr_release(out);
  if (!thin || !f->keep) return thin;
  cr_tensor *place = cr__rnn_between(p, f->kept, layer + 1);
  int code = place ? cr__copy(p->op, place, thin) : (int)cr_error_code();
  cr_release(thin);
  return cr__filled(code, place);
}

/* Returns the rows of the last layer's output. */
static cr_tensor *run_layers(const forward *f) {
  const cr__rnn *p = &f->p;
  cr_tensor *x = cr__rnn_rows(p, f->a.input, false);
  for (int64_t l = 0; l < p->layers && x; l++) {
    bool within = f->keep && l + 1 < p->layers && p->dropout == 0;
    cr_tensor *out =
        within ? cr__rnn_between(p, f->kept, l + 1) : matrix_like(p, p->rows, p->dirs * p->shown);
    int code = out ? 0 : (int)cr_error_code();
    for (int64_t d = 0; d < p->dirs && !code; d++) code = run_direction(f, l * p->dirs + d, x, out);
    cr_release(x);
    x = cr__filled(code, out);
    if (x && l + 1 < p->layers) x = passed_on(f, l, x);
  }
  return x;
}

/* ---- Its results ------------------------------------------------------------------------------- */

/* The shape of states: of a cell, one for all there is. */
static cr_tensor *states(const cr__rnn *p, int64_t last) {
  int64_t shape[3];
  int ndim = 0;
  if (p->layout != CR__RNN_CELL) shape[ndim++] = p->layers * p->dirs;
  if (!p->single) shape[ndim++] = p->batch;
  shape[ndim++] = last;
  return cr__new(p->op, p->compute, p->device, ndim, shape);
}

static int begin(forward *f) {
  const cr__rnn *p = &f->p;
  int64_t kept = f->keep ? cr__rnn_kept_size(p) : 0, none = 0;
  if (kept < 0)
    return cr__fail(CR_E_MEMORY, "%s: what the derivative needs is more than memory holds", p->op);
  f->kept = cr__new(p->op, p->compute, p->device, 1, &kept);
  f->h_n = states(p, p->shown);
  f->c_n =
      p->mode == CR__LSTM ? states(p, p->hidden) : cr__new(p->op, p->compute, p->device, 1, &none);
  if (!f->kept || !f->h_n || !f->c_n) return (int)cr_error_code();
  if (f->a.hx && !(f->h0 = cr__rnn_ready(p, f->a.hx))) return (int)cr_error_code();
  if (f->a.cx && !(f->c0 = cr__rnn_ready(p, f->a.cx))) return (int)cr_error_code();
  return f->c0 ? cr__copy(p->op, f->c_n, f->c0) : cr__fill(p->op, f->c_n, cr_float(0));
}

static cr_tensor *given_back(const cr__rnn *p, cr_tensor *t) {
  return cr__call_to(t, p->dtype, cr_none(), false);
}

static int finish(const forward *f, cr_tensor *rows, cr_tensor **out) {
  const cr__rnn *p = &f->p;
  cr_tensor *narrow = given_back(p, rows);
  out[0] = cr__rnn_laid_out(p, narrow);
  cr_release(narrow);
  if (out[0]) out[1] = given_back(p, f->h_n);
  if (out[1]) out[2] = given_back(p, f->c_n);
  if (out[2]) out[3] = cr_retain(f->kept);
  return out[3] ? 0 : cr__undo(out, 4);
}

static int run(const cr__rnn_args *a, bool keep, cr_tensor **out) {
  forward f = {.a = *a, .keep = keep};
  int code = cr__rnn_plan(&f.p, a);
  if (code) return code;
  code = begin(&f);
  cr_tensor *rows = code ? NULL : run_layers(&f);
  if (!code) code = rows ? finish(&f, rows, out) : (int)cr_error_code();
  cr_release(rows), cr_release(f.kept), cr_release(f.h_n), cr_release(f.c_n);
  cr_release(f.h0), cr_release(f.c0);
  cr__rnn_drop(&f.p);
  return code;
}

int cr__run_rnn_layers(const cr_op *op, cr_tensor *input, cr_tensor *hx, cr_tensor *cx,
                       cr__tensors params, cr_tensor *batch_sizes, int64_t mode, int64_t layout,
                       bool has_biases, int64_t num_layers, double dropout, bool bidirectional,
                       int64_t seed, int64_t offset, bool keep, const char *name, cr_tensor **out) {
  (void)op;
  cr__rnn_args a = {.input = input, .hx = hx, .cx = cx, .batch_sizes = batch_sizes};
  a.params = params, a.mode = mode, a.layout = layout, a.layers = num_layers;
  a.seed = seed, a.offset = offset, a.biases = has_biases, a.both = bidirectional;
  a.dropout = dropout, a.op = name;
  for (int i = 0; i < 4; i++) out[i] = NULL;
  return run(&a, keep, out);
}
