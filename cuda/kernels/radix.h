/* cuda/kernels/sort.h: a stable sort of numbered keys, which brings what goes to one place together. */
#ifndef CR__CUDA_SORT_H
#define CR__CUDA_SORT_H

#include "runtime/cuda.h"

/* n < 2^32 keys with their numbers, in memory of the device. */
typedef struct cr__sorting {
  int ordinal;
  int64_t n;
  uint64_t *key;    /* to be filled by the caller; in the end sorted */
  uint32_t *number; /* to be filled by the caller; goes with the keys */
  void *memory;     /* what cr__sort_end gives back */
  size_t nbytes;
} cr__sorting;

/* Takes memory for n keys; 0 or the error. After it, cr__sort_end must be called. */
int cr__sort_begin(cr__sorting *s, cr_device device, int64_t n);
/* Sorts by the low `bits` bits of the keys. Equal keys keep their order. */
int cr__sort_run(cr__sorting *s, const char *op, int bits);
void cr__sort_end(cr__sorting *s);

#endif
