/* cuda/kernels/rnn.cu: the steps of a recurrent layer in one direction, forward and backward.
 *
 * Holds true: a step is a product of states and weights (matmul.cu), and one kernel for the gates of all its sequences; the
 * arithmetic is the CPU's (rnn_cells.h). src/cpu/rnn.c says what the views and rows are. */
#include "grid.h"
#include "scalar.cuh"
/* Integers' functions, which come with it, compare unsigned types with 0 as well. */
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma nv_diag_suppress 186
#pragma GCC diagnostic ignored "-Wtype-limits"
#include "scalar/scalar.h"
#include "scalar/rnn.h"

#define T double
#define F(name) f64_##name
#define M(name) name
#include "scalar/rnn_cells.h"
#undef T
#undef F
#undef M
#define T float
#define F(name) f32_##name
#define M(name) name##f
#include "scalar/rnn_cells.h"
#undef T
#undef F
#undef M

extern "C" int cr__cuda_matmul(cr__launch *k);

/* ---- Units -------------------------------------------------------------------------------------- */

/* The functions of rnn_cells.h by type. */
template <typename T> struct rnn_unit;
#define RNN_UNIT(T, P)                                                                      \
  template <> struct rnn_unit<T> {                                                          \
    typedef P##_lstm_slopes lstm_slopes;                                                    \
    typedef P##_gru_slopes gru_slopes;                                                      \
    static __device__ T tanh(T x) { return P##_tanh(x); }                                   \
    static __device__ T tanh_d(T g, T x) { return P##_tanh_d(g, x); }                       \
    static __device__ T relu(T x) { return P##_rnn_relu(x); }                               \
    static __device__ T relu_d(T g, T x) { return P##_rnn_relu_d(g, x); }                   \
    static __device__ T sigmoid(T x) { return P##_sigmoid(x); }                             \
    static __device__ T lstm_cell(T i, T f, T g, T c) { return P##_lstm_cell(i, f, g, c); } \
    static __device__ T lstm_out(T o, T c) { return P##_lstm_out(o, c); }                   \
    static __device__ T gru_out(T z, T n, T h) { return P##_gru_out(z, n, h); }             \
    static __device__ lstm_slopes lstm_back(T i, T f, T g, T o, T c, T by, T carry) {       \
      return P##_lstm_back(i, f, g, o, c, by, carry);                                       \
    }                                                                                       \
    static __device__ gru_slopes gru_back(T r, T z, T n, T p, T h, T by) {                  \
      return P##_gru_back(r, z, n, p, h, by);                                               \
    }                                                                                       \
  };
RNN_UNIT(double, f64)
RNN_UNIT(float, f32)

/* A matrix whose neighbours in a row lie side by side. */
template <typename T> struct rnn_matrix {
  T *at;
  int64_t row;
};
template <typename T> static rnn_matrix<T> matrix_of(const cr__view *v) {
  return {(T *)(void *)v->data, v->stride[0]};
}

/* A step: n sequences from row `row` on, of which the first `both` take what row `other` on has. */
typedef struct rnn_step {
  int64_t n, row, both, other;
} rnn_step;

template <typename T> struct rnn_job {
  int mode;
  int64_t steps, batch, hidden, shown, kept_out, kept_state;
  bool backwards, projects;
  rnn_matrix<T> gates, kept, out, first, cell, room, by_gates, by_products;
};

/* ---- Kernels -------------------------------------------------------------------------------------- */

template <typename T>
static __device__ __forceinline__ const T *state_before(const rnn_job<T> &j, const rnn_step &s,
                                                        int64_t b) {
  return b < s.both ? j.out.at + (s.other + b) * j.out.row : j.first.at + b * j.first.row;
}

/* One unit of one sequence a thread; of what is kept of states, which may be fewer than units, one element. */
template <typename T> static __global__ void run_cells(rnn_job<T> j, rnn_step s) {
  typedef rnn_unit<T> U;
  int64_t n = j.hidden;
  CR__EACH(at, s.n * n) {
    int64_t b = at / n, i = at - b * n, row = s.row + b;
    T *x = j.gates.at + row * j.gates.row + i, *kept = NULL, h;
    const T *before = state_before(j, s, b);
    if (j.kept.at) kept = j.kept.at + row * j.kept.row;
    for (int64_t u = i; kept && u < j.shown; u += n) kept[j.kept_state + u] = before[u];
    if (j.mode == CR__LSTM) {
      T *c = j.cell.at + b * j.cell.row + i, old = *c;
      if (kept) kept[i] = old;
      *c = U::lstm_cell(x[0], x[n], x[2 * n], old);
      h = U::lstm_out(x[3 * n], *c);
    } else if (j.mode == CR__GRU) {
      const T *p = j.room.at + b * j.room.row + i;
      x[0] += p[0];
      x[n] += p[n];
      x[2 * n] += U::sigmoid(x[0]) * p[2 * n];
      if (kept) kept[i] = p[2 * n];
      h = U::gru_out(x[n], x[2 * n], before[i]);
    } else {
      h = j.mode == CR__RNN_TANH ? U::tanh(x[0]) : U::relu(x[0]);
    }
    if (j.projects) kept[j.kept_out + i] = h;
    else j.out.at[row * j.out.row + i] = h;
  }
}

template <typename T> static __global__ void run_cells_back(rnn_job<T> j, rnn_step s) {
  typedef rnn_unit<T> U;
  int64_t n = j.hidden;
  CR__EACH(at, s.n * n) {
    int64_t b = at / n, i = at - b * n, row = s.row + b;
    const T *x = j.gates.at + row * j.gates.row + i, *kept = j.kept.at + row * j.kept.row + i;
    T g = j.projects ? j.room.at[b * j.room.row + i] : j.out.at[row * j.out.row + i];
    T *to = j.by_gates.at + row * j.by_gates.row + i, *carry = NULL;
    if (j.cell.at) carry = j.cell.at + b * j.cell.row + i;
    if (j.mode == CR__LSTM) {
      typename U::lstm_slopes d = U::lstm_back(x[0], x[n], x[2 * n], x[3 * n], kept[0], g, *carry);
      to[0] = d.in, to[n] = d.forget, to[2 * n] = d.fresh, to[3 * n] = d.shown;
      *carry = d.carry;
    } else if (j.mode == CR__GRU) {
      T *too = j.by_products.at + row * j.by_products.row + i;
      typename U::gru_slopes d =
          U::gru_back(x[0], x[n], x[2 * n], kept[0], kept[j.kept_state], g + *carry);
      to[0] = too[0] = d.reset, to[n] = too[n] = d.update, to[2 * n] = d.fresh;
      too[2 * n] = d.product;
      *carry = d.carry;
    } else {
      to[0] = j.mode == CR__RNN_TANH ? U::tanh_d(g, x[0]) : U::relu_d(g, x[0]);
    }
  }
}

/* ---- Products --------------------------------------------------------------------------------------- */

/* A matrix of a product: rows x columns, from `at` on. */
typedef struct rnn_factor {
  const void *at;
  int64_t rows, columns, row, column; /* row, column: steps */
} rnn_factor;

static void set_view(cr__view *v, int dtype, const rnn_factor *f) {
  v->data = (char *)f->at;
  v->dtype = dtype, v->ndim = 3;
  v->shape[0] = 1, v->shape[1] = f->rows, v->shape[2] = f->columns;
  v->stride[0] = 0, v->stride[1] = f->row, v->stride[2] = f->column;
}

/* c = a b (+ added, where it has an address) */
static int multiply(const cr__launch *k, int dtype, const rnn_factor *c, const rnn_factor *a,
                    const rnn_factor *b, const rnn_factor *added) {
  cr__launch p;
  p.op = k->op, p.device = p.elsewhere = k->device;
  p.nview = 4, p.nrow = 0;
  set_view(&p.matmul.out, dtype, c);
  set_view(&p.matmul.a, dtype, a);
  set_view(&p.matmul.b, dtype, b);
  p.matmul.added.data = NULL;
  if (added) set_view(&p.matmul.added, dtype, added);
  return c->rows > 0 ? cr__cuda_matmul(&p) : 0;
}

template <typename T>
static rnn_factor rows_of(const rnn_matrix<T> &m, int64_t first, int64_t rows, int64_t columns) {
  return {m.at + first * m.row, rows, columns, m.row, 1};
}

static rnn_factor factor_of(const cr__view *v, bool turned) {
  if (turned) return {v->data, v->shape[1], v->shape[0], v->stride[1], v->stride[0]};
  return {v->data, v->shape[0], v->shape[1], v->stride[0], v->stride[1]};
}

/* ---- The steps ---------------------------------------------------------------------------------------- */

/* Step i of those that a direction goes through; `onward`: beside the one after it, not the one before. */
template <typename T>
static rnn_step step_at(const cr__launch *k, const rnn_job<T> &j, int64_t i, bool onward) {
  int64_t t = j.backwards ? j.steps - 1 - i : i, u = t + (onward == j.backwards ? -1 : 1);
  rnn_step s = {k->rows[t].n, k->rows[t].step, 0, 0};
  if (u < 0 || u >= j.steps) return s;
  s.both = k->rows[u].n < s.n ? k->rows[u].n : s.n;
  s.other = k->rows[u].step;
  return s;
}

/* Adds the states' part to the gates, or for a GRU leaves it in the room. */
template <typename T>
static int add_states(const cr__launch *k, const rnn_job<T> &j, const rnn_step &s, int dtype) {
  const cr__rnn_slots *v = &k->rnn;
  rnn_factor weight = factor_of(&v->weight, true);
  int64_t wide = v->weight.shape[0];
  bool apart = j.mode == CR__GRU;
  int code = 0;
  for (int part = 0; part < 2 && !code; part++) {
    int64_t from = part ? s.both : 0, n = part ? s.n - s.both : s.both;
    rnn_factor a = part ? rows_of(j.first, from, n, j.shown) : rows_of(j.out, s.other, n, j.shown);
    rnn_factor c = apart ? rows_of(j.room, from, n, wide) : rows_of(j.gates, s.row + from, n, wide);
    rnn_factor bias = {v->bias.data, n, wide, 0, 1};
    const rnn_factor *added = !apart ? &c : v->bias.data ? &bias : NULL;
    code = multiply(k, dtype, &c, &a, &weight, added);
  }
  return code;
}

template <typename T> static int forward(const cr__launch *k, const rnn_job<T> &j, int dtype) {
  int code = 0;
  for (int64_t i = 0; i < j.steps && !code; i++) {
    rnn_step s = step_at(k, j, i, false);
    code = add_states(k, j, s, dtype);
    if (!code)
      code = CR__LAUNCH(k->op, run_cells<T>, cr__blocks_for(s.n * j.hidden), CR__THREADS, 0, j, s);
    if (code || !j.projects) continue;
    rnn_factor c = rows_of(j.out, s.row, s.n, j.shown), a = rows_of(j.kept, s.row, s.n, j.hidden);
    a.at = j.kept.at + s.row * j.kept.row + j.kept_out;
    rnn_factor b = factor_of(&k->rnn.projection, true);
    code = multiply(k, dtype, &c, &a, &b, NULL);
  }
  return code;
}

template <typename T> static int backward(const cr__launch *k, const rnn_job<T> &j, int dtype) {
  const cr__rnn_backward_slots *v = &k->rnn_backward;
  rnn_factor weight = factor_of(&v->weight, false);
  int64_t wide = v->weight.shape[0];
  int code = 0;
  for (int64_t i = j.steps - 1; i >= 0 && !code; i--) {
    rnn_step s = step_at(k, j, i, true);
    rnn_factor c = rows_of(j.out, s.row, s.both, j.shown);
    rnn_factor a = rows_of(j.by_products, s.other, s.both, wide);
    code = multiply(k, dtype, &c, &a, &weight, &c);
    if (!code && j.projects) {
      rnn_factor all = rows_of(j.out, s.row, s.n, j.shown), r = rows_of(j.room, 0, s.n, j.hidden);
      rnn_factor b = factor_of(&v->projection, false);
      code = multiply(k, dtype, &r, &all, &b, NULL);
    }
    if (!code)
      code = CR__LAUNCH(k->op, run_cells_back<T>, cr__blocks_for(s.n * j.hidden), CR__THREADS, 0, j,
                        s);
  }
  return code;
}

template <typename T>
static rnn_job<T> job_of(const cr__launch *k, const cr__view *gates, const cr__view *weight,
                         int64_t mode, bool backwards, bool projects) {
  rnn_job<T> j = {};
  j.mode = (int)mode, j.backwards = backwards, j.projects = projects;
  j.steps = k->nrow;
  for (int64_t t = 0; t < j.steps; t++)
    if (k->rows[t].n > j.batch) j.batch = k->rows[t].n;
  j.gates = matrix_of<T>(gates);
  j.hidden = gates->shape[1] / CR__RNN_GATES(mode);
  j.shown = weight->shape[1];
  j.kept_out = j.hidden;
  j.kept_state = mode == CR__LSTM ? (1 + projects) * j.hidden : mode == CR__GRU ? j.hidden : 0;
  return j;
}

/* Runs the steps with room of so many elements for each sequence. */
template <typename T>
static int with_room(const cr__launch *k, rnn_job<T> &j, int64_t columns, bool back, int dtype) {
  if (j.batch == 0 || j.hidden == 0) return 0;
  size_t nbytes = (size_t)(j.batch * columns) * sizeof(T);
  int ordinal = cr__ordinal_of(k->device);
  if (nbytes) j.room = {(T *)cr__cuda_alloc(ordinal, nbytes), columns};
  if (nbytes && !j.room.at) return CR_E_MEMORY;
  int code = back ? backward(k, j, dtype) : forward(k, j, dtype);
  if (nbytes) cr__cuda_free(ordinal, j.room.at, nbytes);
  return code;
}

template <typename T> static int run_forward(const cr__launch *k) {
  const cr__rnn_slots *s = &k->rnn;
  bool projects = s->projection.data != NULL;
  rnn_job<T> j = job_of<T>(k, &s->gates, &s->weight, s->mode, s->backwards, projects);
  j.out = matrix_of<T>(&s->out), j.first = matrix_of<T>(&s->first);
  if (s->kept.data) j.kept = matrix_of<T>(&s->kept);
  if (s->cell.data) j.cell = matrix_of<T>(&s->cell);
  return with_room(k, j, s->mode == CR__GRU ? 3 * j.hidden : 0, false, s->gates.dtype);
}

template <typename T> static int run_backward(const cr__launch *k) {
  const cr__rnn_backward_slots *s = &k->rnn_backward;
  bool projects = s->projection.data != NULL;
  rnn_job<T> j = job_of<T>(k, &s->gates, &s->weight, s->mode, s->backwards, projects);
  j.kept = matrix_of<T>(&s->kept), j.out = matrix_of<T>(&s->grad);
  if (s->carry.data) j.cell = matrix_of<T>(&s->carry);
  j.by_gates = matrix_of<T>(&s->by_gates);
  j.by_products = s->by_products.data ? matrix_of<T>(&s->by_products) : j.by_gates;
  return with_room(k, j, projects ? j.hidden : 0, true, s->gates.dtype);
}

extern "C" int cr__cuda_rnn(cr__launch *k) {
  return k->rnn.gates.dtype == CR_FLOAT64 ? run_forward<double>(k) : run_forward<float>(k);
}

extern "C" int cr__cuda_rnn_backward(cr__launch *k) {
  return k->rnn_backward.gates.dtype == CR_FLOAT64 ? run_backward<double>(k)
                                                   : run_backward<float>(k);
}
