/* attention_tiles.c: the tiles that attention and its gradients are made of.
 *
 * Holds true: see attention.h. What is read through strides is never copied whole: queries are packed a group at a time,
 * keys and values a block at a time and only where products cannot read them as they lie. */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "convert.h"

enum { GROUP = CR__ATTENTION_GROUP };

#ifdef __x86_64__
extern const cr__attention_loops cr__attention_loops_v2[2], cr__attention_loops_v3[2],
    cr__attention_loops_v4[2];
static const cr__attention_loops *loops_here(bool wide) {
  static const cr__attention_loops *const by_level[] = {cr__attention_loops_v2,
                                                        cr__attention_loops_v3,
                                                        cr__attention_loops_v4};
  return &by_level[cr__cpu_level()][wide];
}
#else
extern const cr__attention_loops cr__attention_loops_base[2];
static const cr__attention_loops *loops_here(bool wide) { return &cr__attention_loops_base[wide]; }
#endif

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t pieces(int64_t n, int64_t of) { return (n + of - 1) / of; }
static int64_t size_of(int dtype) { return (int64_t)cr__size_of((cr_dtype)dtype); }

/* ---- The plan ---- */

/* Whether tiles may read v as their second factor where it lies. */
static bool lies_well(const cr__attention *a, const cr__view *v, int64_t width) {
  return a->dtype == a->type && v->stride[3] == 1 &&
         (a->g->masked || width % (a->g->cols / 2) == 0);
}

void cr__attention_begin(cr__attention *a, const cr__view *query, const cr__view *key,
                         const cr__view *value, const cr__view *mask, cr__rng_place rng) {
  enum { TILE_BYTES = 1 << 15, DRAWN = CR__DRAW_CHUNK - 4 };
  a->query = query, a->key = key, a->value = value, a->mask = mask->data ? mask : NULL;
  a->dtype = query->dtype, a->type = query->dtype == CR_FLOAT64 ? CR_FLOAT64 : CR_FLOAT32;
  a->size_in = size_of(a->dtype), a->size = size_of(a->type);
  a->l = loops_here(a->type == CR_FLOAT64), a->g = cr__gemm_loops_for(a->type);
  a->heads = query->shape[1], a->kv_heads = key->shape[1];
  a->rows = query->shape[2], a->keys = key->shape[2];
  a->width = query->shape[3], a->value_width = value->shape[3];
  a->tasks_rows = pieces(a->rows, GROUP);
  int64_t unit = a->g->cols / 2;
  a->pitch = pieces(a->width, unit) * unit, a->value_pitch = pieces(a->value_width, unit) * unit;
  a->key_as_it_lies = lies_well(a, key, a->width);
  a->value_as_it_lies = lies_well(a, value, a->value_width);
  int64_t most = a->dropout > 0 ? DRAWN : TILE_BYTES / (GROUP * a->size);
  a->block = a->keys ? pieces(a->keys, pieces(a->keys, most)) : 0;
  double kept = 1 - a->dropout;
  a->draw = cr__draw_of(rng);
  a->draw.range = (uint64_t)ceil(kept * 0x1p32), a->draw.a = kept > 0 ? 1 / kept : 0;
}

int64_t cr__attention_work(const cr__attention *a, int64_t n, int64_t rows, int64_t products) {
  int64_t each = (a->width + a->value_width + 32) * products / 128 + 1, work;
  if (__builtin_mul_overflow(each, rows, &work) ||
      __builtin_mul_overflow(work, a->keys + 16, &work) || __builtin_mul_overflow(work, n, &work))
    return INT64_MAX;
  return work;
}

int64_t cr__attention_kv_head(const cr__attention *a, int64_t head) {
  return head / (a->heads / a->kv_heads);
}

cr__attention_group cr__attention_group_of(const cr__attention *a, int64_t batch, int64_t head,
                                           int64_t index) {
  cr__attention_group g = {batch, head, index * GROUP, 0, 0, a->keys};
  int64_t half = a->g->cols / 2;
  g.w = least(GROUP, a->rows - g.first);
  g.lanes = pieces(g.w, half) * half;
  if (a->causal) g.end = least(a->keys, g.first + g.w);
  return g;
}

char *cr__attention_row(const cr__view *v, int64_t batch, int64_t head, int64_t row) {
  return v->data + (batch * v->stride[0] + head * v->stride[1] + row * v->stride[2]) *
                       (int64_t)cr__size_of((cr_dtype)v->dtype);
}

/* ---- Factors of products ---- */

void cr__attention_pack(const cr__attention *a, const cr__attention_group *g, const cr__view *v,
                        int64_t k, double by, char *to) {
  int64_t cols = a->g->cols;
  for (int64_t at = 0; at < g->w; at += cols) {
    a->g->pack(&(cr__gemm_pack){.dtype = v->dtype,
                                .from = cr__attention_row(v, g->batch, g->head, g->first + at),
                                .count = least(cols, g->w - at),
                                .line = v->stride[2],
                                .k = k,
                                .step = v->stride[3],
                                .width = cols},
               to);
    if (by != 1) a->l->scale(k * cols, to, by);
    to += k * cols * a->size;
  }
}

void cr__attention_product(const cr__attention *a, int64_t m, int64_t n, cr__gemm_tile t,
                           int64_t panel, bool add) {
  int64_t panels = pieces(m, a->g->rows), cols = a->g->cols;
  const cr__gemm_tile first = t;
  for (int64_t i = 0; i < panels; i++) {
    int64_t row = i * m / panels;
    t.rows = (i + 1) * m / panels - row;
    t.a = first.a + row * t.ar;
    for (int64_t at = 0; at < n; at += cols) {
      t.cols = least(cols, n - at);
      t.b = first.b + at / cols * panel;
      t.c = first.c + row * t.cr + at * a->size;
      t.d = add ? t.c : NULL, t.dr = t.cr;
      a->g->tile(&t);
    }
  }
}

const char *cr__attention_lines(const cr__attention *a, const cr__view *v, int64_t batch,
                                int64_t head, int64_t first, int64_t n, int64_t k, bool as_it_lies,
                                int64_t pitch, char *room, int64_t *step, int64_t *along) {
  const char *from = cr__attention_row(v, batch, head, first);
  if (as_it_lies) {
    *step = v->stride[2] * a->size, *along = v->stride[3] * a->size;
    return from;
  }
  for (int64_t i = 0; i < n; i++)
    cr__read_run(room + i * pitch * a->size, a->type, from + i * v->stride[2] * a->size_in,
                 a->dtype, v->stride[3], k);
  *step = pitch * a->size, *along = a->size;
  return room;
}

/* ---- What is hidden, and what is dropped ---- */

static size_t tile_bytes(const cr__attention *a) {
  return (size_t)((GROUP + a->g->cols) * a->block * a->size);
}

size_t cr__attention_veil_bytes(const cr__attention *a) {
  return tile_bytes(a) * (size_t)((a->mask ? 1 : 0) + (a->dropout > 0 ? 2 : 0));
}

cr__attention_veil cr__attention_veil_in(const cr__attention *a, char *room) {
  cr__attention_veil v = {NULL, NULL, NULL};
  if (a->mask) v.mask = room, room += tile_bytes(a);
  if (a->dropout > 0) v.kept = room, v.drawn = room + tile_bytes(a);
  return v;
}

/* Numbers of the rows of the group, n for each, in lines. */
static void draw(const cr__attention *a, const cr__attention_group *g, int64_t first, int64_t n,
                 char *to) {
  double buffer[CR__DRAW_CHUNK];
  const cr__draw_loops *loops = cr__draw_loops_here();
  cr__draw_loop loop = a->type == CR_FLOAT64 ? loops->toss_f64 : loops->toss_f32;
  for (int64_t i = 0; i < g->w; i++) {
    int64_t at = ((g->batch * a->heads + g->head) * a->rows + g->first + i) * a->keys + first;
    loop(&a->draw, at / 4 * 4, buffer);
    memcpy(to + i * n * a->size, (char *)buffer + at % 4 * a->size, (size_t)(n * a->size));
  }
}

void cr__attention_draw_veil(const cr__attention *a, const cr__attention_group *g,
                             const cr__attention_veil *v, int64_t first, int64_t n) {
  int64_t cols = a->g->cols;
  if (v->kept) draw(a, g, first, n, v->drawn);
  for (int64_t at = 0; at < g->w; at += cols) {
    int64_t count = least(cols, g->w - at);
    if (v->mask)
      a->g->pack(&(cr__gemm_pack){.dtype = a->mask->dtype,
                                  .from =
                                      cr__attention_row(a->mask, g->batch, g->head, g->first + at) +
                                      first * a->mask->stride[3] * size_of(a->mask->dtype),
                                  .count = count,
                                  .line = a->mask->stride[2],
                                  .k = n,
                                  .step = a->mask->stride[3],
                                  .width = cols},
                 v->mask + at * n * a->size);
    if (v->kept)
      a->g->pack(&(cr__gemm_pack){.dtype = a->type,
                                  .from = v->drawn + at * n * a->size,
                                  .count = count,
                                  .line = n,
                                  .k = n,
                                  .step = 1,
                                  .width = cols},
                 v->kept + at * n * a->size);
  }
}

cr__attention_panel cr__attention_panel_of(const cr__attention *a, const cr__attention_group *g,
                                           const cr__attention_veil *v, int64_t index,
                                           int64_t first, int64_t n, char *tile) {
  int64_t at = index * a->g->cols, behind = first - g->first - at;
  return (cr__attention_panel){.keys = n,
                               .shares = tile + at * a->size,
                               .mask = v->mask ? v->mask + at * n * a->size : NULL,
                               .truth = a->mask && a->mask->dtype == CR_BOOL,
                               .kept = v->kept ? v->kept + at * n * a->size : NULL,
                               .causal = a->causal && behind + n > 1,
                               .behind = behind,
                               .first = first};
}
