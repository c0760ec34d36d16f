/* streams.c: the backward pass follows the streams of the forward pass.
 *
 * Holds true: a node's backward runs on the stream that its forward ran on, after whatever the pass has
 * queued before, on whatever stream. When the pass ends the calling thread has its streams again, and
 * these wait for the pass. A gradient that meets another stream than its own is recorded there, so
 * that its memory stays until that stream is done. While a graph is captured, all stays on the
 * capture's stream. */
#include "graph.h"

/* The stream that a device had when the pass came to it. */
typedef struct cr__ambient {
  struct cr__ambient *next;
  cr_stream *stream;
} ambient;

static const cr__device_ops *ops(void) { return cr__loaded_ops(CR_CUDA); }

void cr__node_note_stream(cr_node *n, cr_device device) {
  if (n->stream || cr__kind_of(device) != cr__kind_of(CR_CUDA)) return; /* others have no streams */
  cr_error before = cr_error_code();
  n->stream = ops()->stream_current(cr__ordinal_of(device));
  if (!n->stream && before == CR_E_OK)
    cr_error_clear(); /* its backward runs wherever it is called */
}

void cr__node_drop_stream(cr_node *n) { ops()->stream_release(n->stream); }

static int wait_for(cr_stream *later, cr_stream *earlier) {
  cr_event *e = ops()->event_new(false);
  if (!e) return cr_error_code();
  int code = ops()->event_record(e, earlier);
  if (!code) code = ops()->stream_wait(later, e);
  ops()->event_free(e);
  return code;
}

/* Makes s current on its device, after what the stream there has; "cuda" means what it meant. */
static int change_to(cr_stream *s, cr_stream *from) {
  int selected = ops()->selected();
  int code = wait_for(s, from);
  if (!code) code = ops()->stream_select(s);
  return code ? code : ops()->select(selected);
}

static bool is_known(const ambient *list, int ordinal) {
  for (; list; list = list->next)
    if (ops()->stream_ordinal(list->stream) == ordinal) return true;
  return false;
}

int cr__streams_keep(const cr_node *n, const cr_tensor *g) {
  cr_device device = g->storage->device;
  if (!n->stream || cr__kind_of(device) != cr__kind_of(CR_CUDA)) return 0;
  return ops()->stream_record(n->stream, cr__ordinal_of(device), g->storage->data);
}

static int enter(cr__ambient **list, const cr_node *n, cr_stream *from) {
  int ordinal = ops()->stream_ordinal(n->stream);
  if (!is_known(*list, ordinal)) {
    ambient *a = cr__alloc(sizeof *a);
    if (!a) return CR_E_MEMORY;
    *a = (ambient){*list, ops()->stream_retain(from)};
    *list = a;
  }
  return change_to(n->stream, from);
}

int cr__streams_follow(cr__ambient **list, const cr_node *n, cr_tensor *const *grads) {
  if (!n->stream || ops()->graph_capturing()) return 0;
  cr_stream *now = ops()->stream_current(ops()->stream_ordinal(n->stream));
  if (!now) return cr_error_code();
  int code = 0;
  if (ops()->stream_id(now) != ops()->stream_id(n->stream)) code = enter(list, n, now);
  ops()->stream_release(now);
  if (!*list) return code; /* all on one stream so far */
  for (int i = 0; i < n->nout && !code; i++)
    if (grads[i]) code = cr__streams_keep(n, grads[i]);
  return code;
}

int cr__streams_return(cr__ambient **list, int code) {
  while (*list) {
    ambient *a = *list;
    cr_stream *now = ops()->stream_current(ops()->stream_ordinal(a->stream));
    int error = now ? change_to(a->stream, now) : (int)cr_error_code();
    if (!code) code = error;
    ops()->stream_release(now);
    ops()->stream_release(a->stream);
    *list = a->next;
    cr__free(a, sizeof *a);
  }
  return code;
}
