/* dnnl.c: products of matrices by oneDNN, opened when the first large one asks for it.
 *
 * Holds true: a product is cut into slices whose sizes depend on its own alone, and one thread
 * computes a slice, so no result depends on how many threads there are. libcresset_dnnl.so lies
 * beside the library (or program) that this code is part of, or where the loader looks; without it
 * the tiles of gemm.c serve, with the same results up to rounding.
 *
 * It multiplies bfloat16, for which it knows instructions that the tiles do not. In float32 the tiles
 * were measured to be faster; where that is not so, CRESSET_GEMM=onednn in the environment gives it
 * float32 as well. CRESSET_GEMM=builtin leaves it out of products. cr_gemm_name() says what is in force there.
 * CRESSET_DNNL=none leaves the library closed, whatever asks for it. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "dnnl.h"
#include "gemm.h"

#define SHIM "libcresset_dnnl.so"

static pthread_once_t asked = PTHREAD_ONCE_INIT, once = PTHREAD_ONCE_INIT;
static bool left_out, float32_too; /* of products, as the environment says */
static cr__dnnl library;           /* prepare is NULL: not there */
static char name[96] = "built in";

/* ---- The library ------------------------------------------------------------------------------ */

static void *open_beside(void) {
  Dl_info info;
  char path[4096];
  if (!dladdr((void *)&name, &info) || !info.dli_fname) return NULL;
  const char *slash = strrchr(info.dli_fname, '/');
  int folder = slash ? (int)(slash - info.dli_fname) + 1 : 0;
  int length = snprintf(path, sizeof path, "%.*s%s", folder, info.dli_fname, SHIM);
  return folder && length < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void ask(void) {
  const char *wish = getenv("CRESSET_GEMM");
  left_out = wish && strcmp(wish, "builtin") == 0;
  float32_too = wish && strcmp(wish, "onednn") == 0;
}

/* Finds the functions of the library; false if it is of another version. */
static bool find_functions(void *from, cr__dnnl *to, cr__dnnl_version_function *version) {
  cr__dnnl_abi_function abi;
  *(void **)&abi = dlsym(from, "cr__dnnl_abi");
  *(void **)&to->prepare = dlsym(from, "cr__dnnl_prepare");
  *(void **)&to->run = dlsym(from, "cr__dnnl_run");
  *(void **)&to->convolution_prepare = dlsym(from, "cr__dnnl_convolution_prepare");
  *(void **)&to->convolution_order = dlsym(from, "cr__dnnl_convolution_order");
  *(void **)&to->convolution_run = dlsym(from, "cr__dnnl_convolution_run");
  *(void **)version = dlsym(from, "cr__dnnl_version");
  return abi && abi() == CR__DNNL_ABI && to->prepare && to->run && to->convolution_prepare &&
         to->convolution_order && to->convolution_run && *version;
}

static void open_shim(void) {
  const char *wish = getenv("CRESSET_DNNL");
  if (wish && strcmp(wish, "none") == 0) return;
  void *opened = open_beside();
  if (!opened) opened = dlopen(SHIM, RTLD_NOW | RTLD_LOCAL);
  if (!opened) return;
  cr__dnnl_version_function version;
  cr__dnnl found;
  int v[3];
  if (!find_functions(opened, &found, &version)) {
    snprintf(name, sizeof name, "built in; %s was built for another version of this library", SHIM);
    dlclose(opened);
    return;
  }
  library = found;
  version(v);
  snprintf(name, sizeof name, "oneDNN %d.%d.%d", v[0], v[1], v[2]);
}

const cr__dnnl *cr__dnnl_here(void) {
  pthread_once(&once, open_shim);
  return library.prepare ? &library : NULL;
}

const char *cr_gemm_name(void) {
  pthread_once(&asked, ask);
  if (left_out) return "built in";
  pthread_once(&once, open_shim);
  return name;
}

/* ---- Slices ----------------------------------------------------------------------------------- */

typedef struct job {
  cr__gemm g;
  cr__dnnl_product whole; /* of a slice, with the rows or columns of the last still to be set */
  int64_t size;           /* bytes of an element */
  int64_t length, slices; /* of a slice, along the longer side; how many to a product */
  int64_t breadth, parts; /* the same along the other side, of products that would take long */
  bool by_rows, exchanged;
  bool brings_to_c; /* what is added is copied to c first */
} job;

/* Multiplications that are some milliseconds' work. */
enum { LONGEST = 1 << 28 };

/* Slices along the longer side: as many as pay, each of some width. */
static void cut(job *j, int64_t work) {
  enum { WORK = 1 << 22, WIDTH = 256, MOST = 64 };
  const cr__gemm *g = &j->g;
  j->by_rows = g->m >= g->n;
  int64_t side = j->by_rows ? g->m : g->n, count = work / WORK;
  if (count > side / WIDTH) count = side / WIDTH;
  if (count > MOST) count = MOST;
  if (count < 1) count = 1;
  j->length = ((side + count - 1) / count + 15) / 16 * 16;
  j->slices = (side + j->length - 1) / j->length;
  int64_t other = j->by_rows ? g->n : g->m;
  j->breadth = LONGEST / (j->length * g->k) / 64 * 64;
  if (j->breadth < WIDTH) j->breadth = WIDTH;
  if (j->breadth > other) j->breadth = other;
  j->parts = (other + j->breadth - 1) / j->breadth;
  j->slices *= j->parts;
}

static cr__dnnl_product slice(const job *j, int64_t index, int64_t *row, int64_t *column) {
  cr__dnnl_product p = j->whole;
  int64_t first = index / j->parts * j->length, side = j->by_rows ? p.m : p.n;
  int64_t from = index % j->parts * j->breadth, other = j->by_rows ? p.n : p.m;
  int64_t length = side - first < j->length ? side - first : j->length;
  int64_t breadth = other - from < j->breadth ? other - from : j->breadth;
  *row = j->by_rows ? first : from;
  *column = j->by_rows ? from : first;
  p.m = j->by_rows ? length : breadth;
  p.n = j->by_rows ? breadth : length;
  return p;
}

static int run_slice(const job *j, int64_t index, const int64_t at[4], void *scratch) {
  const cr__gemm *g = &j->g;
  int64_t r, c;
  cr__dnnl_product p = slice(j, index, &r, &c);
  char *to = g->c + at[0] + (r * g->cm + c) * j->size;
  const char *added = g->d ? g->d + at[3] + (r * g->dm + c * g->dn) * j->size : NULL;
  for (int64_t i = 0; j->brings_to_c && i < p.m; i++)
    cr__read_run(to + i * g->cm * j->size, g->dtype, added + i * g->dm * j->size, g->dtype, g->dn,
                 p.n);
  return library.run(&p, g->a + at[1] + r * g->am * j->size, g->b + at[2] + c * g->bn * j->size,
                     added, to, scratch);
}

/* ---- Whether oneDNN takes a product ------------------------------------------------------------ */

/* One of the strides is 1, and lines do not overlap. */
static bool lies_plain(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (column == 1 && row >= columns) || (row == 1 && column >= rows);
}

/* oneDNN pays where a product is large enough for its set-up, which depends on nothing else. */
static bool is_worth_it(const cr__gemm *g, int64_t work) {
  enum { LEAST = 8, LEAST_K = 16 };
  if (g->m < LEAST || g->n < LEAST || g->k < LEAST_K || work < 1 << 18) return false;
  pthread_once(&asked, ask);
  if (g->dtype != CR_BFLOAT16 && !(g->dtype == CR_FLOAT32 && float32_too)) return false;
  return !left_out && cr__dnnl_here() != NULL;
}

static bool plan(job *j, int64_t work) {
  j->exchanged = j->g.cn != 1;
  if (j->exchanged) cr__gemm_exchange(&j->g);
  const cr__gemm *g = &j->g;
  if (g->cn != 1 || g->cm < g->n || !lies_plain(g->m, g->k, g->am, g->ak) ||
      !lies_plain(g->k, g->n, g->bk, g->bn))
    return false;
  j->size = (int64_t)cr__size_of((cr_dtype)g->dtype);
  memset(&j->whole, 0, sizeof j->whole);
  j->whole = (cr__dnnl_product){.dtype = g->dtype,
                                .m = g->m,
                                .n = g->n,
                                .k = g->k,
                                .am = g->am,
                                .ak = g->ak,
                                .bk = g->bk,
                                .bn = g->bn,
                                .cm = g->cm};
  bool is_row = g->d && g->dm == 0 && g->dn == 1;
  bool is_c = g->d == g->c && g->dm == g->cm && g->dn == g->cn;
  j->whole.added = !g->d ? CR__DNNL_NOTHING : is_row ? CR__DNNL_ROW : CR__DNNL_TO_C;
  j->brings_to_c = g->d && !is_row && !is_c;
  cut(j, work);
  return j->length * j->breadth <=
         LONGEST / g->k * 4; /* else the host could not stop it for long */
}

/* Scratch bytes for a thread; slices differ in size only at the ends of both sides. -1: no fast way. */
static int64_t scratch_of(const job *j) {
  int64_t row, column, most = 0;
  int64_t corners[] = {0, j->parts - 1, j->slices - j->parts, j->slices - 1};
  for (int i = 0; i < 4; i++) {
    cr__dnnl_product p = slice(j, corners[i], &row, &column);
    int64_t bytes = library.prepare(&p);
    if (bytes < 0) return -1;
    if (bytes > most) most = bytes;
  }
  return (most + 63) / 64 * 64 + 64;
}

typedef struct slices {
  job j;
  int64_t steps[4], each; /* bytes of a thread's scratch */
  char *scratch;
  atomic_bool failed;
} slices;

static void run_slices(void *job, int64_t begin, int64_t end) {
  slices *s = job;
  uintptr_t mine = (uintptr_t)s->scratch + (uintptr_t)s->each * (uintptr_t)cr__cpu_member();
  for (int64_t t = begin; t < end; t++) {
    int64_t i = t / s->j.slices, at[4];
    for (int v = 0; v < 4; v++) at[v] = i * s->steps[v];
    if (run_slice(&s->j, t % s->j.slices, at, (void *)((mine + 63) / 64 * 64)))
      atomic_store_explicit(&s->failed, true, memory_order_relaxed);
  }
}

int cr__gemm_by_library(const cr__gemm *g, int64_t n, const int64_t step[4], int64_t work) {
  if (!is_worth_it(g, work)) return CR__GEMM_NOT_TAKEN;
  slices s = {.j = {.g = *g}, .steps = {step[0], step[1], step[2], step[3]}};
  if (!plan(&s.j, work)) return CR__GEMM_NOT_TAKEN;
  int64_t all, count = n * s.j.slices;
  s.each = scratch_of(&s.j);
  if (s.each < 0) return CR__GEMM_NOT_TAKEN;
  if (s.j.exchanged) s.steps[1] = step[2], s.steps[2] = step[1];
  if (__builtin_mul_overflow(work / 16, n, &all)) all = INT64_MAX;
  int threads = cr__cpu_threads(all);
  if (threads > count) threads = (int)count;
  size_t nbytes = (size_t)s.each * (size_t)threads;
  s.scratch = cr__host_alloc(nbytes);
  if (!s.scratch) return (int)cr_error_code();
  int code = cr__cpu_share_among(threads, count, all, run_slices, &s);
  cr__host_free(s.scratch, nbytes);
  if (code || !s.failed) return code;
  return cr__fail(CR_E_MEMORY, "out of memory: oneDNN stopped in a product");
}
