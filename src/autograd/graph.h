/* graph.h: nodes and edges, what nodes save, in-place rules, hooks, streams of a backward pass.
 *
 * Holds true: a node owns what it saved and the nodes that its edges lead to, never the other way round. A
 * graph is walked by lists, never by recursion. */
#ifndef CR__GRAPH_H
#define CR__GRAPH_H

#include "tensor/dispatch.h"

/* ---- Graph (graph.c, record.c, engine.c, function.c, inplace.c) ---- */

typedef struct cr__edge {
  cr_node *fn; /* owned; NULL: no gradient wanted */
  uint32_t slot;
} cr__edge;

typedef struct cr__outmeta { /* of an output of a node, which its gradient must match */
  uint8_t dtype, ndim;
  cr_device device;
  uint32_t dims; /* index into the node's ints */
} cr__outmeta;

enum { CR__SAVED_OUTPUT = 1, CR__SAVED_LIST = 2, CR__SAVED_PACKED = 4, CR__SAVED_LEAF = 8 };
typedef struct cr__saved {
  cr_value v;       /* owned tensor, or a value; ints lie in the node's block */
  uint32_t version; /* of the tensor when it was saved */
  uint16_t flags;
  uint16_t slot;               /* output number: of this node, or of fn */
  cr_node *fn;                 /* owned: history of a saved non-leaf input */
  void *handle;                /* a pack hook's; or the elements of a list */
  struct cr__hooks_ref *hooks; /* owned: the pair that made the handle */
} cr__saved;

struct pass;     /* a running backward pass, ... */
struct cr__task; /* ... and a node's part in it (engine.c) */

typedef struct cr__node_type {
  const char *name; /* "Accumulate", "Function", ... or NULL: the op's node_name */
  /* Elements of g may be NULL; it may take one over by putting NULL in its place. */
  int (*backward)(cr_node *n, cr_tensor **g, cr_tensor **gi);
  void (*free_saved)(cr_node *n); /* after use without retain_graph */
  void (*destroy)(cr_node *n);    /* when the last reference is gone; free_saved has run */
} cr__node_type;

#define CR__SEQ_LEAF UINT64_MAX /* of accumulators */

struct cr_node {
  atomic_int refs;
  uint32_t size;        /* of the block, for cr__free */
  cr__account *account; /* whom to settle it with; or NULL */
  uint64_t seq;         /* an edge leads to a smaller one, or to CR__SEQ_LEAF */
  const cr__node_type *type;
  const cr_op *op; /* NULL: not an operation's node */
  uint16_t nedge, nout, nsaved, nints;
  bool freed;                /* saved values are gone */
  bool watched;              /* its hooks begin with watches */
  atomic_flag lock;          /* of `others` */
  struct pass *_Atomic pass; /* the backward pass that it belongs to, of those under way; or NULL */
  struct cr__task *task;     /* its task there */
  struct cr__task *_Atomic others; /* those in other passes */
  cr__edge *edges;                 /* all four arrays lie in this block */
  cr__outmeta *outs;
  cr__saved *saved;
  int64_t *ints;
  cr__hook *hooks;
  char *trace;        /* anomaly mode */
  cr_stream *stream;  /* that the forward call ran on; NULL on the CPU */
  void *user;         /* the type's own: Accumulate: the leaf; Function: its context */
  cr_node *next_dead; /* worklist of cr__node_release */
};

/* Returns a node with room; edges and saved cleared, seq drawn. */
cr_node *cr__node_new(const cr__node_type *type, int nedge, int nout, int nsaved, int nints);
void cr__node_note_stream(cr_node *n, cr_device device); /* the current one, where none is noted */
static inline void cr__node_set_out(cr_node *n, int i,
                                    const cr_tensor *t) { /* fills outs[i]; ints reserved */
  cr__outmeta *m = &n->outs[i];
  m->dtype = t->dtype;
  m->ndim = t->ndim;
  m->device = t->storage->device;
  m->dims = n->nints;
  if (CR__UNLIKELY(m->device != CR_CPU)) cr__node_note_stream(n, m->device);
  int64_t *sizes = n->ints + n->nints;
  for (int d = 0; d < t->ndim; d++) sizes[d] = t->dims[d];
  n->nints = (uint16_t)(n->nints + t->ndim);
}
/* The edge that t's gradient takes: its (current) grad_fn, or the leaf's accumulator; 0 if none. */
int cr__edge_of(cr_tensor *t, cr__edge *edge);
/* Makes it the i-th edge of n, a node that is still being made. */
int cr__connect(cr_node *n, int i, cr_tensor *t);
/* Makes t the slot-th output of n (borrows n). */
void cr__set_history(cr_tensor *t, cr_node *n, uint32_t slot);
/* t's grad_fn, remade if t is a view whose base was written to since. Borrowed. */
int cr__current_fn_of_view(cr_tensor *t, cr_node **fn);
static inline int cr__current_fn(cr_tensor *t, cr_node **fn) {
  if (CR__UNLIKELY(t->base != NULL)) return cr__current_fn_of_view(t, fn);
  *fn = t->grad_fn;
  return 0;
}
/* Saves t in s for node n; is_output says that it is n's result number slot. */
bool cr__saves_through_hooks(void);
int cr__save_tensor(cr_node *n, cr__saved *s, cr_tensor *t, bool is_output, uint32_t slot);
/* Returns the tensor, checked for in-place writes; `history` asks for its place in the graph. */
cr_tensor *cr__load_tensor(cr_node *n, const cr__saved *s, bool history);
/* Returns the k-th saved value; tensors are the caller's. CR_NONE with the error set on failure. */
cr_value cr__unpack(cr_node *n, int k);
/* Set by an unpacking that failed: to a formula, what it gives looks like an argument that was left out. */
extern CR__TLS bool cr__unpack_failed;
void *cr__saved_handle(const cr__saved *s, const void *free_handle); /* as cr_node_packed has it */
void cr__saved_clear(cr__saved *s);
/* The node of a call: edges and saved arguments; outs give its outputs' shapes. `inplace`: the call
 * is about to write to args[0], whose old value is cloned if a derivative reads it. */
cr_node *cr__record(const cr_op *op, const cr_value *args, cr_tensor *const *outs, int nout,
                    bool inplace);
int cr__record_outputs(cr_node *n, cr_tensor *const *outs); /* saves results, once they are there */
void cr__settle_outputs(cr_node *n,
                        const cr_tensor *self); /* or before, and this after the write */
/* True for a view whose base was written to through another tensor since the view's node was made. */
bool cr__is_stale(const cr_tensor *t);
/* True if t takes part in a graph: a leaf that requires grad, a result, or a view of one. */
static inline bool cr__requires(const cr_tensor *t) {
  if ((t->flags & CR__REQUIRES_GRAD) || t->grad_fn) return true;
  return t->base && cr__is_stale(t);
}
cr_tensor *cr__zeros_of(const cr_node *n, int output); /* returns zeros of an output's shape */
/* While an operation's formula runs: a bit for each of its first 64 edges whose gradient is asked for. */
extern CR__TLS uint64_t cr__edges_wanted;
static inline bool cr__needs(const cr_node *n, int edge) {
  return n->edges[edge].fn != NULL && (edge >= 64 || cr__edges_wanted >> edge & 1);
}

/* In-place rules (inplace.c): before the write, and after it with the node that made it. */
/* The operation is called op with suffix ("_" for a twin) in messages. */
int cr__inplace_check(const char *op, const char *suffix, cr_tensor *t, bool records);
int cr__inplace_record(cr_tensor *t, cr_node *n, int self_edge, uint32_t slot);
/* Its halves, before the write and after it: the second cannot fail. *made: the base's node, or NULL. */
int cr__inplace_prepare(cr_tensor *t, cr_node *n, int self_edge, uint32_t slot, cr_node **made);
void cr__inplace_commit(cr_tensor *t, cr_node *n, uint32_t slot, cr_node *made);
/* The whole of a call in place that changes args[0]'s header and none of its elements. */
int cr__inplace_header(const cr_op *op, const cr_value *args);
/* Makes `view` a differentiable view of `of` (or of its base). */
static inline void cr__mark_view(cr_tensor *view, cr_tensor *of, cr__view_kind kind) {
  if (view == of || view->base || view->storage != of->storage) return;
  view->base = cr_retain(of->base ? of->base : of);
  /* A view of a restricted view is restricted in the same way. */
  view->view_kind = (uint8_t)(kind == CR__VIEW_PLAIN && of->base ? of->view_kind : (uint8_t)kind);
  view->view_version = cr__version(view);
}

/* Called once for a dying tensor with CR__RETAIN_GRAD, hooks or an accumulator: removes the weak
 * pointers that the graph has to it, and its hooks. */
void cr__tensor_forget(cr_tensor *t);

/* Hooks (hooks.c). A list belongs to a leaf or a node; run calls the live ones of a kind (and slot,
 * if it is not -1), each of which may replace gradients. */
uint64_t cr__hook_add(cr__hook **list, cr_hook_kind kind, int slot, cr_hook f, void *user,
                      void (*free_user)(void *));
int cr__hooks_run(cr__hook **list, cr_hook_kind kind, int slot, cr_tensor **grads, int n,
                  cr_tensor *const *outs, int nouts);
void cr__hooks_free(cr__hook **list);
void cr__tell_watches(const cr__hook *list, int refs);
int cr__hooks_store(cr_node *n, cr_tensor *const *grads); /* in the tensors that retain theirs */
int cr__hook_retain(cr_node *n, cr_tensor *t); /* n's gradient number t->slot goes to t->grad too */
void cr__hook_unretain(cr_node *n, const cr_tensor *t);
void cr__hook_move_retain(cr_node *from, cr_node *to, const cr_tensor *t); /* to t->slot there */
bool cr__unshared(const cr_tensor *t); /* who asks has the only reference to t and to its memory */
int cr__add_grad(cr_tensor **slot, cr_tensor *g); /* *slot += g; steals g */
/* Makes *g, which node `from` gave at position `index`, fit the output that e leads to: summed to its
 * shape, cast to its dtype. */
int cr__fit_grad(const cr_node *from, int index, const cr__edge *e, cr_tensor **g);
/* Adds g to t's grad as backward does: in place, or a new tensor while recording. Steals g. */
int cr__accumulate(cr_tensor *t, cr_tensor *g);
const char *cr__function_name(const cr_node *n); /* of a node that is no operation's */
cr_tensor *cr__sum_to(cr_tensor *g, int ndim, const int64_t *shape); /* returns; unbroadcast */
extern const cr__node_type cr__accumulate_type, cr__op_type;
/* Gradient mode on, and not below a run function. */
static inline bool cr__recording(void) { return !cr__modes.no_grad && !cr__below; }

/* ---- Streams in a backward pass (streams.c) ---- */
typedef struct cr__ambient cr__ambient; /* the streams that a pass has left; NULL at first */
void cr__node_drop_stream(cr_node *n);
/* Before n's backward: makes its stream the current one. */
int cr__streams_follow(cr__ambient **list, const cr_node *n, cr_tensor *const *grads);
int cr__streams_keep(const cr_node *n,
                     const cr_tensor *g);             /* n's stream works with g's memory too */
int cr__streams_return(cr__ambient **list, int code); /* at the end; gives code or an error */

#endif
