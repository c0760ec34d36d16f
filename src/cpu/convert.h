/* convert.h: moving runs of elements, converting and changing strides on the way.
 *
 * Holds true: strides count elements and may be 0 or negative; source and target do not overlap. */
#ifndef CR__CONVERT_H
#define CR__CONVERT_H

#include "device/backend.h"

/* n contiguous elements of dtype `from` become n contiguous ones of dtype `to`. */
void cr__convert(void *out, int to, const void *in, int from, int64_t n);
/* The same, past the caches where `past` is set: the target must start a line of the cache then.
 * cr__stream_end() makes what a thread has written so visible to others: in a task, when the thread has
 * done its share, for it waits until memory has all of it. */
void cr__convert_past(void *out, int to, const void *in, int from, int64_t n, bool past);
void cr__stream_end(void);
/* The same as cr__convert with a stride on the one or the other side. */
void cr__read_run(void *out, int to, const void *in, int from, int64_t stride, int64_t n);
/* For long runs in a task, which the host may stop (cpu.h). */
void cr__read_looking(void *out, int to, const void *in, int from, int64_t stride, int64_t n);
void cr__write_run(void *out, int to, int64_t stride, const void *in, int from, int64_t n);
/* Repeats one element of `size` bytes n times; past the caches as above. */
void cr__splat(void *out, const void *element, size_t size, int64_t n);
void cr__splat_past(void *out, const void *element, size_t size, int64_t n);

#endif
