/* storage.c: reference-counted memory under tensors.
 *
 * Holds true: data that lies inside the storage's own block goes with it; all other data has an
 * owner to be told: the host's deleter or the backend of the device. */
#include "dispatch.h"

cr__storage *cr__storage_new(cr_device device, size_t nbytes) {
  const cr__backend *b = cr__backend_of(device);
  cr__storage *s = b ? cr__alloc(sizeof *s) : NULL;
  if (!s) return NULL;
  char *data = cr__over_state_limit("the data of a tensor", nbytes)
                   ? NULL
                   : b->alloc(cr__ordinal_of(device), nbytes);
  if (!data) {
    cr__free(s, sizeof *s);
    return NULL;
  }
  *s = (cr__storage){.device = device, .data = data, .nbytes = nbytes};
  atomic_init(&s->refs, 1);
  s->charged = (int64_t)(nbytes + sizeof *s);
  cr__charge(&s->account, s->charged);
  return s;
}

static void destroy(cr__storage *s) {
  if (s->account) cr__account_settle(s->account, s->charged);
  if (s->deleter) s->deleter(s->user);
  else if (s->data && !cr__data_inside(s))
    cr__backend_of(s->device)->free(cr__ordinal_of(s->device), s->data, s->nbytes);
  cr__free(s, s->block ? s->block : sizeof *s);
}

void cr__storage_release(cr__storage *s) {
  if (!s) return;
  /* Who sees a count of one holds the only reference, and nobody can make another. */
  if (atomic_load_explicit(&s->refs, memory_order_acquire) == 1 ||
      atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
    destroy(s);
}
