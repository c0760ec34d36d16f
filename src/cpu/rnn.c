/* rnn.c: the steps of a recurrent layer in one direction, forward and backward.
 *
 * Holds true: rows are those of the sequences at one step, one step after the other; of step t there are rows[t].n, from
 * row rows[t].step on, and no sequence is there at a later step and not at an earlier one. Threads share the
 * sequences, which go through all steps on their own, or, where there are few, the columns of each step's products;
 * no result depends on that. Between steps the host may stop the call. */
#include "rnn.h"

#include <string.h>

#include "cpu.h"
#include "gemm.h"

/* BLOCK: sequences that go through the steps together at most. FEW: to a thread, and STEP: the work of a step from
 * which on its columns are shared out instead. */
enum { BLOCK = 42, FEW = 8, STEP = 1 << 18 };

typedef struct matrix { /* neighbours in a row lie side by side */
  char *at;
  int64_t row; /* bytes */
} matrix;

typedef struct job {
  const cr__launch *k;
  const cr__rnn_loops *loops;
  int mode, dtype;
  bool backwards, shares_rows; /* shares_rows: sequences are shared out; else each step's columns */
  int64_t size, steps, batch, hidden,
      shown;        /* shown: elements of a state, which may be projected */
  int64_t room_row; /* bytes of the room that a sequence has; or 0 */
  matrix gates, kept, out, first, cell, room, by_products;
  int64_t kept_out;   /* bytes from the start of a row of kept to what is projected, and ... */
  int64_t kept_state; /* ... to the state before */
  const char *bias;
  cr__gemm_kept weight, projection;
  int64_t work; /* of one sequence's step */
  int64_t i;    /* the step that columns are shared out of */
} job;

static matrix matrix_of(const cr__view *v) {
  return (matrix){v->data, v->stride[0] * (int64_t)cr__size_of((cr_dtype)v->dtype)};
}
static char *row_of(const matrix *m, int64_t i) { return m->at + i * m->row; }

/* ---- Steps ------------------------------------------------------------------------------------------- */

/* A step and the one that it takes its states from: of its first `both` sequences; the others begin or end. */
typedef struct step {
  int64_t n, row, both, other; /* rows, the first one of each */
} step;

/* Number i of those that a direction goes through; `onward`: beside the one after it, not the one before. */
static step step_at(const job *j, int64_t i, bool onward) {
  const cr__row *rows = j->k->rows;
  int64_t t = j->backwards ? j->steps - 1 - i : i, by = onward == j->backwards ? -1 : 1, u = t + by;
  step s = {.n = rows[t].n, .row = rows[t].step};
  if (u < 0 || u >= j->steps) return s;
  s.both = rows[u].n < s.n ? rows[u].n : s.n;
  s.other = rows[u].step;
  return s;
}

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The state that sequence b comes to a step with. */
static const char *state_before(const job *j, const step *s, int64_t b) {
  return b < s->both ? row_of(&j->out, s->other + b) : row_of(&j->first, b);
}

/* ---- Forward ----------------------------------------------------------------------------------------- */

/* Adds the states' part to the gates of sequences [b, end), or for a GRU leaves it in their room. */
static void add_states(const job *j, const step *s, int64_t b, int64_t end, int64_t p0,
                       int64_t p1) {
  bool apart = j->mode == CR__GRU;
  int64_t middle = most(b, least(end, s->both));
  for (int part = 0; part < 2; part++) {
    int64_t from = part ? middle : b, to = part ? end : middle;
    if (from >= to) continue;
    cr__gemm_rows r = {.rows = to - from, .a = state_before(j, s, from)};
    r.ar = part ? j->first.row : j->out.row;
    r.c = apart ? row_of(&j->room, from) : row_of(&j->gates, s->row + from);
    r.cr = apart ? j->room.row : j->gates.row;
    r.d = apart ? j->bias : r.c;
    r.dr = apart ? 0 : r.cr;
    cr__gemm_times(&j->weight, &r, p0, p1);
  }
}

static void run_cells(const job *j, const step *s, int64_t begin, int64_t end) {
  bool projects = j->projection.l;
  for (int64_t b = begin; b < end; b++) {
    const char *before = state_before(j, s, b);
    char *kept = j->kept.at ? row_of(&j->kept, s->row + b) : NULL;
    if (kept) memcpy(kept + j->kept_state, before, (size_t)(j->shown * j->size));
    cr__cell c = {.n = j->hidden, .gates = row_of(&j->gates, s->row + b), .state = before};
    c.products = j->room.at ? row_of(&j->room, b) : NULL;
    c.cell = j->cell.at ? row_of(&j->cell, b) : NULL;
    c.kept = kept;
    c.out = projects ? kept + j->kept_out : row_of(&j->out, s->row + b);
    j->loops->forward[j->mode](&c);
  }
}

static void project(const job *j, const step *s, int64_t b, int64_t end, int64_t p0, int64_t p1) {
  if (b >= end) return;
  cr__gemm_times(&j->projection,
                 &(cr__gemm_rows){.rows = end - b,
                                  .a = row_of(&j->kept, s->row + b) + j->kept_out,
                                  .ar = j->kept.row,
                                  .c = row_of(&j->out, s->row + b),
                                  .cr = j->out.row},
                 p0, p1);
}

/* ---- Backward: `out` has the gradients of the states --------------------------------------------------- */

/* Adds what the step after sends back to the gradients of sequences [b, end). */
static void gather_back(const job *j, const step *s, int64_t b, int64_t end, int64_t p0,
                        int64_t p1) {
  end = least(end, s->both);
  if (b >= end) return;
  const matrix *from = &j->by_products;
  cr__gemm_rows r = {.rows = end - b, .a = row_of(from, s->other + b), .ar = from->row};
  r.c = row_of(&j->out, s->row + b), r.cr = j->out.row;
  r.d = r.c, r.dr = r.cr;
  cr__gemm_times(&j->weight, &r, p0, p1);
}

static void project_back(const job *j, const step *s, int64_t b, int64_t end, int64_t p0,
                         int64_t p1) {
  if (b >= end) return;
  cr__gemm_times(&j->projection,
                 &(cr__gemm_rows){.rows = end - b,
                                  .a = row_of(&j->out, s->row + b),
                                  .ar = j->out.row,
                                  .c = row_of(&j->room, b),
                                  .cr = j->room.row},
                 p0, p1);
}

static void run_cells_back(const job *j, const step *s, int64_t begin, int64_t end) {
  const cr__rnn_backward_slots *k = &j->k->rnn_backward;
  matrix by_gates = matrix_of(&k->by_gates);
  bool projects = j->projection.l;
  for (int64_t b = begin; b < end; b++) {
    int64_t row = s->row + b;
    cr__cell_back c = {.n = j->hidden, .gates = row_of(&j->gates, row)};
    c.kept = row_of(&j->kept, row);
    c.state = row_of(&j->kept, row) + j->kept_state;
    c.grad = projects ? row_of(&j->room, b) : row_of(&j->out, row);
    c.carry = j->cell.at ? row_of(&j->cell, b) : NULL;
    c.by_gates = row_of(&by_gates, row);
    c.by_products = row_of(&j->by_products, row);
    j->loops->backward[j->mode](&c);
  }
}

/* ---- A step in parts ------------------------------------------------------------------------------------ */

/* The parts of a step: a product, the cells, and the product with the projection, before the cells or behind them. */
typedef struct part {
  void (*product)(const job *j, const step *s, int64_t b, int64_t end, int64_t p0, int64_t p1);
  void (*cells)(const job *j, const step *s, int64_t b, int64_t end);
  const cr__gemm_kept *factor;
} part;

static int parts_of(const job *j, bool back, part parts[3]) {
  int n = 0;
  const cr__gemm_kept *p = &j->projection;
  parts[n++] = (part){.product = back ? gather_back : add_states, .factor = &j->weight};
  if (p->l && back) parts[n++] = (part){.product = project_back, .factor = p};
  parts[n++] = (part){.cells = back ? run_cells_back : run_cells};
  if (p->l && !back) parts[n++] = (part){.product = project, .factor = p};
  return n;
}

typedef struct task {
  const job *j;
  bool back;
  int64_t block; /* sequences of a unit */
  part part;
  step step;
} task;

static int64_t number(const job *j, bool back, int64_t i) { return back ? j->steps - 1 - i : i; }

/* Units of sequences, each through all steps. */
static void run_sequences(void *task_, int64_t begin, int64_t end) {
  const task *t = task_;
  const job *j = t->j;
  part parts[3];
  int n = parts_of(j, t->back, parts);
  for (int64_t u = begin; u < end; u++) {
    for (int64_t i = 0; i < j->steps && !cr__cpu_stopped(); i++) {
      step s = step_at(j, number(j, t->back, i), t->back);
      int64_t b = u * t->block, to = least(b + t->block, s.n);
      for (int p = 0; p < n && b < to; p++) {
        if (parts[p].cells) parts[p].cells(j, &s, b, to);
        else parts[p].product(j, &s, b, to, 0, parts[p].factor->panels);
      }
    }
  }
}

static void run_columns(void *task_, int64_t begin, int64_t end) {
  const task *t = task_;
  t->part.product(t->j, &t->step, 0, t->step.n, begin, end);
}

static void run_rows(void *task_, int64_t begin, int64_t end) {
  const task *t = task_;
  t->part.cells(t->j, &t->step, begin, end);
}

static int run_steps(task *t) {
  const job *j = t->j;
  part parts[3];
  int n = parts_of(j, t->back, parts), code = 0;
  for (int64_t i = 0; i < j->steps && !code; i++) {
    t->step = step_at(j, number(j, t->back, i), t->back);
    code = cr__interrupted();
    for (int p = 0; p < n && !code; p++) {
      t->part = parts[p];
      code = t->part.cells
                 ? cr__cpu_share(t->step.n, t->step.n * j->hidden * 4, run_rows, t)
                 : cr__cpu_share(t->part.factor->panels, t->step.n * j->work, run_columns, t);
    }
  }
  return code;
}

static int run(const job *j, bool back) {
  int64_t all = 0;
  for (int64_t t = 0; t < j->steps; t++) all += j->k->rows[t].n;
  if (__builtin_mul_overflow(all, j->work, &all)) all = INT64_MAX;
  int64_t threads = cr__cpu_threads(all);
  task t = {.j = j, .back = back};
  if (threads > 1 && j->batch < FEW * threads && j->batch * j->work >= STEP) return run_steps(&t);
  int64_t rounds = (j->batch + BLOCK * threads - 1) / (BLOCK * threads);
  t.block = (j->batch + threads * rounds - 1) / (threads * rounds);
  return cr__cpu_share((j->batch + t.block - 1) / t.block, all, run_sequences, &t);
}

/* ---- The kernels ------------------------------------------------------------------------------------------ */

static job job_of(const cr__launch *k, const cr__view *gates, int64_t mode, bool backwards) {
  job j = {.k = k, .mode = (int)mode, .dtype = gates->dtype, .backwards = backwards};
  j.loops = cr__rnn_loops_here(j.dtype == CR_FLOAT64);
  j.size = (int64_t)cr__size_of((cr_dtype)j.dtype);
  j.steps = k->nrow;
  for (int64_t t = 0; t < j.steps; t++) j.batch = most(j.batch, k->rows[t].n);
  j.gates = matrix_of(gates);
  j.hidden = gates->shape[1] / CR__RNN_GATES(mode);
  return j;
}

/* What a row of kept holds: LSTM: the cell before; with a projection also what is projected; GRU: the state's part of
 * the new gate. Then, always, the state before. */
static void lay_out_kept(job *j, bool projects) {
  j->kept_out = j->hidden * j->size;
  j->kept_state = j->mode == CR__LSTM  ? (1 + projects) * j->kept_out
                  : j->mode == CR__GRU ? j->kept_out
                                       : 0;
}

/* Packs the weights, takes room, runs all steps. */
static int finish(job *j, bool back, const cr__view *weight, const cr__view *projection) {
  const char *op = j->k->op;
  int64_t wide = weight->shape[0], row = weight->stride[0];
  j->shown = weight->shape[1];
  j->work = wide * j->shown / 16 + 8 * j->hidden;
  int code =
      back
          ? cr__gemm_keep(&j->weight, op, j->dtype, weight->data, wide, j->shown, row, 1, j->batch)
          : cr__gemm_keep(&j->weight, op, j->dtype, weight->data, j->shown, wide, 1, row, j->batch);
  if (!code && projection->data) {
    int64_t step = projection->stride[0];
    code = back ? cr__gemm_keep(&j->projection, op, j->dtype, projection->data, j->shown, j->hidden,
                                step, 1, j->batch)
                : cr__gemm_keep(&j->projection, op, j->dtype, projection->data, j->hidden, j->shown,
                                1, step, j->batch);
  }
  size_t room = (size_t)(j->batch * j->room_row);
  j->room.row = j->room_row;
  if (!code && room && !(j->room.at = cr__host_alloc_for(op, room))) code = (int)cr_error_code();
  if (!code) code = run(j, back);
  if (j->room.at) cr__host_free(j->room.at, room);
  cr__gemm_drop(&j->weight);
  cr__gemm_drop(&j->projection);
  return code;
}

/* All steps of one direction of a layer. All are float32 or float64, and neighbours in a row lie side by side. gates:
 * rows x (gates x hidden), on entry the input's part with the biases (of a GRU that of the input), at the end what the
 * gates have been summed up to. kept, where it is there: what the derivative needs of each row (lay_out_kept); always
 * there with a projection. out: rows x shown, the states; first: batch x shown, those before the first step; cell: an
 * LSTM's, batch x hidden, from the first to the last. weight: (gates x hidden) x shown; bias: a GRU's for the
 * state's part; projection: shown x hidden. backwards: from the last step to the first. */
int cr__cpu_rnn(cr__launch *k) {
  const cr__rnn_slots *s = &k->rnn;
  job j = job_of(k, &s->gates, s->mode, s->backwards);
  if (j.batch == 0 || j.hidden == 0) return 0;
  j.out = matrix_of(&s->out), j.first = matrix_of(&s->first);
  if (s->kept.data) j.kept = matrix_of(&s->kept);
  if (s->cell.data) j.cell = matrix_of(&s->cell);
  j.bias = s->bias.data;
  if (j.mode == CR__GRU) j.room_row = 3 * j.hidden * j.size;
  lay_out_kept(&j, s->projection.data);
  return finish(&j, false, &s->weight, &s->projection);
}

/* The derivative of that. gates, kept, weight and projection are as above; grad: rows x shown, the gradients of the
 * states as far as they come from elsewhere, which become the whole ones; carry: batch x hidden, the gradient of
 * the last cell, which becomes that of the first; for a GRU zeros, which become what the first state gets beside
 * the products. by_gates, by_products: the gradients of the input's and (GRU) the state's part of the gates. */
int cr__cpu_rnn_backward(cr__launch *k) {
  const cr__rnn_backward_slots *s = &k->rnn_backward;
  job j = job_of(k, &s->gates, s->mode, s->backwards);
  if (j.batch == 0 || j.hidden == 0) return 0;
  j.kept = matrix_of(&s->kept), j.out = matrix_of(&s->grad);
  if (s->carry.data) j.cell = matrix_of(&s->carry);
  j.by_products = matrix_of(s->by_products.data ? &s->by_products : &s->by_gates);
  if (s->projection.data) j.room_row = j.hidden * j.size;
  lay_out_kept(&j, s->projection.data);
  return finish(&j, true, &s->weight, &s->projection);
}

#ifdef __x86_64__
extern const cr__rnn_loops cr__rnn_loops_v2[2], cr__rnn_loops_v3[2], cr__rnn_loops_v4[2];
const cr__rnn_loops *cr__rnn_loops_here(bool wide) {
  static const cr__rnn_loops *const by_level[] = {cr__rnn_loops_v2, cr__rnn_loops_v3,
                                                  cr__rnn_loops_v4};
  return by_level[cr__cpu_level()] + wide;
}
#else
extern const cr__rnn_loops cr__rnn_loops_base[2];
const cr__rnn_loops *cr__rnn_loops_here(bool wide) { return cr__rnn_loops_base + wide; }
#endif
