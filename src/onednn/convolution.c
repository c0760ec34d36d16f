/* convolution.c: convolutions and their gradients by oneDNN, for libcresset_dnnl.so.
 *
 * Holds true: x and y are plain tensors to those who call; the order that oneDNN likes best is made of them in scratch
 * memory, and undone. A primitive runs on the calling thread alone. Each thread keeps those that it used last. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

enum { X, W, Y, TENSORS, KEPT = 32, DIMS = 3 };

/* One tensor: as it lies, in the order that the primitive takes, and the way from one to the other. */
typedef struct tensor {
  dnnl_memory_desc_t plain, liked;
  dnnl_memory_t plain_memory, liked_memory;
  dnnl_primitive_t reorder; /* NULL: both are one */
  int64_t at;               /* where in the scratch memory the liked order lies */
} tensor;

typedef struct entry {
  cr__dnnl_convolution key;
  dnnl_primitive_t primitive; /* NULL: oneDNN has none that is fast */
  tensor tensors[TENSORS];
  dnnl_memory_t bias, scratch;
  int64_t scratch_bytes, weight_bytes;
  uint64_t used; /* when, in calls */
} entry;

struct cr__onednn_convolutions {
  uint64_t calls;
  int count;
  entry entries[KEPT];
};

static void clear(entry *e) {
  for (int i = 0; i < TENSORS; i++) {
    tensor *t = &e->tensors[i];
    if (t->plain_memory) dnnl_memory_destroy(t->plain_memory);
    if (t->liked_memory) dnnl_memory_destroy(t->liked_memory);
    if (t->reorder) dnnl_primitive_destroy(t->reorder);
  }
  if (e->bias) dnnl_memory_destroy(e->bias);
  if (e->scratch) dnnl_memory_destroy(e->scratch);
  if (e->primitive) dnnl_primitive_destroy(e->primitive);
  memset(e, 0, sizeof *e);
}

void cr__onednn_clear_convolutions(cr__onednn_convolutions *c) {
  for (int i = 0; c && i < c->count; i++) clear(&c->entries[i]);
  free(c);
}

/* ---- Making a primitive ---------------------------------------------------------------------- */

/* Leading dims in which nothing moves are left out. */
static int first_dim(const cr__dnnl_convolution *c) {
  int d = 0;
  while (d < DIMS - 1 && c->x[d] == 1 && c->w[d] == 1 && c->y[d] == 1 && c->padding[d] == 0) d++;
  return d;
}

static int init(dnnl_memory_desc_t *plain, dnnl_memory_desc_t *any, int n, const dnnl_dims_t dims) {
  dnnl_dims_t strides;
  int64_t step = 1;
  for (int d = n - 1; d >= 0; step *= dims[d--]) strides[d] = step;
  return dnnl_memory_desc_init_by_strides(plain, n, dims, dnnl_f32, strides) ||
         dnnl_memory_desc_init_by_tag(any, n, dims, dnnl_f32, dnnl_format_tag_any);
}

static int describe(const cr__dnnl_convolution *c, entry *e) {
  int first = first_dim(c), n = DIMS - first, g = c->groups > 1;
  dnnl_dims_t x = {c->n, c->groups * c->cx}, y = {c->n, c->groups * c->cy}, w = {c->groups};
  w[g] = c->cy, w[g + 1] = c->cx;
  for (int d = 0; d < n; d++)
    x[2 + d] = c->x[first + d], y[2 + d] = c->y[first + d], w[g + 2 + d] = c->w[first + d];
  return init(&e->tensors[X].plain, &e->tensors[X].liked, n + 2, x) ||
         init(&e->tensors[Y].plain, &e->tensors[Y].liked, n + 2, y) ||
         init(&e->tensors[W].plain, &e->tensors[W].liked, n + 2 + g, w);
}

static int init_operation(const cr__dnnl_convolution *c, const entry *e,
                          const dnnl_memory_desc_t *bias, dnnl_convolution_desc_t *to) {
  const dnnl_memory_desc_t *x = &e->tensors[X].liked, *w = &e->tensors[W].liked;
  const dnnl_memory_desc_t *y = &e->tensors[Y].liked;
  dnnl_dims_t stride, dilation, before, behind;
  int first = first_dim(c);
  for (int i = first; i < DIMS; i++) {
    int d = i - first;
    stride[d] = c->stride[i], dilation[d] = c->dilation[i] - 1, before[d] = c->padding[i];
    behind[d] =
        (c->y[i] - 1) * c->stride[i] + (c->w[i] - 1) * c->dilation[i] + 1 - c->x[i] - before[d];
  }
  switch (c->gives) {
  case CR__DNNL_FORWARD:
    return dnnl_dilated_convolution_forward_desc_init(to, dnnl_forward_inference,
                                                      dnnl_convolution_direct, x, w,
                                                      c->bias ? bias : NULL, y, stride, dilation,
                                                      before, behind);
  case CR__DNNL_INPUT:
    return dnnl_dilated_convolution_backward_data_desc_init(to, dnnl_convolution_direct, x, w, y,
                                                            stride, dilation, before, behind);
  default:
    return dnnl_dilated_convolution_backward_weights_desc_init(to, dnnl_convolution_direct, x, w,
                                                               NULL, y, stride, dilation, before,
                                                               behind);
  }
}

static int is_named(const_dnnl_primitive_desc_t d, const char *first) {
  const char *name = NULL;
  return !dnnl_primitive_desc_query(d, dnnl_query_impl_info_str, 0, &name) && name &&
         strncmp(name, first, strlen(first)) == 0;
}

/* The first of oneDNN's ways with such a name; NULL: there is none. */
static dnnl_primitive_desc_t choose(const dnnl_convolution_desc_t *operation,
                                    dnnl_primitive_attr_t attr, const char *name) {
  dnnl_primitive_desc_iterator_t it = NULL;
  dnnl_primitive_desc_t found = NULL;
  if (dnnl_primitive_desc_iterator_create(&it, operation, attr, cr__onednn_engine, NULL))
    return NULL;
  do {
    dnnl_primitive_desc_t d = dnnl_primitive_desc_iterator_fetch(it);
    if (d && is_named(d, name)) found = d;
    else if (d) dnnl_primitive_desc_destroy(d);
  } while (!found && dnnl_primitive_desc_iterator_next(it) == dnnl_success);
  dnnl_primitive_desc_iterator_destroy(it);
  return found;
}

static int64_t aligned(size_t bytes) { return (int64_t)((bytes + 63) / 64 * 64); }

/* The way between the two orders of a tensor, which lies in scratch memory in the one that is liked. */
static int make_tensor(const cr__dnnl_convolution *c, entry *e, int which) {
  tensor *t = &e->tensors[which];
  if (dnnl_memory_create(&t->plain_memory, &t->plain, cr__onednn_engine, DNNL_MEMORY_NONE) ||
      dnnl_memory_create(&t->liked_memory, &t->liked, cr__onednn_engine, DNNL_MEMORY_NONE))
    return -1;
  if (dnnl_memory_desc_equal(&t->plain, &t->liked)) return 0;
  int given = which != (c->gives == CR__DNNL_FORWARD ? Y : c->gives == CR__DNNL_INPUT ? X : W);
  const dnnl_memory_desc_t *from = given ? &t->plain : &t->liked;
  const dnnl_memory_desc_t *to = given ? &t->liked : &t->plain;
  dnnl_primitive_desc_t d = NULL;
  if (dnnl_reorder_primitive_desc_create(&d, from, cr__onednn_engine, to, cr__onednn_engine, NULL))
    return -1;
  int bad = dnnl_primitive_create(&t->reorder, d);
  dnnl_primitive_desc_destroy(d);
  int64_t bytes = aligned(dnnl_memory_desc_get_size(&t->liked));
  if (which == W && given) {
    e->weight_bytes = bytes;
  } else {
    t->at = e->scratch_bytes;
    e->scratch_bytes += bytes;
  }
  return bad;
}

static int make_from(const cr__dnnl_convolution *c, entry *e, const dnnl_memory_desc_t *bias,
                     const_dnnl_primitive_desc_t d) {
  static const dnnl_query_t queries[][TENSORS] =
      {{dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
       {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
       {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
  const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(d, dnnl_query_scratchpad_md, 0);
  e->scratch_bytes = aligned(dnnl_memory_desc_get_size(scratch));
  for (int i = 0; i < TENSORS; i++) {
    e->tensors[i].liked = *dnnl_primitive_desc_query_md(d, queries[c->gives][i], 0);
    if (make_tensor(c, e, i)) return -1;
  }
  return dnnl_memory_create(&e->bias, bias, cr__onednn_engine, DNNL_MEMORY_NONE) ||
         dnnl_memory_create(&e->scratch, scratch, cr__onednn_engine, DNNL_MEMORY_NONE) ||
         dnnl_primitive_create(&e->primitive, d);
}

/* Leaves e without a primitive if there is no fast one, or no memory for it. */
static void make(entry *e, const cr__dnnl_convolution *c) {
  dnnl_memory_desc_t bias;
  dnnl_convolution_desc_t operation;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t d = NULL;
  clear(e);
  int bad =
      describe(c, e) ||
      dnnl_memory_desc_init_by_tag(&bias, 1, (dnnl_dims_t){c->groups * c->cy}, dnnl_f32, dnnl_a) ||
      init_operation(c, e, &bias, &operation) || dnnl_primitive_attr_create(&attr) ||
      dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
  /* What is generated for this processor is fast; plain loops and detours by products are not. Of two such, "brg" takes
   * channels last, which costs more to make and to undo. */
  if (!bad && !(d = choose(&operation, attr, "jit"))) d = choose(&operation, attr, "brg");
  bad = bad || !d || make_from(c, e, &bias, d);
  if (d) dnnl_primitive_desc_destroy(d);
  if (attr) dnnl_primitive_attr_destroy(attr);
  if (bad) clear(e);
  e->key = *c;
}

/* The convolution's place in this thread's cache; the one that was not used for longest goes. */
static entry *find(const cr__dnnl_convolution *c, cr__onednn_thread **here) {
  cr__onednn_thread *thread = *here = cr__onednn_here();
  if (thread && !thread->convolutions)
    thread->convolutions = calloc(1, sizeof *thread->convolutions);
  cr__onednn_convolutions *k = thread ? thread->convolutions : NULL;
  if (!k) return NULL;
  entry *e = NULL;
  for (int i = 0; i < k->count && !e; i++)
    if (memcmp(&k->entries[i].key, c, sizeof *c) == 0) e = &k->entries[i];
  if (!e) {
    e = k->count < KEPT ? &k->entries[k->count++] : &k->entries[0];
    for (int i = 1; i < KEPT && e->used; i++)
      if (k->entries[i].used < e->used) e = &k->entries[i];
    int before = cr__onednn_begin_making();
    make(e, c);
    cr__onednn_end_making(before);
  }
  e->used = ++k->calls;
  return e;
}

/* ---- What the engine calls ------------------------------------------------------------------- */

EXPORT int cr__dnnl_convolution_prepare(const cr__dnnl_convolution *c, int64_t *scratch,
                                        int64_t *weight);
EXPORT int cr__dnnl_convolution_prepare(const cr__dnnl_convolution *c, int64_t *scratch,
                                        int64_t *weight) {
  cr__onednn_thread *here;
  const entry *e = find(c, &here);
  if (!e || !e->primitive) return -1;
  *scratch = e->scratch_bytes, *weight = e->weight_bytes;
  return 0;
}

static int execute(dnnl_primitive_t p, dnnl_stream_t stream, int n, const dnnl_exec_arg_t *args) {
  int before = omp_get_max_threads();
  if (before > 1) omp_set_num_threads(1);
  int code = (int)dnnl_primitive_execute(p, stream, n, args);
  if (before > 1) omp_set_num_threads(before);
  return code;
}

/* From the order in which a tensor lies to the one that is liked, or back. */
static int reorder(const tensor *t, dnnl_stream_t stream, int back) {
  return execute(t->reorder, stream, 2,
                 (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, back ? t->liked_memory : t->plain_memory},
                                     {DNNL_ARG_TO, back ? t->plain_memory : t->liked_memory}});
}

EXPORT int cr__dnnl_convolution_order(const cr__dnnl_convolution *c, const void *w, void *to);
EXPORT int cr__dnnl_convolution_order(const cr__dnnl_convolution *c, const void *w, void *to) {
  cr__onednn_thread *here;
  entry *e = find(c, &here);
  if (!e || !e->primitive || !e->tensors[W].reorder) return -1;
  tensor *t = &e->tensors[W];
  return dnnl_memory_set_data_handle(t->plain_memory, (void *)(uintptr_t)w) ||
         dnnl_memory_set_data_handle(t->liked_memory, to) || reorder(t, here->stream, 0);
}

EXPORT int cr__dnnl_convolution_run(const cr__dnnl_convolution *c, void *x, void *w, void *y,
                                    const void *bias, void *scratch);
EXPORT int cr__dnnl_convolution_run(const cr__dnnl_convolution *c, void *x, void *w, void *y,
                                    const void *bias, void *scratch) {
  static const int names[][TENSORS] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                       {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                       {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
  static const int result[] = {Y, X, W};
  cr__onednn_thread *here;
  entry *e = find(c, &here);
  if (!e || !e->primitive) return -1;
  void *data[TENSORS] = {x, w, y};
  dnnl_exec_arg_t args[TENSORS + 2];
  int n = 0, out = result[c->gives];
  for (int i = 0; i < TENSORS; i++) {
    tensor *t = &e->tensors[i];
    int ordered = i == W && out != W; /* as it is liked already, if another order is */
    void *liked = t->reorder && !ordered ? (char *)scratch + t->at : data[i];
    if (dnnl_memory_set_data_handle(t->plain_memory, data[i]) ||
        dnnl_memory_set_data_handle(t->liked_memory, liked))
      return -1;
    if (t->reorder && !ordered && i != out && reorder(t, here->stream, 0)) return -1;
    args[n++] = (dnnl_exec_arg_t){names[c->gives][i], t->liked_memory};
  }
  if (c->bias) {
    if (dnnl_memory_set_data_handle(e->bias, (void *)(uintptr_t)bias)) return -1;
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, e->bias};
  }
  if (dnnl_memory_set_data_handle(e->scratch, scratch)) return -1;
  args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, e->scratch};
  if (execute(e->primitive, here->stream, n, args)) return -1;
  return e->tensors[out].reorder ? reorder(&e->tensors[out], here->stream, 1) : 0;
}
