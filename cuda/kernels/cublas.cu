/* cuda/kernels/cublas.cu: products of matrices by cuBLASLt, where that library is installed.
 *
 * Holds true: it is opened at the first product, and only beside a driver that has been loaded; without
 * it the kernels of matmul.cu serve. What its heuristics answer is kept for the next product of the
 * same sizes, strides and alignment. cuBLASLt counts along columns first, so that c = a b is given to
 * it as c^T = b^T a^T. */
#include "cublas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "gemm.h"

extern "C" int cr__cuda_copy(cr__launch *k); /* copy.cu */

/* ---- The library ----------------------------------------------------------------------------------- */

enum { DEVICES = 64, PLANS = 128 };

typedef struct library {
#define X(name, result, parameters) result(*name) parameters;
  CUBLAS_FUNCTIONS(X)
#undef X
  bool there;
  char name[32];
  cublas_handle handle[DEVICES];
  bool refused[DEVICES]; /* no handle is to be had for it */
} library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over handles and plans */
static library lt = {};
static bool tf32; /* atomic */

static bool find_functions(void *handle) {
#define X(name, result, parameters)                     \
  *(void **)&lt.name = dlsym(handle, "cublasLt" #name); \
  if (!lt.name) return false;
  CUBLAS_FUNCTIONS(X)
#undef X
  return true;
}

/* By the names that carry a version, where the loader looks (LD_LIBRARY_PATH chooses another), then
 * where NVIDIA's installer puts it. The name without one may be any later interface. */
static void open_library(void) {
#define IN_TOOLKIT "/usr/local/cuda/lib64/"
  static const char *const names[] = {"libcublasLt.so.13",
                                      "libcublasLt.so.12",
                                      "libcublasLt.so.11",
                                      IN_TOOLKIT "libcublasLt.so.13",
                                      IN_TOOLKIT "libcublasLt.so.12",
                                      IN_TOOLKIT "libcublasLt.so.11"};
  snprintf(lt.name, sizeof lt.name, "built in");
  if (!dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD)) return; /* no driver: nothing to run on */
  for (const char *name : names) {
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) continue;
    if (!find_functions(handle)) {
      dlclose(handle);
      continue;
    }
    size_t v = lt.GetVersion();
    snprintf(lt.name, sizeof lt.name, "cuBLASLt %d.%d.%d", (int)(v / 10000), (int)(v / 100 % 100),
             (int)(v % 100));
    lt.there = true;
    return;
  }
}

static const char *gemm_name(void) {
  pthread_once(&once, open_library);
  return lt.name;
}
static void set_tf32(bool on) { __atomic_store_n(&tf32, on, __ATOMIC_RELAXED); }
static bool get_tf32(void) { return __atomic_load_n(&tf32, __ATOMIC_RELAXED); }

void cr__gemm_ops(cr__device_ops *o) {
  o->gemm_name = gemm_name;
  o->set_tf32 = set_tf32;
  o->tf32 = get_tf32;
}

/* The device's handle, NULL if there is none to be had. Under the mutex. */
static cublas_handle handle_of(int ordinal) {
  if (ordinal < 0 || ordinal >= DEVICES || lt.refused[ordinal]) return NULL;
  cublas_handle *handle = &lt.handle[ordinal];
  if (!*handle && lt.Create(handle) != CUBLAS_SUCCESS) {
    *handle = NULL;
    lt.refused[ordinal] = true;
  }
  return *handle;
}

/* ---- Plans ------------------------------------------------------------------------------------------- */

/* A factor as cuBLASLt sees it: transposed or not, with `leading` elements from column to column. */
typedef struct factor {
  const char *data;
  int32_t transposed, align;
  int64_t leading, batch;
} factor;

/* All that a plan depends on. Cleared before it is filled, as it is compared by its bytes. */
typedef struct plan_key {
  int32_t ordinal, dtype, tf32, epilogue, transposed_a, transposed_b;
  int32_t align[4], align_bias; /* align_bias: 0 without one */
  int64_t m, n, k, count;       /* of c^T: n x m */
  int64_t leading[4], batch[4]; /* of a, b, c, d */
} plan_key;

typedef struct plan {
  plan_key key;
  bool made, works;
  cublas_desc desc;
  cublas_layout layout[4];
  cublas_result best;
} plan;

static plan plans[PLANS];

static int type_of(int dtype) {
  switch (dtype) {
  case CR_FLOAT64: return TYPE_R_64F;
  case CR_FLOAT32: return TYPE_R_32F;
  case CR_FLOAT16: return TYPE_R_16F;
  default: return TYPE_R_16BF;
  }
}

static void drop_plan(plan *p) {
  if (p->desc) lt.MatmulDescDestroy(p->desc);
  for (cublas_layout layout : p->layout)
    if (layout) lt.MatrixLayoutDestroy(layout);
  memset(p, 0, sizeof *p);
}

static bool make_desc(plan *p) {
  const plan_key *k = &p->key;
  bool wide = k->dtype == CR_FLOAT64;
  int compute = wide ? COMPUTE_64F : k->tf32 ? COMPUTE_32F_TF32 : COMPUTE_32F;
  int32_t a = k->transposed_a ? CUBLAS_OP_TRANSPOSE : CUBLAS_OP_NONE;
  int32_t b = k->transposed_b ? CUBLAS_OP_TRANSPOSE : CUBLAS_OP_NONE;
  uint32_t epilogue = (uint32_t)k->epilogue;
  return !lt.MatmulDescCreate(&p->desc, compute, wide ? TYPE_R_64F : TYPE_R_32F) &&
         !lt.MatmulDescSetAttribute(p->desc, DESC_TRANSA, &a, sizeof a) &&
         !lt.MatmulDescSetAttribute(p->desc, DESC_TRANSB, &b, sizeof b) &&
         !lt.MatmulDescSetAttribute(p->desc, DESC_EPILOGUE, &epilogue, sizeof epilogue);
}

static bool make_layouts(plan *p) {
  const plan_key *k = &p->key;
  int64_t rows[4] = {k->transposed_a ? k->k : k->n, k->transposed_b ? k->m : k->k, k->n, k->n};
  int64_t columns[4] = {k->transposed_a ? k->n : k->k, k->transposed_b ? k->k : k->m, k->m, k->m};
  int32_t count = (int32_t)k->count;
  for (int i = 0; i < 4; i++) {
    if (lt.MatrixLayoutCreate(&p->layout[i], type_of(k->dtype), (uint64_t)rows[i],
                              (uint64_t)columns[i], k->leading[i]) ||
        lt.MatrixLayoutSetAttribute(p->layout[i], LAYOUT_BATCH_COUNT, &count, sizeof count) ||
        lt.MatrixLayoutSetAttribute(p->layout[i], LAYOUT_STRIDED_BATCH_OFFSET, &k->batch[i],
                                    sizeof k->batch[i]))
      return false;
  }
  return true;
}

static bool set_bias(plan *p, const void *bias) {
  return !bias || !lt.MatmulDescSetAttribute(p->desc, DESC_BIAS_POINTER, &bias, sizeof bias);
}

/* Parts of a sum over k are joined in the type that it is summed in, so 16 bits hold results only. */
static bool ask(plan *p, cublas_handle handle) {
  uint64_t room = 32 << 20; /* what NVIDIA recommends for Hopper */
  bool half = p->key.dtype == CR_FLOAT16 || p->key.dtype == CR_BFLOAT16;
  uint32_t schemes =
      REDUCTION_COMPUTE_TYPE | (half ? 0 : REDUCTION_IN_PLACE | REDUCTION_OUTPUT_TYPE);
  cublas_preference preference;
  int found = 0;
  if (lt.MatmulPreferenceCreate(&preference)) return false;
  bool ok = !lt.MatmulPreferenceSetAttribute(preference, PREFERENCE_MAX_WORKSPACE_BYTES, &room,
                                             sizeof room) &&
            !lt.MatmulPreferenceSetAttribute(preference, PREFERENCE_REDUCTION_SCHEMES, &schemes,
                                             sizeof schemes);
  for (int i = 0; i < 4 && ok; i++) {
    uint32_t align = (uint32_t)p->key.align[i];
    ok = !lt.MatmulPreferenceSetAttribute(preference, PREFERENCE_MIN_ALIGNMENT_A_BYTES + i, &align,
                                          sizeof align);
  }
  ok = ok && !lt.MatmulAlgoGetHeuristic(handle, p->desc, p->layout[0], p->layout[1], p->layout[2],
                                        p->layout[3], preference, 1, &p->best, &found);
  lt.MatmulPreferenceDestroy(preference);
  return ok && found == 1 && p->best.state == CUBLAS_SUCCESS;
}

/* The plan for a key, made if it is not there; one for another key may make room. The bias is told
 * before the heuristics are asked, as they read its alignment off the pointer. */
static plan *plan_for(const plan_key *key, cublas_handle handle, const void *bias) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < sizeof *key; i++)
    hash = (hash ^ ((const unsigned char *)key)[i]) * 1099511628211u;
  plan *p = &plans[hash % PLANS];
  if (p->made && memcmp(&p->key, key, sizeof *key) == 0) return p;
  drop_plan(p);
  p->key = *key;
  p->made = true;
  p->works = make_desc(p) && set_bias(p, bias) && make_layouts(p) && ask(p, handle);
  return p;
}

/* ---- Operands ------------------------------------------------------------------------------------------ */

static int32_t alignment(const void *p) {
  int32_t align = 256;
  while ((uintptr_t)p % (uintptr_t)align) align /= 2;
  return align;
}

/* Sees rows x columns elements, `row` and `column` apart, as columns in memory; false if they do not
 * lie so, transposed or not. */
static bool see(const char *data, int64_t rows, int64_t columns, int64_t row, int64_t column,
                int64_t batch, factor *f) {
  *f = {data, 0, alignment(data), 0, batch};
  if (batch < 0) return false;
  if (row == 1 && (column >= rows || columns == 1)) {
    f->leading = columns == 1 ? rows : column;
    return true;
  }
  f->transposed = 1;
  f->leading = rows == 1 ? columns : row;
  return (column == 1 || columns == 1) && (row >= columns || rows == 1);
}

/* Copies a batch of matrices; to: contiguous, or with the steps given. */
static int copy_matrices(const cr__product *p, char *to, const char *from, const int64_t *shape,
                         const int64_t *to_stride, const int64_t *from_stride) {
  cr__launch k = {};
  k.op = p->op;
  k.device = CR_CUDA + p->ordinal;
  k.nview = 2;
  k.copy.to.data = to, k.copy.from.data = (char *)from;
  k.copy.to.dtype = k.copy.from.dtype = p->dtype;
  k.copy.to.ndim = k.copy.from.ndim = 3;
  for (int d = 0; d < 3; d++) {
    k.copy.to.shape[d] = k.copy.from.shape[d] = shape[d];
    k.copy.to.stride[d] = to_stride[d];
    k.copy.from.stride[d] = from_stride[d];
  }
  return cr__cuda_copy(&k);
}

/* A factor in memory of its own, if it lies in no way that cuBLASLt takes. */
typedef struct packed {
  char *data; /* NULL: none was needed */
  size_t nbytes;
} packed;

static int pack(const cr__product *p, factor *f, packed *own, const char *data, int64_t rows,
                int64_t columns, int64_t row, int64_t column, int64_t batch) {
  if (see(data, rows, columns, row, column, batch, f)) return 0;
  int64_t count = batch == 0 ? 1 : p->count;
  int64_t shape[3] = {count, columns, rows}, to[3] = {rows * columns, rows, 1};
  int64_t from[3] = {batch, column, row};
  own->nbytes = (size_t)(count * rows * columns) * cr__size_of((cr_dtype)p->dtype);
  own->data = (char *)cr__cuda_alloc(p->ordinal, own->nbytes);
  if (!own->data) return CR_E_MEMORY;
  *f = {own->data, 0, alignment(own->data), rows, batch == 0 ? 0 : rows * columns};
  return copy_matrices(p, own->data, data, shape, to, from);
}

/* ---- The product ----------------------------------------------------------------------------------------- */

/* What is added: nothing, a row to every row of c, a matrix, or c itself, which holds it already. */
typedef struct addition {
  const char *bias;
  factor c;
  bool adds;
} addition;

static bool is_row(const cr__product *p) {
  return p->added && p->dn == 1 && p->dm == 0 && (p->count == 1 || p->ds == 0) &&
         p->dtype != CR_FLOAT64;
}

/* fuse: a row may be left to cuBLASLt's epilogue. */
static int prepare(const cr__product *p, const factor *d, bool fuse, addition *add) {
  *add = {NULL, *d, false};
  if (!p->added) return 0;
  if (fuse && is_row(p)) {
    add->bias = p->added;
    return 0;
  }
  add->adds = true;
  if (see(p->added, p->n, p->m, p->dn, p->dm, p->ds, &add->c) && !add->c.transposed) return 0;
  add->c = *d;
  int64_t shape[3] = {p->count, p->m, p->n}, to[3] = {p->cs, p->cm, p->cn};
  int64_t from[3] = {p->ds, p->dm, p->dn};
  return copy_matrices(p, p->c, p->added, shape, to, from);
}

static int run_plan(const cr__product *p, plan *q, cublas_handle handle, const factor *f,
                    const addition *add) {
  double one = 1, beta = add->adds ? 1 : 0;
  float one_float = 1, beta_float = (float)beta;
  bool wide = p->dtype == CR_FLOAT64;
  size_t nbytes = q->best.workspace;
  void *workspace = NULL;
  if (!set_bias(q, add->bias)) return -1;
  if (nbytes && !(workspace = cr__cuda_alloc(p->ordinal, nbytes))) return CR_E_MEMORY;
  cublas_status status =
      lt.Matmul(handle, q->desc, wide ? (void *)&one : (void *)&one_float, f[0].data, q->layout[0],
                f[1].data, q->layout[1], wide ? (void *)&beta : (void *)&beta_float, f[2].data,
                q->layout[2], (char *)f[3].data, q->layout[3], &q->best.algo, workspace, nbytes,
                cr__stream());
  if (workspace) cr__cuda_free(p->ordinal, workspace, nbytes);
  if (status == CUBLAS_SUCCESS) return 0;
  if (status == CUBLAS_NOT_SUPPORTED || status == CUBLAS_ARCH_MISMATCH) return -1;
  return cr__fail(CR_E_DEVICE, "%s: cuBLASLt stopped with status %d", p->op, status);
}

/* f: a, b, (c,) d. -1: no way was found. */
static int multiply(const cr__product *p, factor *f, bool fuse) {
  addition add;
  int code = prepare(p, &f[3], fuse, &add);
  if (code) return code;
  f[2] = add.c;
  plan_key key;
  memset(&key, 0, sizeof key);
  key.ordinal = p->ordinal;
  key.dtype = p->dtype;
  key.tf32 = p->dtype == CR_FLOAT32 && get_tf32();
  key.epilogue = add.bias ? EPILOGUE_BIAS : EPILOGUE_DEFAULT;
  key.transposed_a = f[0].transposed;
  key.transposed_b = f[1].transposed;
  key.m = p->m, key.n = p->n, key.k = p->k, key.count = p->count;
  for (int i = 0; i < 4; i++) {
    key.align[i] = f[i].align;
    key.leading[i] = f[i].leading;
    key.batch[i] = p->count > 1 ? f[i].batch : 0;
  }
  key.align_bias = add.bias ? alignment(add.bias) : 0;
  pthread_mutex_lock(&mutex);
  cublas_handle handle = handle_of(p->ordinal);
  plan *q = handle ? plan_for(&key, handle, add.bias) : NULL;
  code = q && q->works ? run_plan(p, q, handle, f, &add) : -1;
  pthread_mutex_unlock(&mutex);
  return code;
}

/* Whether copying a factor that lies badly pays. */
static bool is_large(const cr__product *p) {
  return (double)p->m * (double)p->n * (double)p->k >= 1 << 21;
}

int cr__cublas_gemm(const cr__product *p) {
  factor f[4];
  packed own[2] = {{NULL, 0}, {NULL, 0}};
  pthread_once(&once, open_library);
  if (!lt.there || cr__category((cr_dtype)p->dtype) != CR_FLOATING || p->k == 0) return -1;
  if (p->m > INT32_MAX || p->n > INT32_MAX || p->k > INT32_MAX || p->count > INT32_MAX) return -1;
  if (!see(p->c, p->n, p->m, p->cn, p->cm, p->cs, &f[3]) || f[3].transposed) return -1;
  bool fits = see(p->b, p->n, p->k, p->bn, p->bk, p->bs, &f[0]) &&
              see(p->a, p->k, p->m, p->ak, p->am, p->as, &f[1]);
  if (!fits && !is_large(p)) return -1;
  int code = pack(p, &f[0], &own[0], p->b, p->n, p->k, p->bn, p->bk, p->bs);
  if (!code) code = pack(p, &f[1], &own[1], p->a, p->k, p->m, p->ak, p->am, p->as);
  if (!code) code = multiply(p, f, true);
  if (code < 0 && is_row(p)) code = multiply(p, f, false);
  for (packed &o : own)
    if (o.data) cr__cuda_free(p->ordinal, o.data, o.nbytes);
  return code;
}
