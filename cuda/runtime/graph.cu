/* cuda/runtime/graph.cu: graphs: a thread's work kept as a whole, to be queued again with one call.
 *
 * Holds true: a capture has a stream and memory of its own, and that memory stays with the graph. Of
 * other memory that it touches the graph keeps the serial number, and refuses to run once a block has
 * been given back: its bytes may be another tensor's by then. */
#include "runtime.h"

#include <stdlib.h>

enum { PINNED = -1 };
struct note { /* memory of others that the graph works on */
  const void *p;
  uint64_t serial;
  int ordinal; /* or PINNED */
};
struct cr_graph {
  int ordinal;
  cr__arena *arena;
  cudaGraphExec_t exec;
  note *notes;
  int nnote, room;
  bool broken; /* no memory for a note */
};

/* The capture of the calling thread. */
static thread_local struct {
  cr_graph *graph; /* NULL: none */
  cr_stream *stream, *before;
} capture;

bool cr__capturing(void) { return capture.graph != NULL; }

static void add_note(cr_graph *g, int ordinal, const void *p, uint64_t serial) {
  for (int i = 0; i < g->nnote; i++)
    if (g->notes[i].serial == serial && g->notes[i].ordinal == ordinal) return;
  if (g->nnote == g->room) {
    int room = g->room ? 2 * g->room : 16;
    note *wider = (note *)realloc(g->notes, (size_t)room * sizeof *wider);
    if (!wider) {
      g->broken = true;
      return;
    }
    g->notes = wider;
    g->room = room;
  }
  g->notes[g->nnote++] = {p, serial, ordinal};
}

void cr__capture_note(int ordinal, const void *p) {
  cr_graph *g = capture.graph;
  if (!g || !p || ordinal != g->ordinal) return;
  uint64_t serial = cr__block_serial(ordinal, p);
  if (serial == 0 || cr__block_arena(ordinal, p) == g->arena) return;
  add_note(g, ordinal, p, serial);
}

void cr__capture_note_pinned(const void *p) {
  if (capture.graph) add_note(capture.graph, PINNED, p, cr__pinned_serial(p));
}

static bool is_there(const note *n) {
  return n->serial ==
         (n->ordinal == PINNED ? cr__pinned_serial(n->p) : cr__block_serial(n->ordinal, n->p));
}

static void graph_free(cr_graph *g) {
  if (g->exec) (void)cudaGraphExecDestroy(g->exec);
  if (g->arena) cr__arena_free(g->arena);
  free(g->notes);
  free(g);
}

/* Work that the thread has queued before comes first; the copy of the stream's end is an event. */
static int follow(cudaStream_t later, cudaStream_t earlier) {
  cudaEvent_t e = NULL;
  cudaError_t code = cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
  if (code == cudaSuccess) code = cudaEventRecord(e, earlier);
  if (code == cudaSuccess) code = cudaStreamWaitEvent(later, e, 0);
  if (e) (void)cudaEventDestroy(e);
  return cr__cuda_check("graph", code);
}

static int graph_begin(void) {
  if (capture.graph) return cr__fail(CR_E_ARGUMENT, "graph: a capture is under way already");
  int ordinal = cr__selected();
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  cr_graph *g = (cr_graph *)calloc(1, sizeof *g);
  if (!g) return cr__fail(CR_E_MEMORY, "out of memory: a graph needs %zu bytes", sizeof *g);
  g->ordinal = ordinal;
  g->arena = cr__arena_new(ordinal);
  cr_stream *before = g->arena ? cr__stream_current(ordinal) : NULL;
  cr_stream *stream = before ? cr__stream_new(ordinal, false) : NULL;
  int code = stream ? follow(stream->handle, before->handle) : (int)CR_E_DEVICE;
  if (!code) (void)cr__fault_slot(); /* made now, as a capture cannot */
  if (!code) code = cr__stream_select(stream);
  if (!code)
    code = cr__cuda_check("graph",
                          cudaStreamBeginCapture(stream->handle, cudaStreamCaptureModeRelaxed));
  if (code) {
    if (before) (void)cr__stream_select(before);
    cr__stream_release(stream);
    cr__stream_release(before);
    graph_free(g);
    return code;
  }
  cr__arena_use(g->arena);
  capture.graph = g;
  capture.stream = stream;
  capture.before = before;
  return 0;
}

static cr_graph *graph_end(bool keep) {
  cr_graph *g = capture.graph;
  if (!g) {
    if (keep) cr__fail(CR_E_ARGUMENT, "graph: no capture is under way");
    return NULL;
  }
  capture.graph = NULL;
  cr__arena_use(NULL);
  (void)cr__activate(g->ordinal);
  cudaGraph_t work = NULL;
  cudaError_t code = cudaStreamEndCapture(capture.stream->handle, &work);
  if (keep && code == cudaSuccess) code = cudaGraphInstantiate(&g->exec, work, 0);
  if (work) (void)cudaGraphDestroy(work);
  (void)cr__stream_select(capture.before);
  cr__stream_release(capture.stream);
  cr__stream_release(capture.before);
  if (!keep) (void)cudaGetLastError();
  bool failed = !keep || cr__cuda_check("graph", code) != 0;
  if (!failed && g->broken) {
    cr__fail(CR_E_MEMORY, "out of memory: a graph needs to note the memory that it works on");
    failed = true;
  }
  if (failed) {
    graph_free(g);
    return NULL;
  }
  return g;
}

static int graph_launch(cr_graph *g) {
  if (capture.graph) return cr__fail(CR_E_ARGUMENT, "graph: a graph cannot run inside a capture");
  if (cr__activate(g->ordinal)) return CR_E_DEVICE;
  for (int i = 0; i < g->nnote; i++)
    if (!is_there(&g->notes[i]))
      return cr__fail(CR_E_ARGUMENT,
                      "graph: a tensor that was made before the capture, and used in it, has been "
                      "freed since; keep it as long as the graph");
  return cr__cuda_check("graph", cudaGraphLaunch(g->exec, cr__stream()));
}

void cr__graph_ops(cr__device_ops *o) {
  o->graph_begin = graph_begin;
  o->graph_end = graph_end;
  o->graph_capturing = cr__capturing;
  o->graph_launch = graph_launch;
  o->graph_free = graph_free;
}
