/* rnn_plan.c: the sizes of a recurrent layer's call, and the views that its parts work on.
 *
 * Holds true: views are headers outside every graph. Given NULL they are NULL, and the error is kept. */
#include "rnn.h"

#include <string.h>

/* ---- Sizes ------------------------------------------------------------------------------------ */

static void read_sizes(cr__rnn *p, const cr__rnn_args *a) {
  for (int64_t t = 0, row = 0; t < p->steps; t++) {
    int64_t n = p->batch;
    if (a->batch_sizes) {
      const cr_tensor *b = a->batch_sizes;
      n = ((const int64_t *)(const void *)cr__data(b))[t * cr__steps(b)[0]];
    }
    p->sizes[t] = (cr__row){.n = n, .step = row};
    row += n;
    if (t == 0) p->batch = n;
  }
}

static void read_shape(cr__rnn *p, const cr__rnn_args *a) {
  const int64_t *n = cr__sizes(a->input);
  int ndim = a->input->ndim;
  p->width = n[ndim - 1];
  p->single = ndim == (p->layout == CR__RNN_CELL ? 1 : 2) && p->layout != CR__RNN_PACKED;
  p->batch = p->steps = 1;
  if (p->layout == CR__RNN_PACKED) p->steps = a->batch_sizes->numel;
  else if (p->layout == CR__RNN_CELL) p->batch = p->single ? 1 : n[0];
  else if (p->single) p->steps = n[0];
  else p->steps = n[p->layout == CR__RNN_BATCHES], p->batch = n[p->layout != CR__RNN_BATCHES];
  p->rows = p->layout == CR__RNN_PACKED ? n[0] : p->steps * p->batch;
}

int cr__rnn_plan(cr__rnn *p, const cr__rnn_args *a) {
  *p = (cr__rnn){.op = a->op, .mode = (cr__rnn_mode)a->mode, .layout = (cr__rnn_layout)a->layout};
  p->biases = a->biases;
  p->layers = a->layers, p->dirs = a->both ? 2 : 1;
  p->each = (int)(a->params.n / (p->layers * p->dirs));
  p->projects = p->each == (p->biases ? 5 : 3);
  p->gates = CR__RNN_GATES(p->mode);
  p->hidden = cr__sizes(a->params.at[0])[0] / p->gates;
  p->shown = cr__sizes(a->params.at[1])[1];
  read_shape(p, a);
  p->kept = p->shown;
  if (p->mode == CR__LSTM) p->kept += (1 + p->projects) * p->hidden;
  if (p->mode == CR__GRU) p->kept += p->hidden;
  p->dropout = p->layers > 1 ? a->dropout : 0;
  p->draws = (cr__rng_place){(uint64_t)a->seed, (uint64_t)a->offset};
  p->dtype = (cr_dtype)a->input->dtype;
  p->compute = p->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  p->device = cr_device_of(a->input);
  p->sizes = cr__alloc((size_t)p->steps * sizeof *p->sizes);
  if (!p->sizes) return (int)cr_error_code();
  read_sizes(p, a);
  return 0;
}

void cr__rnn_drop(cr__rnn *p) { cr__free(p->sizes, (size_t)p->steps * sizeof *p->sizes); }

/* ---- Views ------------------------------------------------------------------------------------ */

int cr__rnn_geometry(const cr__rnn *p, int64_t last, int64_t *shape, int64_t *stride) {
  int64_t sizes[2] = {p->steps, p->batch}, steps[2] = {p->batch * last, last};
  int ndim = 0;
  bool rows = p->layout == CR__RNN_PACKED;
  if (rows) shape[ndim] = p->rows, stride[ndim++] = last;
  for (int d = 0; d < 2 && !rows; d++) {
    int from = p->layout == CR__RNN_BATCHES ? 1 - d : d;
    if (from == 0 && p->layout == CR__RNN_CELL) continue;
    if (from == 1 && p->single) continue;
    shape[ndim] = sizes[from], stride[ndim++] = steps[from];
  }
  shape[ndim] = last, stride[ndim++] = 1;
  return ndim;
}

cr_tensor *cr__rnn_rows(const cr__rnn *p, cr_tensor *t, bool fresh) {
  int64_t shape[2] = {p->rows, cr__sizes(t)[t->ndim - 1]};
  bool turns = p->layout == CR__RNN_BATCHES && !p->single;
  cr_tensor *turned = turns ? cr__call_transpose(t, 1, 2) : cr_retain(t);
  cr_tensor *wide = turned ? cr__call_to(turned, p->compute, cr_none(), fresh) : NULL;
  cr_tensor *rows = wide ? cr__call_reshape(wide, shape, 2) : NULL;
  cr_tensor *r = rows && fresh ? cr__call_contiguous(rows) : cr_retain(rows);
  cr_release(turned), cr_release(wide), cr_release(rows);
  return r;
}

cr_tensor *cr__rnn_laid_out(const cr__rnn *p, cr_tensor *rows) {
  int64_t shape[3], stride[3];
  if (!rows) return NULL;
  int ndim = cr__rnn_geometry(p, cr__sizes(rows)[1], shape, stride);
  return cr__alias(rows, ndim, shape, stride, rows->offset);
}

cr_tensor *cr__rnn_ready(const cr__rnn *p, cr_tensor *t) {
  cr_tensor *wide = cr__call_to(t, p->compute, cr_none(), false);
  cr_tensor *r = wide ? cr__call_contiguous(wide) : NULL;
  cr_release(wide);
  return r;
}

cr_tensor *cr__rnn_block(cr_tensor *t, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  if (!t) return NULL;
  const int64_t *step = cr__steps(t);
  return cr__alias(t, 2, (int64_t[]){rows, columns}, step,
                   t->offset + row * step[0] + column * step[1]);
}

cr_tensor *cr__rnn_matrix(cr_tensor *t, int64_t i, int64_t rows, int64_t columns) {
  if (!t) return NULL;
  return cr__alias(t, 2, (int64_t[]){rows, columns}, (int64_t[]){columns, 1},
                   t->offset + i * rows * columns);
}

int cr__rnn_weights_of(const cr__rnn *p, cr__work *w, cr__tensors params, int64_t direction,
                       cr__rnn_weights *out) {
  cr_tensor *const *at = params.at + direction * p->each, *ready[5] = {NULL};
  for (int i = 0; i < p->each; i++)
    if (!(ready[i] = cr__keep(w, cr__rnn_ready(p, at[i])))) return (int)cr_error_code();
  *out = (cr__rnn_weights){.ih = ready[0], .hh = ready[1]};
  if (p->biases) out->b_ih = ready[2], out->b_hh = ready[3];
  if (p->projects) out->hr = ready[p->each - 1];
  return 0;
}

/* ---- What is kept: for each layer its input, from the second on, then for each direction gates and the rest --------- */

static int64_t of_direction(const cr__rnn *p) { return p->rows * (p->gates * p->hidden + p->kept); }
static int64_t between(const cr__rnn *p) { return p->rows * p->dirs * p->shown; }

int64_t cr__rnn_kept_size(const cr__rnn *p) {
  int64_t all, more, row = p->layers * p->dirs * (p->gates * p->hidden + p->kept + p->shown);
  if (__builtin_mul_overflow(row, p->rows, &more)) return -1;
  all = p->layers * p->dirs * of_direction(p) + (p->layers - 1) * between(p);
  return all;
}

cr_tensor *cr__rnn_kept(const cr__rnn *p, cr_tensor *kept, int64_t direction, bool rest) {
  int64_t wide = p->gates * p->hidden, columns = rest ? p->kept : wide;
  int64_t at = direction * of_direction(p) + direction / p->dirs * between(p);
  return cr__alias(kept, 2, (int64_t[]){p->rows, columns}, (int64_t[]){columns, 1},
                   kept->offset + at + (rest ? p->rows * wide : 0));
}

cr_tensor *cr__rnn_between(const cr__rnn *p, cr_tensor *kept, int64_t layer) {
  int64_t columns = p->dirs * p->shown;
  int64_t at = layer * p->dirs * of_direction(p) + (layer - 1) * between(p);
  return cr__alias(kept, 2, (int64_t[]){p->rows, columns}, (int64_t[]){columns, 1},
                   kept->offset + at);
}

bool cr__rnn_next(const cr__rnn *p, bool spread, int64_t *t, cr__rnn_piece *piece) {
  const cr__row *s = p->sizes;
  if (!spread) {
    *piece = (cr__rnn_piece){0, p->batch, 0};
    return ++*t == 0;
  }
  for (++*t; *t < p->steps; ++*t) {
    int64_t after = *t + 1 < p->steps ? s[*t + 1].n : 0;
    *piece = (cr__rnn_piece){after, s[*t].n - after, s[*t].step + after};
    if (piece->n > 0) return true;
  }
  return false;
}

/* ---- Kernels ---------------------------------------------------------------------------------- */

/* A matrix, or a row that stands for all, as a batch of one. */
static void add_matrix(cr__launch *k, cr__view *slot, const cr_tensor *t, bool turned,
                       const int64_t sizes[2]) {
  cr__view *v = cr__launch_view(k, slot, t);
  const int64_t *step = cr__steps(t);
  v->ndim = 3;
  v->shape[0] = 1, v->shape[1] = sizes[0], v->shape[2] = sizes[1];
  v->stride[0] = 0;
  v->stride[1] = t->ndim == 1 ? 0 : step[turned];
  v->stride[2] = t->ndim == 1 ? step[0] : step[!turned];
}

int cr__rnn_multiply(const cr__rnn *p, cr_tensor *out, cr_tensor *a, cr_tensor *b, bool turned,
                     cr_tensor *added) {
  if (!out || !a || !b) return (int)cr_error_code();
  const int64_t *sizes = cr__sizes(out), k_size = cr__sizes(a)[1];
  cr__launch k;
  cr__launch_begin(&k, p->op, p->device);
  add_matrix(&k, &k.matmul.out, out, false, sizes);
  add_matrix(&k, &k.matmul.a, a, false, (int64_t[]){sizes[0], k_size});
  add_matrix(&k, &k.matmul.b, b, turned, (int64_t[]){k_size, sizes[1]});
  if (added) add_matrix(&k, &k.matmul.added, added, false, sizes);
  return cr__launch_run(&k, CR__K_matmul);
}

cr_tensor *cr__rnn_mask(const cr__rnn *p, int64_t layer) {
  int64_t shape[2] = {p->rows, p->dirs * p->shown};
  cr_tensor *t = cr__new(p->op, p->compute, p->device, 2, shape);
  if (!t) return NULL;
  cr__launch k;
  cr__launch_begin(&k, p->op, p->device);
  cr__launch_view(&k, &k.bernoulli.out, t);
  k.bernoulli.rng = p->draws;
  k.bernoulli.rng.offset += (uint64_t)(layer * cr__draw_blocks(t->numel, false));
  k.bernoulli.probability = 1 - p->dropout;
  k.bernoulli.one = p->dropout < 1 ? 1 / (1 - p->dropout) : 0;
  return cr__filled(cr__launch_run(&k, CR__K_bernoulli), t);
}
