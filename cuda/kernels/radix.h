/* cuda/kernels/radix.h: a stable sort of numbered keys, which brings what goes to one place together. */
#ifndef CR__CUDA_RADIX_H
#define CR__CUDA_RADIX_H

#include "runtime/cuda.h"

/* n < 2^32 keys with their numbers, in memory of the device. */
typedef struct cr__radix {
  int ordinal;
  int64_t n;
  uint64_t *key;    /* to be filled by the caller; in the end sorted */
  uint32_t *number; /* to be filled by the caller; goes with the keys */
  void *memory;     /* what cr__radix_end gives back */
  size_t nbytes;
} cr__radix;

/* Takes memory for n keys; 0 or the error. After it, cr__radix_end must be called. */
int cr__radix_begin(cr__radix *s, cr_device device, int64_t n);
/* Sorts by the low `bits` bits of the keys. Equal keys keep their order. */
int cr__radix_run(cr__radix *s, const char *op, int bits);
void cr__radix_end(cr__radix *s);

#endif
