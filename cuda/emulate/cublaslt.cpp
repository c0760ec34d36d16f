/* cublaslt.cpp: cuBLASLt on the heap: the part of it that cublas.cu uses, and the loader that finds it.
 *
 * Holds true: what NVIDIA's documentation forbids ends the process with a sentence; what it leaves to
 * the library (which products it takes, what workspace it wants) is answered in different ways.
 * Products are queued as kernels are, and fill their workspace with NaN. The environment sets the
 * library:
 *   CRESSET_EMULATE_CUBLAS          its version, 11 to 13 (0: the machine has none)
 *   CRESSET_EMULATE_CUBLAS_LACKS    a function that it does not have
 *   CRESSET_EMULATE_CUBLAS_REFUSES  "handle": there is none to be had; "product", "bias": it knows no
 *                                   algorithm (for a product with a bias); "run": it knows one, but
 *                                   does not run it
 *   CRESSET_EMULATE_CUBLAS_TRACE    1: writes a line to standard error for each product */
#include "emulate.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cublas.h"

#define X(name, result, parameters) static result name parameters;
CUBLAS_FUNCTIONS(X)
#undef X

struct cublas_handle_ {
  int device;
};
struct cublas_desc_ {
  int compute, scale;
  int32_t transposed_a, transposed_b;
  uint32_t epilogue;
  const void *bias;
};
struct cublas_layout_ {
  int type;
  int64_t rows, columns, leading; /* leading: elements from column to column */
  int32_t count;
  int64_t batch; /* elements from matrix to matrix */
};
struct cublas_preference_ {
  uint64_t workspace;
  uint32_t schemes, align[4];
};

/* ---- The loader ---- */

static const int version = (int)cr__emulate_setting("CRESSET_EMULATE_CUBLAS", 0);
static const bool traces = cr__emulate_setting("CRESSET_EMULATE_CUBLAS_TRACE", 0) != 0;
static char driver, library;

/* The driver is there whenever the library is. */
void *cr__emulate_dlopen(const char *name, int) {
  char own[32];
  snprintf(own, sizeof own, "libcublasLt.so.%d", version);
  if (version && strcmp(name, "libcuda.so.1") == 0) return &driver;
  return version && strcmp(name, own) == 0 ? &library : NULL;
}

void *cr__emulate_dlsym(void *from, const char *name) {
  const char *lacks = getenv("CRESSET_EMULATE_CUBLAS_LACKS");
  if (from != &library || (lacks && strcmp(lacks, name) == 0)) return NULL;
#define X(function, result, parameters) \
  if (strcmp(name, "cublasLt" #function) == 0) return (void *)function;
  CUBLAS_FUNCTIONS(X)
#undef X
  return NULL;
}

int cr__emulate_dlclose(void *) { return 0; }

/* ---- What callers must keep to ---- */

static void demand(bool kept, const char *rule) {
  if (kept) return;
  fprintf(stderr, "cuda emulation: cuBLASLt demands that %s\n", rule);
  abort();
}

static bool refuses(const char *what) {
  const char *text = getenv("CRESSET_EMULATE_CUBLAS_REFUSES");
  return text && strcmp(text, what) == 0;
}

static uint32_t alignment(const void *p) {
  uint32_t align = 256;
  while ((uintptr_t)p % align) align /= 2;
  return align;
}

static size_t size_of(int type) {
  return type == TYPE_R_64F ? 8 : type == TYPE_R_32F ? 4 : 2;
}

/* Bytes from the first element to the end of the last. */
static size_t extent(const cublas_layout_ &l) {
  int64_t last = (l.count - 1) * l.batch + (l.columns - 1) * l.leading + l.rows;
  return (size_t)last * size_of(l.type);
}

/* ---- Handles and descriptions ---- */

static size_t GetVersion() { return (size_t)version * 10000 + 100; }

static cublas_status Create(cublas_handle *handle) {
  if (refuses("handle")) return 1; /* CUBLAS_STATUS_NOT_INITIALIZED */
  *handle = new cublas_handle_{cr__emulate_device()};
  return CUBLAS_SUCCESS;
}

template <class T> static cublas_status set(T *to, const void *value, size_t nbytes) {
  demand(nbytes == sizeof *to, "an attribute has the size of its type");
  memcpy(to, value, nbytes);
  return CUBLAS_SUCCESS;
}

static cublas_status unknown() {
  demand(false, "an attribute is one of its enumeration");
  return CUBLAS_NOT_SUPPORTED;
}

static cublas_status MatmulDescCreate(cublas_desc *desc, int compute, int scale) {
  *desc = new cublas_desc_{compute, scale, CUBLAS_OP_NONE, CUBLAS_OP_NONE, EPILOGUE_DEFAULT, NULL};
  return CUBLAS_SUCCESS;
}
static cublas_status MatmulDescDestroy(cublas_desc desc) {
  delete desc;
  return CUBLAS_SUCCESS;
}
static cublas_status MatmulDescSetAttribute(cublas_desc desc, int attribute, const void *value,
                                            size_t nbytes) {
  switch (attribute) {
  case DESC_TRANSA: return set(&desc->transposed_a, value, nbytes);
  case DESC_TRANSB: return set(&desc->transposed_b, value, nbytes);
  case DESC_EPILOGUE: return set(&desc->epilogue, value, nbytes);
  case DESC_BIAS_POINTER: return set(&desc->bias, value, nbytes);
  default: return unknown();
  }
}

static cublas_status MatrixLayoutCreate(cublas_layout *layout, int type, uint64_t rows,
                                        uint64_t columns, int64_t leading) {
  demand(rows > 0 && columns > 0, "a matrix has elements");
  demand(leading >= (int64_t)rows, "columns of a matrix do not overlap");
  *layout = new cublas_layout_{type, (int64_t)rows, (int64_t)columns, leading, 1, 0};
  return CUBLAS_SUCCESS;
}
static cublas_status MatrixLayoutDestroy(cublas_layout layout) {
  delete layout;
  return CUBLAS_SUCCESS;
}
static cublas_status MatrixLayoutSetAttribute(cublas_layout layout, int attribute,
                                              const void *value, size_t nbytes) {
  switch (attribute) {
  case LAYOUT_BATCH_COUNT: return set(&layout->count, value, nbytes);
  case LAYOUT_STRIDED_BATCH_OFFSET: return set(&layout->batch, value, nbytes);
  default: return unknown();
  }
}

static cublas_status MatmulPreferenceCreate(cublas_preference *preference) {
  *preference = new cublas_preference_{0, ~0u, {256, 256, 256, 256}};
  return CUBLAS_SUCCESS;
}
static cublas_status MatmulPreferenceDestroy(cublas_preference preference) {
  delete preference;
  return CUBLAS_SUCCESS;
}
static cublas_status MatmulPreferenceSetAttribute(cublas_preference preference, int attribute,
                                                  const void *value, size_t nbytes) {
  int operand = attribute - PREFERENCE_MIN_ALIGNMENT_A_BYTES;
  if (operand >= 0 && operand < 4) return set(&preference->align[operand], value, nbytes);
  switch (attribute) {
  case PREFERENCE_MAX_WORKSPACE_BYTES: return set(&preference->workspace, value, nbytes);
  case PREFERENCE_REDUCTION_SCHEMES: return set(&preference->schemes, value, nbytes);
  default: return unknown();
  }
}

/* ---- Algorithms ---- */

struct answer { /* what a cublas_algo holds here */
  uint32_t align[4], align_bias;
  int32_t rounds; /* the sum over k is kept in d's type between its two halves */
  int64_t m, n, k, count;
};
static_assert(sizeof(answer) <= sizeof(cublas_algo), "");

static void check_types(const cublas_desc_ &desc, const cublas_layout_ *l) {
  int type = l[3].type;
  bool wide = type == TYPE_R_64F, single = type == TYPE_R_32F;
  bool known = wide || single || type == TYPE_R_16F || type == TYPE_R_16BF;
  demand(known && l[0].type == type && l[1].type == type && l[2].type == type,
         "a, b, c and d are of one floating type");
  demand(desc.scale == (wide ? TYPE_R_64F : TYPE_R_32F), "alpha and beta are of the compute type");
  demand(desc.compute == (wide ? COMPUTE_64F : COMPUTE_32F) ||
             (single && desc.compute == COMPUTE_32F_TF32),
         "the compute type goes with the type of the matrices");
}

/* l: the layouts of a, b, c, d. Gives the sizes of the product. */
static answer check(const cublas_desc_ &desc, const cublas_layout_ *l) {
  bool ta = desc.transposed_a == CUBLAS_OP_TRANSPOSE, tb = desc.transposed_b == CUBLAS_OP_TRANSPOSE;
  int64_t m = ta ? l[0].columns : l[0].rows, k = ta ? l[0].rows : l[0].columns;
  int64_t n = tb ? l[1].rows : l[1].columns;
  check_types(desc, l);
  demand(k == (tb ? l[1].columns : l[1].rows), "a's columns are as many as b's rows");
  for (int i = 2; i < 4; i++)
    demand(l[i].rows == m && l[i].columns == n, "c and d have the shape of the product");
  for (int i = 0; i < 4; i++)
    demand(l[i].count >= 1 && l[i].count == l[3].count, "all have as many matrices");
  demand(l[3].count == 1 || l[3].batch > 0, "the matrices of d are distinct");
  demand(desc.epilogue == EPILOGUE_DEFAULT || desc.epilogue == EPILOGUE_BIAS,
         "the epilogue is known here");
  demand((desc.epilogue == EPILOGUE_BIAS) == (desc.bias != NULL), "the epilogue has its bias");
  return {{}, 0, 0, m, n, k, l[3].count};
}

static cublas_status MatmulAlgoGetHeuristic(cublas_handle handle, cublas_desc desc, cublas_layout a,
                                            cublas_layout b, cublas_layout c, cublas_layout d,
                                            cublas_preference preference, int asked,
                                            cublas_result *result, int *found) {
  const cublas_layout_ l[4] = {*a, *b, *c, *d};
  answer given = check(*desc, l);
  demand(handle && asked > 0, "there is a handle, and room for an answer");
  *found = 0;
  if (refuses("product") || (desc->bias && refuses("bias"))) return CUBLAS_NOT_SUPPORTED;
  memcpy(given.align, preference->align, sizeof given.align);
  given.align_bias = desc->bias ? alignment(desc->bias) : 1;
  given.rounds = (preference->schemes & REDUCTION_OUTPUT_TYPE) != 0;
  memset(result, 0, sizeof *result);
  memcpy(&result->algo, &given, sizeof given);
  if (given.m * given.n % 3 == 0 && preference->workspace >= 4096) result->workspace = 4096;
  *found = 1;
  return CUBLAS_SUCCESS;
}

/* ---- Products ---- */

struct product {
  cublas_desc_ desc;
  cublas_layout_ layout[4];
  answer how;
  double alpha, beta;
  const void *data[4]; /* a, b, c, d */
  void *workspace;
  size_t nbytes;
};

template <class T> static T tf32(T x, bool) { return x; }
template <> float tf32(float x, bool on) { /* 10 bits after the point, to nearest */
  uint32_t u = __float_as_uint(x);
  return on ? __uint_as_float((u + 0xfff + (u >> 13 & 1)) & ~0x1fffu) : x;
}

template <class T, class S>
static S sum(const product &p, const T *a, const T *b, int64_t i, int64_t j) {
  int64_t la = p.layout[0].leading, lb = p.layout[1].leading;
  bool ta = p.desc.transposed_a != 0, tb = p.desc.transposed_b != 0;
  bool less = p.desc.compute == COMPUTE_32F_TF32;
  S s = 0;
  for (int64_t k = 0; k < p.how.k; k++) {
    if (p.how.rounds && k == p.how.k / 2) s = (S)(T)s;
    s += tf32((S)(ta ? a[i * la + k] : a[k * la + i]), less) *
         tf32((S)(tb ? b[k * lb + j] : b[j * lb + k]), less);
  }
  return s;
}

template <class T, class S> static void multiply(const product &p) {
  const cublas_layout_ *l = p.layout;
  const T *a = (const T *)p.data[0], *b = (const T *)p.data[1], *c = (const T *)p.data[2];
  T *d = (T *)p.data[3];
  for (int64_t z = 0; z < p.how.count; z++)
    for (int64_t j = 0; j < p.how.n; j++)
      for (int64_t i = 0; i < p.how.m; i++) {
        S s = (S)p.alpha * sum<T, S>(p, a + z * l[0].batch, b + z * l[1].batch, i, j);
        if (p.beta != 0) s += (S)p.beta * (S)c[z * l[2].batch + j * l[2].leading + i];
        if (p.desc.bias) s += (S)((const T *)p.desc.bias)[i];
        d[z * l[3].batch + j * l[3].leading + i] = (T)s;
      }
}

/* Memory may have gone since the product was queued. */
static bool lives(const product &p) {
  bool sound = !p.nbytes || cr__emulate_holds(p.workspace, p.nbytes);
  for (int i = 0; i < 4; i++)
    sound = sound && cr__emulate_holds(p.data[i], extent(p.layout[i]));
  if (p.desc.bias)
    sound = sound &&
            cr__emulate_holds(p.desc.bias, (size_t)p.how.m * size_of(p.layout[3].type));
  if (!sound) fputs("cuda emulation: a product reads or writes what is no device memory\n", stderr);
  return sound;
}

static bool run(const product &p) {
  if (!lives(p)) return false;
  if (p.nbytes) memset(p.workspace, 0xff, p.nbytes);
  switch (p.layout[3].type) {
  case TYPE_R_64F: multiply<double, double>(p); break;
  case TYPE_R_32F: multiply<float, float>(p); break;
  case TYPE_R_16F: multiply<__half, float>(p); break;
  default: multiply<__nv_bfloat16, float>(p); break;
  }
  return true;
}

static void trace(const product &p) {
  int type = p.layout[3].type;
  fprintf(stderr, "cuBLASLt %s %c%c %lldx%lldx%lld count %lld%s%s%s\n",
          type == TYPE_R_64F   ? "float64"
          : type == TYPE_R_32F ? "float32"
          : type == TYPE_R_16F ? "float16"
                               : "bfloat16",
          p.desc.transposed_a ? 't' : 'n', p.desc.transposed_b ? 't' : 'n', (long long)p.how.m,
          (long long)p.how.n, (long long)p.how.k, (long long)p.how.count,
          p.desc.bias ? " bias" : "", p.beta != 0 ? " added" : "",
          p.desc.compute == COMPUTE_32F_TF32 ? " tf32" : "");
}

/* What an algorithm was asked for is what it is used for. */
static void check_use(const product &p, const answer &asked) {
  const answer &now = p.how;
  demand(asked.m == now.m && asked.n == now.n && asked.k == now.k && asked.count == now.count,
         "an algorithm is used for the product that it was found for");
  for (int i = 0; i < 4; i++)
    demand(alignment(p.data[i]) >= asked.align[i], "operands are aligned as promised");
  demand(!p.desc.bias || alignment(p.desc.bias) >= asked.align_bias,
         "the bias is aligned as it was when the algorithm was found");
  demand(!p.nbytes || (p.workspace && alignment(p.workspace) == 256),
         "the workspace is aligned to 256 bytes");
  const cublas_layout_ &c = p.layout[2], &d = p.layout[3];
  demand(p.data[2] != p.data[3] || (c.leading == d.leading && c.batch == d.batch),
         "c lies as d does if it is d");
}

static cublas_status Matmul(cublas_handle handle, cublas_desc desc, const void *alpha,
                            const void *a, cublas_layout la, const void *b, cublas_layout lb,
                            const void *beta, const void *c, cublas_layout lc, void *d,
                            cublas_layout ld, const cublas_algo *algo, void *workspace,
                            size_t nbytes, cudaStream_t stream) {
  answer asked;
  memcpy(&asked, algo, sizeof asked);
  product p = {*desc, {*la, *lb, *lc, *ld}, {}, 0, 0, {a, b, c, d}, workspace, nbytes};
  p.how = check(p.desc, p.layout);
  bool wide = desc->scale == TYPE_R_64F;
  p.alpha = wide ? *(const double *)alpha : (double)*(const float *)alpha;
  p.beta = wide ? *(const double *)beta : (double)*(const float *)beta;
  check_use(p, asked);
  p.how.rounds = asked.rounds;
  demand(cr__emulate_device() == handle->device && cr__emulate_device_of(stream) == handle->device,
         "the handle's device is active, and the stream's");
  if (refuses("run")) return CUBLAS_NOT_SUPPORTED;
  if (traces) trace(p);
  return cr__emulate_queue(stream, [=]() { return run(p); }) == cudaSuccess ? CUBLAS_SUCCESS : 13;
}
