/* shim.c: libcresset_dnnl.so: products by oneDNN (convolutions are in convolution.c), and nothing else links to it; so
 * a process pays its 39 MB only when a call is large enough to be worth them (cpu/dnnl.c opens this library then).
 *
 * Holds true: a product runs on the calling thread alone, whoever else runs one. Primitives are kept
 * per thread, so a shape that repeats costs no set-up, and none is made while the process forks. */
#include "inside.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cresset.h"

enum { A, B, C, ROW, SCRATCH, MEMORIES, KEPT = 32 };

/* A product that was asked for on this thread. */
typedef struct entry {
  cr__dnnl_product key;
  dnnl_primitive_t primitive; /* NULL: oneDNN has none that is fast */
  dnnl_memory_t memory[MEMORIES];
  int64_t scratch;
  uint64_t used; /* when, in calls */
} entry;

typedef struct cache {
  cr__onednn_thread shared;
  uint64_t calls;
  int count;
  entry entries[KEPT];
} cache;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
dnnl_engine_t cr__onednn_engine;
static __thread cache *mine;

static void clear(entry *e) {
  for (int i = 0; i < MEMORIES; i++)
    if (e->memory[i]) dnnl_memory_destroy(e->memory[i]);
  if (e->primitive) dnnl_primitive_destroy(e->primitive);
  memset(e, 0, sizeof *e);
}

static void thread_ends(void *of) {
  cache *c = of;
  for (int i = 0; i < c->count; i++) clear(&c->entries[i]);
  cr__onednn_clear_convolutions(c->shared.convolutions);
  if (c->shared.stream) dnnl_stream_destroy(c->shared.stream);
  free(c);
  mine = NULL;
}

static void before_fork(void) { pthread_mutex_lock(&making); }
static void after_fork(void) { pthread_mutex_unlock(&making); }

static void begin(void) {
  if (pthread_key_create(&key, thread_ends)) return;
  pthread_atfork(before_fork, after_fork, after_fork);
  if (dnnl_engine_create(&cr__onednn_engine, dnnl_cpu, 0) != dnnl_success) cr__onednn_engine = NULL;
}

static cache *cache_here(void) {
  if (mine) return mine;
  pthread_once(&once, begin);
  cache *c = cr__onednn_engine ? calloc(1, sizeof *c) : NULL;
  if (!c) return NULL;
  if (dnnl_stream_create(&c->shared.stream, cr__onednn_engine, dnnl_stream_default_flags) !=
          dnnl_success ||
      pthread_setspecific(key, c)) {
    if (c->shared.stream) dnnl_stream_destroy(c->shared.stream);
    free(c);
    return NULL;
  }
  return mine = c;
}

cr__onednn_thread *cr__onednn_here(void) {
  cache *c = cache_here();
  return c ? &c->shared : NULL;
}

int cr__onednn_begin_making(void) {
  int before = omp_get_max_threads();
  pthread_mutex_lock(&making);
  omp_set_num_threads(1);
  return before;
}

void cr__onednn_end_making(int before) {
  omp_set_num_threads(before);
  pthread_mutex_unlock(&making);
}

/* ---- Making a primitive ---------------------------------------------------------------------- */

typedef struct shapes {
  dnnl_memory_desc_t a, b, c, row;
} shapes;

static int describe(const cr__dnnl_product *p, shapes *s) {
  dnnl_data_type_t type = p->dtype == CR_FLOAT32 ? dnnl_f32 : dnnl_bf16;
  dnnl_dims_t a = {p->m, p->k}, b = {p->k, p->n}, c = {p->m, p->n}, row = {1, p->n};
  dnnl_dims_t as = {p->am, p->ak}, bs = {p->bk, p->bn}, cs = {p->cm, 1}, rs = {p->n, 1};
  return dnnl_memory_desc_init_by_strides(&s->a, 2, a, type, as) ||
         dnnl_memory_desc_init_by_strides(&s->b, 2, b, type, bs) ||
         dnnl_memory_desc_init_by_strides(&s->c, 2, c, type, cs) ||
         dnnl_memory_desc_init_by_strides(&s->row, 2, row, type, rs);
}

static dnnl_primitive_attr_t attributes(const cr__dnnl_product *p) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t after = NULL;
  if (dnnl_primitive_attr_create(&attr)) return NULL;
  int bad = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  if (!bad && p->added == CR__DNNL_TO_C) {
    bad = dnnl_post_ops_create(&after) || dnnl_post_ops_append_sum(after, 1.0f) ||
          dnnl_primitive_attr_set_post_ops(attr, after);
    if (after) dnnl_post_ops_destroy(after);
  }
  if (!bad) return attr;
  dnnl_primitive_attr_destroy(attr);
  return NULL;
}

/* oneDNN names its ways; "brg" are those generated for this processor and these shapes. */
static int is_fast(const_dnnl_primitive_desc_t d) {
  const char *name = NULL;
  return !dnnl_primitive_desc_query(d, dnnl_query_impl_info_str, 0, &name) && name &&
         strncmp(name, "brg:", 4) == 0;
}

static int make_memories(entry *e, const shapes *s, const_dnnl_primitive_desc_t d) {
  const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(d, dnnl_query_scratchpad_md, 0);
  e->scratch = (int64_t)dnnl_memory_desc_get_size(scratch);
  const dnnl_memory_desc_t *of[MEMORIES] = {&s->a, &s->b, &s->c, &s->row, scratch};
  for (int i = 0; i < MEMORIES; i++)
    if (dnnl_memory_create(&e->memory[i], of[i], cr__onednn_engine, DNNL_MEMORY_NONE)) return -1;
  return 0;
}

/* Leaves e without a primitive if there is no fast one, or no memory for it. */
static void make(entry *e, const cr__dnnl_product *p) {
  shapes s;
  dnnl_matmul_desc_t d;
  dnnl_primitive_desc_t desc = NULL;
  memset(e, 0, sizeof *e);
  e->key = *p;
  if (describe(p, &s)) return;
  if (dnnl_matmul_desc_init(&d, &s.a, &s.b, p->added == CR__DNNL_ROW ? &s.row : NULL, &s.c)) return;
  dnnl_primitive_attr_t attr = attributes(p);
  if (!attr) return;
  if (!dnnl_primitive_desc_create(&desc, &d, attr, cr__onednn_engine, NULL)) {
    int bad =
        !is_fast(desc) || make_memories(e, &s, desc) || dnnl_primitive_create(&e->primitive, desc);
    dnnl_primitive_desc_destroy(desc);
    if (bad) {
      clear(e);
      e->key = *p;
    }
  }
  dnnl_primitive_attr_destroy(attr);
}

/* The product's place in this thread's cache; the one that was not used for longest goes. */
static entry *find(const cr__dnnl_product *p) {
  cache *c = cache_here();
  if (!c) return NULL;
  entry *e = NULL;
  for (int i = 0; i < c->count && !e; i++)
    if (memcmp(&c->entries[i].key, p, sizeof *p) == 0) e = &c->entries[i];
  if (!e) {
    e = c->count < KEPT ? &c->entries[c->count++] : &c->entries[0];
    if (e->used)
      for (int i = 1; i < KEPT; i++)
        if (c->entries[i].used < e->used) e = &c->entries[i];
    int before = cr__onednn_begin_making();
    clear(e);
    make(e, p);
    cr__onednn_end_making(before);
  }
  e->used = ++c->calls;
  return e;
}

/* ---- What the engine calls ------------------------------------------------------------------- */

EXPORT int cr__dnnl_abi(void);
EXPORT int cr__dnnl_abi(void) { return CR__DNNL_ABI; }

EXPORT int64_t cr__dnnl_prepare(const cr__dnnl_product *p);
EXPORT int64_t cr__dnnl_prepare(const cr__dnnl_product *p) {
  const entry *e = find(p);
  return e && e->primitive ? e->scratch : -1;
}

EXPORT int cr__dnnl_run(const cr__dnnl_product *p, const void *a, const void *b, const void *row,
                        void *c, void *scratch);
EXPORT int cr__dnnl_run(const cr__dnnl_product *p, const void *a, const void *b, const void *row,
                        void *c, void *scratch) {
  entry *e = find(p);
  if (!e || !e->primitive) return -1;
  static const int names[MEMORIES] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS,
                                      DNNL_ARG_SCRATCHPAD};
  void *at[MEMORIES] = {(void *)(uintptr_t)a, (void *)(uintptr_t)b, c, (void *)(uintptr_t)row,
                        scratch};
  dnnl_exec_arg_t args[MEMORIES];
  int n = 0;
  for (int i = 0; i < MEMORIES; i++) {
    if (i == ROW && p->added != CR__DNNL_ROW) continue;
    if (dnnl_memory_set_data_handle(e->memory[i], at[i])) return -1;
    args[n++] = (dnnl_exec_arg_t){names[i], e->memory[i]};
  }
  int before = omp_get_max_threads();
  if (before > 1) omp_set_num_threads(1);
  int code = (int)dnnl_primitive_execute(e->primitive, mine->shared.stream, n, args);
  if (before > 1) omp_set_num_threads(before);
  return code;
}

EXPORT void cr__dnnl_version(int version[3]);
EXPORT void cr__dnnl_version(int version[3]) {
  const dnnl_version_t *v = dnnl_version();
  version[0] = v->major, version[1] = v->minor, version[2] = v->patch;
}
