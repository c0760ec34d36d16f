/* cuda/runtime/runtime.h: what the files of the runtime share: devices, memory, streams, graphs.
 *
 * Holds true: a device is made active before anything is done on it; the choice of a current
 * device (cr__selected) is not touched by that. */
#ifndef CR__CUDA_RUNTIME_H
#define CR__CUDA_RUNTIME_H

#include "cuda.h"

#define CR__MAX_DEVICES 16

struct cr_stream {
  int refs; /* atomic */
  int ordinal;
  bool high_priority;
  cudaStream_t handle; /* NULL: the device's default stream */
  cr_stream *next;     /* of those that nobody holds */
};

/* Which device and streams are current. */
struct cr__choices {
  cr_stream *of[CR__MAX_DEVICES]; /* owned; NULL: the default one */
  int selected;
  void drop(void); /* gives the streams up */
};

extern const cr__host *cr__engine;
extern const cr__device_ops cr__cuda_ops;

/* ---- runtime.cu ---- */
int cr__activate(int ordinal); /* fails on one that is not there */
int cr__selected(void);
int cr__device_count(void);
int cr__raise_fault(int ordinal);  /* what a kernel has reported; call when its work is done */
int cr__refuse_capture(const char *what); /* fails if the thread captures a graph */
/* Before what waits for a device or copies to and from the host: no capture, and it is active. */
int cr__begin_wait(const char *what, int ordinal);

/* ---- allocator.cu ---- */
struct cr__arena; /* the memory of one graph */
void cr__arena_use(cr__arena *a); /* the calling thread allocates from it; NULL: as before */

/* ---- pending.cu ---- */
int cr__memory_record(int ordinal, void *p, cr_stream *s);

/* ---- memory.cu ---- */
int cr__memory_stats(int ordinal, cr_memory *out);
void cr__memory_reset_peak(int ordinal);
int cr__memory_limit(int ordinal, int64_t bytes);
void cr__memory_empty_cache(int ordinal);
int64_t cr__memory_in_use(void);
cr__arena *cr__arena_new(int ordinal);
void cr__arena_free(cr__arena *a); /* blocks that tensors still hold stay theirs */
uint64_t cr__block_serial(int ordinal, const void *p); /* of the block around p; 0: freed */
cr__arena *cr__block_arena(int ordinal, const void *p); /* NULL: the device's */

/* ---- stream.cu ---- */
const cr__choices *cr__chosen(void);
cr__choices *cr__choose(void); /* to be changed; NULL with the error set */
cudaStream_t cr__stream_of(int ordinal);
cr_stream *cr__stream_current(int ordinal);
int cr__stream_select(cr_stream *s);
cr_stream *cr__stream_new(int ordinal, bool high_priority);
cr_stream *cr__stream_retain(cr_stream *s);
void cr__stream_release(cr_stream *s);
int cr__stream_synchronize(cr_stream *s);
void cr__stream_ops(cr__device_ops *o);

/* ---- pinned.cu ---- */
uint64_t cr__pinned_serial(const void *p); /* of the block around p; 0: freed */
void cr__pinned_ops(cr__device_ops *o);

/* ---- graph.cu ---- */
bool cr__capturing(void);
void cr__capture_note(int ordinal, const void *p); /* nothing outside a capture */
void cr__capture_note_pinned(const void *p);
void cr__graph_ops(cr__device_ops *o);

#endif
