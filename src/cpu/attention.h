/* attention.h: what attention (attention.c), its gradients (attention_backward.c) and their loops
 * (loops_attention.c, built per instruction set) share.
 *
 * Holds true: scores are computed turned, a row for each key and a column for each query, so that what belongs to a
 * query lies in one lane of vectors. A group of queries against a block of keys is a tile; what becomes of a tile depends
 * on sizes, strides and the instruction set only, never on threads. */
#ifndef CR__CPU_ATTENTION_H
#define CR__CPU_ATTENTION_H

#include "gemm.h"
#include "random.h"

/* Queries of a group, which is as many panels of gemm.h's as it takes. */
enum { CR__ATTENTION_GROUP = 64 };

/* One panel of a tile; T is the type that is computed in. Rows lie CR__ATTENTION_GROUP elements apart in what belongs to
 * the tile, and side by side in `mask` and `kept`. */
typedef struct cr__attention_panel {
  int64_t keys;
  void *shares;          /* in: scores; out: what values are multiplied by */
  void *grad;            /* in: the gradients of that; out: those of the scores */
  const void *mask;      /* NULL: none; else of T */
  bool truth;            /* not 0: the key is seen; else it is added */
  const void *kept;      /* NULL: nothing is dropped; else what shares are multiplied by */
  bool causal;           /* key i is hidden from the lanes below i + behind */
  int64_t behind, first; /* first: the key of the first row, among all */
  /* A number for each lane. */
  void *top,
      *sum; /* the largest score, the sum of exponentials measured from it, so far; later 1 over that */
  void *factor;      /* out, going forward: what earlier results are to be multiplied by */
  const void *delta; /* the sum of shares times their gradients */
  void *rest;        /* the sum of the gradients of scores, without the one that is `great` */
  int64_t *great;    /* the key that has more than 3/4 of the shares; -1: none */
} cr__attention_panel;

typedef struct cr__attention_loops {
  void (*forward)(const cr__attention_panel *p);
  void (*backward)(const cr__attention_panel *p);
  void (*scale)(int64_t n, void *x, double by);
  double (*dot)(int64_t n, const void *x, const void *y);
} cr__attention_loops;

/* What both directions are told. */
typedef struct cr__attention {
  const char *op;
  const cr__attention_loops *l;
  const cr__gemm_loops *g;
  int dtype, type;       /* of the tensors; that is computed in */
  int64_t size_in, size; /* bytes of an element of either */
  int64_t heads, kv_heads, rows, keys, width, value_width;
  int64_t tasks_rows;                         /* groups of queries in a head */
  int64_t block;                              /* keys of a tile, at most */
  int64_t pitch, value_pitch;                 /* elements from row to row of what is kept apart */
  bool value_as_it_lies, key_as_it_lies;      /* as the second factor of a product */
  const cr__view *query, *key, *value, *mask; /* mask: NULL if there is none */
  double scale;
  bool causal;
  cr__draw draw;
  double dropout;
} cr__attention;

/* A group of queries. */
typedef struct cr__attention_group {
  int64_t batch, head, first, w; /* the first query and how many */
  int64_t lanes;                 /* that are computed */
  int64_t end;                   /* of the keys that any of them sees */
} cr__attention_group;

void cr__attention_begin(cr__attention *a, const cr__view *query, const cr__view *key,
                         const cr__view *value, const cr__view *mask, cr__rng_place rng);
cr__attention_group cr__attention_group_of(const cr__attention *a, int64_t batch, int64_t head,
                                           int64_t index);
/* The element at [batch, head, row, 0]. */
char *cr__attention_row(const cr__view *v, int64_t batch, int64_t head, int64_t row);
int64_t cr__attention_kv_head(const cr__attention *a, int64_t head);

/* The group's rows of v, k elements each and times `by`, as panels of gemm.h. */
void cr__attention_pack(const cr__attention *a, const cr__attention_group *g, const cr__view *v,
                        int64_t k, double by, char *to);
/* m x n of c = a b, or c + a b, of what `t` says of the first tile; panel: bytes between panels of b. */
void cr__attention_product(const cr__attention *a, int64_t m, int64_t n, cr__gemm_tile t,
                           int64_t panel, bool add);
/* n rows of v from `first` on, k elements each: where they lie if they may, else converted in room; *step becomes the
 * bytes between them, and *along those between elements. */
const char *cr__attention_lines(const cr__attention *a, const cr__view *v, int64_t batch,
                                int64_t head, int64_t first, int64_t n, int64_t k, bool as_it_lies,
                                int64_t pitch, char *room, int64_t *step, int64_t *along);
/* What the mask says of a tile, and what of it is dropped, as panels one after the other, in room that
 * cr__attention_veil_bytes counts; into `p` for panel `index`. */
typedef struct cr__attention_veil {
  char *mask, *kept, *drawn; /* mask, kept: NULL: none */
} cr__attention_veil;
size_t cr__attention_veil_bytes(const cr__attention *a);
cr__attention_veil cr__attention_veil_in(const cr__attention *a, char *room);
void cr__attention_draw_veil(const cr__attention *a, const cr__attention_group *g,
                             const cr__attention_veil *v, int64_t first, int64_t n);
cr__attention_panel cr__attention_panel_of(const cr__attention *a, const cr__attention_group *g,
                                           const cr__attention_veil *v, int64_t index,
                                           int64_t first, int64_t n, char *tile);

/* cr__cpu_attention_backward (attention_backward.c). */
int cr__attention_gradients(cr__launch *k);

/* Steps of n tasks of `rows` queries each, for cr__cpu_lines. */
int64_t cr__attention_work(const cr__attention *a, int64_t n, int64_t rows, int64_t products);

/* The i-th of numbers in the type that is computed in, read and written. */
static inline double cr__attention_number(const cr__attention *a, const char *numbers, int64_t i) {
  return a->type == CR_FLOAT64 ? ((const double *)(const void *)numbers)[i]
                               : (double)((const float *)(const void *)numbers)[i];
}
static inline void cr__attention_put(const cr__attention *a, char *numbers, int64_t i, double x) {
  if (a->type == CR_FLOAT64) ((double *)(void *)numbers)[i] = x;
  else ((float *)(void *)numbers)[i] = (float)x;
}

#endif
