/* reduce_job.h: what a reduction knows of itself: reduce.c, which folds, and reduce_finish.c, which makes results of
 * what was folded, share it.
 *
 * Holds true: a unit's results are folded and finished by one thread, or its chunks by several. */
#ifndef CR__CPU_REDUCE_JOB_H
#define CR__CPU_REDUCE_JOB_H

#include "reduce_short.h"

typedef struct cr__reduce_job {
  const cr__launch *k;
  cr__fold_plan plan;
  const cr__reduce_loops *loops;
  const cr__folder *fold;
  const cr__folder *across; /* folds the states of a tile, where one is made of short runs */
  bool is_short;            /* rows of few elements: */
  cr__short few;
  int compute;
  int takes; /* the dtype of the elements that are folded */
  int map;
  int kind; /* a cr__fold: what `fold` does */
  cr__again again;
  cr__few_columns few_columns; /* folds columns of few rows into their results; or NULL */
  int64_t width;               /* results of a unit, at most CR__TILE */
  int64_t tiles;               /* units along the innermost kept dim */
  int64_t units, chunk, chunks;
} cr__reduce_job;

/* A unit: w results, its first input element and its first result. */
typedef struct cr__reduce_unit {
  const char *in;
  char *out;
  int64_t w;
} cr__reduce_unit;

/* Room for the state of one unit. */
typedef union cr__reduce_state {
  double f[2 * CR__TILE];
  int64_t i[2 * CR__TILE];
} cr__reduce_state;

/* Folds chunk number `chunk` of a unit into a state, which it clears first. */
void cr__fold_chunk(const cr__reduce_job *j, const cr__reduce_unit *u, int64_t chunk, void *s);
/* Joins the state of a chunk to that of those before it. */
void cr__join_chunk(const cr__reduce_job *j, const cr__reduce_unit *u, int64_t chunk, void *s,
                    const void *part);
/* The results of a unit's states, which are used up. */
void cr__finish_unit(const cr__reduce_job *j, const cr__reduce_unit *u, void *s);

#endif
