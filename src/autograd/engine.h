/* engine.h: a backward pass, between backward.c (what it is asked for) and engine.c (how it runs).
 *
 * Holds true: a pass lives on the stack of the call that asked for it. */
#ifndef CR__ENGINE_H
#define CR__ENGINE_H

#include "graph.h"

typedef struct cr__task task;
typedef struct callback {
  struct callback *next;
  int (*f)(void *user);
  void *user;
  void (*free_user)(void *);
} callback;

struct cr__task {
  cr_node *node; /* owned */
  struct pass *pass;
  task *other;        /* the same node's task in another pass; not that of the pass it belongs to */
  task *next;         /* in the order of discovery */
  int waiting;        /* gradients still to come */
  bool needed;        /* an input lies behind it, or it is one */
  bool runs;          /* an input lies behind it */
  bool captured;      /* its gradient is asked for */
  cr_tensor *first;   /* the first gradient of its leaf, which this pass has given it; or NULL */
  uint32_t version;   /* of that, then */
  cr_tensor *grads[]; /* one per output, owned */
};

typedef struct pass {
  task *first, *last;
  task **ready; /* a heap, largest seq on top */
  int nready, room;
  bool keep, only_inputs, accumulates;
  const cr_backward_options *options;
  task **capture; /* per input: its task (NULL: not reached) */
  uint32_t *capture_slot;
  cr_tensor **results;
  callback *callbacks;
  cr__ambient *ambient;
  struct pass *outer;
} pass;

/* ---- engine.c ---- */
int cr__pass_run(pass *p, cr_tensor *const *roots, int nroots); /* callbacks included */

/* ---- gradient.c ---- */
/* The gradient of root i in *g, returned: the one given, checked, or ones. */
int cr__root_gradient(cr_tensor *root, int i, const cr_backward_options *o, cr_tensor **g);
/* Fails where one of n's gradients gi, one for each edge, has a NaN. */
int cr__check_nan(const cr_node *n, cr_tensor *const *gi);

#endif
