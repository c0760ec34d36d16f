/* buffer.c: bytes that tensors can lie in: files mapped into memory, and memory of the library's own.
 *
 * Holds true: a mapping is private, so a write to it reaches no file. A tensor keeps the buffer alive and has a
 * storage of its own, whose writes are counted apart from those to other tensors of the same buffer. No tensor
 * reaches beyond its buffer's bytes. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct cr_buffer {
  char *data;
  size_t size;
  cr_tensor *home; /* has the bytes; NULL: they are mapped */
  atomic_int refs;
};

int cr__fail_file(const char *what, const char *path, int number) {
  cr_quoted name;
  char text[128];
  return cr__fail(CR_E_FILE, "%s %s: %s", what, cr__quote(path, &name),
                  strerror_r(number, text, sizeof text));
}

static cr_buffer *make(char *data, size_t size, cr_tensor *home) {
  cr_buffer *b = cr__alloc(sizeof *b);
  if (!b) return NULL;
  *b = (cr_buffer){.data = data, .size = size, .home = home};
  atomic_init(&b->refs, 1);
  return b;
}

cr_buffer *cr_buffer_new(size_t size) {
  int64_t n = size < INT64_MAX ? (int64_t)size : INT64_MAX;
  cr_tensor *home = cr_new(CR_UINT8, CR_CPU, 1, &n); /* counts against the limits */
  if (!home) return NULL;
  memset(cr_data(home), 0, size);
  cr_buffer *b = make(cr_data(home), size, home);
  if (!b) cr_release(home);
  return b;
}

cr_buffer *cr_buffer_map_fd(int fd, const char *name) {
  struct stat s;
  cr_quoted quoted;
  if (fstat(fd, &s)) return cr__fail_file("cannot read", name, errno), NULL;
  if (S_ISDIR(s.st_mode)) return cr__fail_file("cannot read", name, EISDIR), NULL;
  if (!S_ISREG(s.st_mode)) {
    cr__fail(CR_E_FILE, "cannot read %s: it is no regular file", cr__quote(name, &quoted));
    return NULL;
  }
  size_t size = (size_t)s.st_size;
  if (size == 0) return cr_buffer_new(0);
  char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  if (data == MAP_FAILED) return cr__fail_file("cannot map", name, errno), NULL;
  cr_buffer *b = make(data, size, NULL);
  if (!b) munmap(data, size);
  return b;
}

cr_buffer *cr_buffer_map(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cr__fail_file("cannot open", path, errno), NULL;
  cr_buffer *b = cr_buffer_map_fd(fd, path);
  close(fd);
  return b;
}

cr_buffer *cr_buffer_retain(cr_buffer *b) {
  if (b) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
  return b;
}

void cr_buffer_release(cr_buffer *b) {
  if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) > 1) return;
  if (b->home) cr_release(b->home);
  else munmap(b->data, b->size);
  cr__free(b, sizeof *b);
}

void *cr_buffer_data(const cr_buffer *b) { return b ? b->data : NULL; }
size_t cr_buffer_size(const cr_buffer *b) { return b ? b->size : 0; }

/* ---- Tensors ------------------------------------------------------------------------------------------ */

static void let_go(void *user) { cr_buffer_release(user); }

/* Fails where an element would lie outside the `room` bytes from the first one on; *last: the place of the last. */
static int check_extent(size_t room, cr_dtype dtype, int ndim, const int64_t *shape,
                        const int64_t *stride, int64_t *last) {
  int64_t most = (int64_t)(room / cr__size_of(dtype)) - 1, span;
  *last = 0;
  for (int d = 0; d < ndim; d++) {
    if (stride[d] < 0)
      return cr__fail(CR_E_SHAPE, "buffer: the stride %lld of dim %d is negative",
                      (long long)stride[d], d + 1);
    if (__builtin_mul_overflow(stride[d], shape[d] - 1, &span) ||
        __builtin_add_overflow(*last, span, last))
      return cr__fail(CR_E_SHAPE, "buffer: dim %d reaches beyond what memory can address", d + 1);
  }
  if (*last <= most) return 0;
  cr__text text;
  return cr__fail(CR_E_SHAPE, "buffer: %s of shape %s needs more than the %zu bytes there",
                  cr_dtype_name(dtype), cr__shape_text(ndim, shape, &text), room);
}

/* A truth is 0 or 1, whatever else the bytes may be. */
static bool are_truths(const char *data, int64_t n) {
  uint8_t all = 0;
  for (int64_t i = 0; i < n; i++) all |= (uint8_t)data[i];
  return all <= 1;
}

/* A copy of the elements from data on, up to the one at `last`, as a storage of its own. */
static cr_buffer *copied(const char *data, cr_dtype dtype, int64_t last) {
  size_t n = (size_t)(last + 1) * cr__size_of(dtype);
  cr_buffer *b = cr_buffer_new(n);
  if (!b) return NULL;
  memcpy(b->data, data, n);
  for (size_t i = 0; dtype == CR_BOOL && i < n; i++) b->data[i] = b->data[i] != 0;
  return b;
}

cr_tensor *cr_buffer_tensor(cr_buffer *b, size_t offset, cr_dtype dtype, int ndim,
                            const int64_t *shape, const int64_t *stride) {
  int64_t numel, last, contiguous[CR_MAX_DIMS];
  if (!b) return NULL;
  if (dtype < 0 || dtype >= CR_DTYPE_COUNT)
    return cr__fail(CR_E_DTYPE, "buffer: %d is no dtype", (int)dtype), NULL;
  if (cr__count("buffer", ndim, shape, &numel)) return NULL;
  if (numel == 0) return cr_new(dtype, CR_CPU, ndim, shape);
  if (offset > b->size)
    return cr__fail(CR_E_SHAPE, "buffer: offset %zu is beyond its %zu bytes", offset, b->size),
           NULL;
  cr__fill_strides(ndim, shape, contiguous);
  if (!stride) stride = contiguous;
  if (check_extent(b->size - offset, dtype, ndim, shape, stride, &last)) return NULL;
  char *data = b->data + offset;
  bool fits =
      (uintptr_t)data % cr__size_of(dtype) == 0 && (dtype != CR_BOOL || are_truths(data, last + 1));
  cr_buffer *home = fits ? cr_buffer_retain(b) : copied(data, dtype, last);
  if (!home) return NULL;
  cr_tensor *t = cr_wrap(fits ? data : home->data, dtype, ndim, shape, stride, let_go, home);
  if (!t) cr_buffer_release(home);
  return t;
}

int cr_swap_bytes(cr_tensor *t) {
  if (!t) return cr__fail_absent("swap_bytes", "self");
  if (!cr_is_contiguous(t) || cr_device_of(t) != CR_CPU)
    return cr__fail(CR_E_ARGUMENT, "swap_bytes: takes a contiguous tensor on the CPU");
  void *data = cr_data(t);
  int64_t n = t->numel;
  switch (cr__size_of((cr_dtype)t->dtype)) {
  case 2:
    for (int64_t i = 0; i < n; i++)
      ((uint16_t *)data)[i] = __builtin_bswap16(((uint16_t *)data)[i]);
    break;
  case 4:
    for (int64_t i = 0; i < n; i++)
      ((uint32_t *)data)[i] = __builtin_bswap32(((uint32_t *)data)[i]);
    break;
  case 8:
    for (int64_t i = 0; i < n; i++)
      ((uint64_t *)data)[i] = __builtin_bswap64(((uint64_t *)data)[i]);
    break;
  default: break;
  }
  return 0;
}
