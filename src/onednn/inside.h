/* inside.h: what the files of libcresset_dnnl.so share.
 *
 * Holds true: what a thread has made is its own, and goes when the thread ends; nothing is made while the process
 * forks. */
#ifndef CR__ONEDNN_INSIDE_H
#define CR__ONEDNN_INSIDE_H

#include <dnnl.h>

#include "shim.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct cr__onednn_convolutions cr__onednn_convolutions;

/* What a thread has, whatever it computes. */
typedef struct cr__onednn_thread {
  dnnl_stream_t stream;
  cr__onednn_convolutions *convolutions; /* NULL at first */
} cr__onednn_thread;

extern dnnl_engine_t cr__onednn_engine;   /* there once cr__onednn_here was called */
cr__onednn_thread *cr__onednn_here(void); /* NULL: out of memory */

/* Primitives are made between these, one at a time, for one thread. The first gives what the second is to get. */
int cr__onednn_begin_making(void);
void cr__onednn_end_making(int before);

void cr__onednn_clear_convolutions(cr__onednn_convolutions *c); /* c may be NULL */

#endif
