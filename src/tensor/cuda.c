/* cuda.c: the CUDA section of the public API: devices, streams, events, graphs, pinned memory.
 *
 * Holds true: these forward to what the plug-in offers. A stream, an event or a graph exists only
 * once the plug-in is there, so those that take one need not look whether it is. */
#include <string.h>

#include "autograd/graph.h"

static const cr__device_ops *ops(void) { return cr__device_ops_of(CR_CUDA); }
/* For what has been given an object of the plug-in; NULL if nobody has used it yet. */
static const cr__device_ops *loaded(void) { return cr__loaded_ops(CR_CUDA); }

static int ordinal_or(const cr__device_ops *o, int ordinal) {
  return ordinal == -1 ? o->selected() : ordinal;
}

/* ---- Devices ---- */

bool cr_cuda_available(void) {
  int count;
  cr_error before = cr_error_code();
  bool there = cr_cuda_count(&count) == CR_E_OK && count > 0;
  if (!there && before == CR_E_OK) cr_error_clear();
  return there;
}

int cr_cuda_count(int *count) {
  *count = 0;
  const cr__device_ops *o = ops();
  return o ? o->count(count) : (int)cr_error_code();
}

int cr_cuda_current(void) {
  int count;
  return cr_cuda_count(&count) ? -1 : ops()->selected();
}

int cr_cuda_select(int ordinal) {
  const cr__device_ops *o = ops();
  if (!o) return cr_error_code();
  if (o->graph_capturing())
    return cr__fail(CR_E_ARGUMENT, "set_device: not while a graph is being captured");
  return o->select(ordinal);
}

int cr_cuda_synchronize(int ordinal) {
  const cr__device_ops *o = ops();
  return o ? o->synchronize(ordinal_or(o, ordinal)) : (int)cr_error_code();
}

int cr_cuda_properties_of(int ordinal, cr_cuda_properties *out) {
  const cr__device_ops *o = ops();
  return o ? o->properties(ordinal_or(o, ordinal), out) : (int)cr_error_code();
}

int cr_cuda_set_tf32(bool on) {
  const cr__device_ops *o = ops();
  if (!o) return cr_error_code();
  o->set_tf32(on);
  return CR_E_OK;
}

int cr_cuda_tf32(bool *on) {
  const cr__device_ops *o = ops();
  *on = o && o->tf32();
  return o ? CR_E_OK : cr_error_code();
}

const char *cr_cuda_gemm_name(void) {
  const cr__device_ops *o = ops();
  return o ? o->gemm_name() : NULL;
}

/* ---- Streams ---- */

cr_stream *cr_stream_new(int ordinal, bool high_priority) {
  const cr__device_ops *o = ops();
  return o ? o->stream_new(ordinal_or(o, ordinal), high_priority) : NULL;
}

cr_stream *cr_stream_current(int ordinal) {
  const cr__device_ops *o = ops();
  return o ? o->stream_current(ordinal_or(o, ordinal)) : NULL;
}

static int stream_or_fail(const cr_stream *s, const char *op) {
  return s ? CR_E_OK : cr__fail_absent(op, "stream");
}
static int event_or_fail(const cr_event *e, const char *op) {
  return e ? CR_E_OK : cr__fail_absent(op, "event");
}

int cr_stream_select(cr_stream *s) {
  if (stream_or_fail(s, "set_stream")) return cr_error_code();
  if (loaded()->graph_capturing())
    return cr__fail(CR_E_ARGUMENT, "set_stream: not while a graph is being captured");
  return loaded()->stream_select(s);
}

cr_device cr_stream_device(const cr_stream *s) {
  return s ? CR_CUDA | loaded()->stream_ordinal(s) : CR_CPU;
}
uint64_t cr_stream_id(const cr_stream *s) { return s ? loaded()->stream_id(s) : 0; }
cr_stream *cr_stream_retain(cr_stream *s) { return s ? loaded()->stream_retain(s) : NULL; }
void cr_stream_release(cr_stream *s) {
  if (s) loaded()->stream_release(s);
}

int cr_stream_synchronize(cr_stream *s) {
  if (stream_or_fail(s, "synchronize")) return cr_error_code();
  return loaded()->stream_synchronize(s);
}

int cr_stream_query(cr_stream *s, bool *done) {
  *done = false;
  if (stream_or_fail(s, "query")) return cr_error_code();
  return loaded()->stream_query(s, done);
}

int cr_stream_wait(cr_stream *s, cr_event *e) {
  if (stream_or_fail(s, "wait") || event_or_fail(e, "wait")) return cr_error_code();
  return loaded()->stream_wait(s, e);
}

int cr_stream_record(cr_stream *s, cr_tensor *t) {
  if (stream_or_fail(s, "record")) return cr_error_code();
  if (!t) return cr__fail_absent("record", "tensor");
  if (t->storage->device == CR_CPU)
    return cr__fail(CR_E_DEVICE, "record: the tensor is on the cpu, which has no streams");
  return loaded()->stream_record(s, cr__ordinal_of(t->storage->device), t->storage->data);
}

/* ---- Events ---- */

cr_event *cr_event_new(bool timing) {
  const cr__device_ops *o = ops();
  return o ? o->event_new(timing) : NULL;
}

void cr_event_free(cr_event *e) {
  if (e) loaded()->event_free(e);
}

int cr_event_record(cr_event *e, cr_stream *s) {
  if (event_or_fail(e, "record")) return cr_error_code();
  return loaded()->event_record(e, s);
}

int cr_event_query(cr_event *e, bool *done) {
  *done = false;
  if (event_or_fail(e, "query")) return cr_error_code();
  return loaded()->event_query(e, done);
}

int cr_event_synchronize(cr_event *e) {
  if (event_or_fail(e, "synchronize")) return cr_error_code();
  return loaded()->event_synchronize(e);
}

int cr_event_elapsed(cr_event *from, cr_event *to, double *milliseconds) {
  *milliseconds = 0;
  if (event_or_fail(from, "elapsed") || event_or_fail(to, "elapsed")) return cr_error_code();
  return loaded()->event_elapsed(from, to, milliseconds);
}

/* ---- Graphs ---- */

int cr_graph_begin(void) {
  const cr__device_ops *o = ops();
  return o ? o->graph_begin() : (int)cr_error_code();
}

cr_graph *cr_graph_end(void) {
  const cr__device_ops *o = ops();
  return o ? o->graph_end(true) : NULL;
}

void cr_graph_abandon(void) {
  if (loaded()) loaded()->graph_end(false);
}

int cr_graph_launch(cr_graph *g) {
  if (!g) return cr__fail_absent("graph", "graph");
  return loaded()->graph_launch(g);
}

void cr_graph_free(cr_graph *g) {
  if (g) loaded()->graph_free(g);
}

/* ---- Pinned memory ---- */

static void unpin(void *memory) { loaded()->pinned_free(memory); }

cr_tensor *cr_pin(cr_tensor *t) {
  const cr__device_ops *o = t ? ops() : NULL;
  if (!o) {
    if (!t) cr__fail_absent("pin_memory", "self");
    return NULL;
  }
  if (t->storage->device != CR_CPU) {
    char name[16];
    cr__fail(CR_E_DEVICE, "pin_memory: only memory of the cpu can be pinned, the tensor is on %s",
             cr_device_name(t->storage->device, name));
    return NULL;
  }
  size_t nbytes = (size_t)t->numel * cr__size_of((cr_dtype)t->dtype);
  int64_t stride[CR_MAX_DIMS];
  void *memory = o->pinned_alloc(nbytes);
  if (!memory) return NULL;
  cr__fill_strides(t->ndim, cr__sizes(t), stride);
  cr_tensor *pinned =
      cr__wrap(memory, nbytes, (cr_dtype)t->dtype, t->ndim, cr__sizes(t), stride, unpin, memory);
  if (!pinned) {
    o->pinned_free(memory);
    return NULL;
  }
  if (cr__copy("pin_memory", pinned, t) == 0) return pinned;
  cr_release(pinned);
  return NULL;
}

bool cr_is_pinned(const cr_tensor *t) {
  const cr__device_ops *o = loaded();
  return t && o && t->storage->device == CR_CPU && o->is_pinned(t->storage->data);
}

/* What cr_copy_queued asks of its two tensors. */
static int fit_for_queue(const cr_tensor *dst, const cr_tensor *src) {
  cr__text to, from;
  const cr_tensor *host = dst->storage->device == CR_CPU ? dst : src;
  const cr_tensor *other = host == dst ? src : dst;
  if (!cr_is_pinned(host) || other->storage->device == CR_CPU)
    return cr__fail(CR_E_DEVICE,
                    "copy_queued: one tensor must be pinned and the other on a device");
  if (dst->ndim != src->ndim ||
      memcmp(cr__sizes(dst), cr__sizes(src), dst->ndim * sizeof(int64_t)) != 0)
    return cr__fail(CR_E_SHAPE, "copy_queued: shapes differ, %s and %s",
                    cr__shape_text(dst->ndim, cr__sizes(dst), &to),
                    cr__shape_text(src->ndim, cr__sizes(src), &from));
  if (dst->dtype != src->dtype)
    return cr__fail(CR_E_DTYPE, "copy_queued: dtypes differ, %s and %s",
                    cr_dtype_name((cr_dtype)dst->dtype), cr_dtype_name((cr_dtype)src->dtype));
  if (!(dst->flags & src->flags & CR__CONTIGUOUS))
    return cr__fail(CR_E_ARGUMENT, "copy_queued: both tensors must be contiguous");
  if (cr__requires(dst) || cr__requires(src))
    return cr__fail(CR_E_AUTOGRAD, "copy_queued: is not differentiable; detach what requires grad");
  return CR_E_OK;
}

int cr_copy_queued(cr_tensor *dst, cr_tensor *src) {
  if (!dst || !src) return cr__fail_absent("copy_queued", dst ? "src" : "dst");
  if (fit_for_queue(dst, src)) return cr_error_code();
  size_t nbytes = (size_t)dst->numel * cr__size_of((cr_dtype)dst->dtype);
  if (nbytes == 0) return CR_E_OK;
  bool down = dst->storage->device == CR_CPU;
  int ordinal = cr__ordinal_of((down ? src : dst)->storage->device);
  int code = down ? loaded()->copy_to_pinned(ordinal, cr__data(dst), cr__data(src), nbytes)
                  : loaded()->copy_from_pinned(ordinal, cr__data(dst), cr__data(src), nbytes);
  if (!code) cr__bump(dst);
  return code;
}
