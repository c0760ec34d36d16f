/* files.c: what cresset.h promises C programs of buffers, writers and DLPack. The program prints the promises that are
 * broken and returns how many they are. argv[1]: a folder to write to. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cresset.h"

static int broken;
static void check(bool kept, const char *promise) {
  if (kept) return;
  broken++;
  printf("broken: %s (%s)\n", promise, cr_error_code() ? cr_error_message() : "no error");
}
static bool says(const char *words) {
  bool good = cr_error_code() != CR_E_OK && strstr(cr_error_message(), words);
  if (good) cr_error_clear();
  return good;
}
static float at(cr_tensor *t, int i) { return ((float *)cr_data(t))[i]; }

/* ---- Buffers and writers ------------------------------------------------------------------------------- */

static void files(const char *folder) {
  char path[512], bytes[64] = "";
  float numbers[4] = {1, 2, 3, 4};
  snprintf(path, sizeof path, "%s/numbers", folder);
  cr_writer *w = cr_writer_open(path);
  check(w && !cr_writer_put(w, "x", 1) && !cr_writer_put(w, numbers, sizeof numbers),
        "a file is written");
  check(access(path, F_OK) != 0, "it is not there before it is whole");
  check(cr_writer_commit(w) == 0 && access(path, F_OK) == 0, "and is there then");
  w = cr_writer_open(path);
  cr_writer_put(w, "lost", 4);
  cr_writer_abandon(w);
  cr_buffer *b = cr_buffer_map(path);
  check(b && cr_buffer_size(b) == 17, "what is given up changes nothing");
  int64_t two[] = {2, 2}, steps[] = {1, 2}, far[] = {1, 3}, negative[] = {1, -1};
  cr_tensor *t = cr_buffer_tensor(b, 1, CR_FLOAT32, 2, two, NULL);
  check(t && at(t, 0) == 1 && at(t, 3) == 4, "elements that are not aligned are copied");
  cr_release(t);
  cr_tensor *bare = cr_buffer_tensor(b, 1, CR_UINT8, 2, two, steps);
  check(bare && cr_data(bare) == (char *)cr_buffer_data(b) + 1,
        "those that are lie where they lay");
  check(!cr_buffer_tensor(b, 1, CR_FLOAT32, 2, two, far) && says("more than the 16 bytes"),
        "none lies outside");
  check(!cr_buffer_tensor(b, 1, CR_FLOAT32, 2, two, negative) && says("negative"),
        "no stride is negative");
  check(!cr_buffer_tensor(b, 18, CR_UINT8, 0, NULL, NULL) && says("beyond"),
        "no offset is beyond the end");
  cr_buffer_release(b);
  check(((char *)cr_data(bare))[0] == ((char *)numbers)[0], "a tensor keeps its buffer");
  ((char *)cr_data(bare))[0] = 77;
  cr_release(bare);
  int fd = open(path, O_RDONLY);
  check(read(fd, bytes, 17) == 17 && memcmp(bytes + 1, numbers, 16) == 0,
        "no write reaches the file");
  close(fd);
  check(!cr_buffer_map(folder) && says("Is a directory"), "a folder is no file");
  check(!cr_writer_open(folder) && says("Is a directory"), "nor can it be written");
  check(!cr_buffer_map("/none/x") && says("No such file"), "a missing one is told of");
  check(!cr_buffer_map("/dev/null") && says("no regular file"), "a device is none");
}

/* ---- Compressed bytes ------------------------------------------------------------------------------------ */

static void compressed(void) {
  char text[1000], packed[1200], back[1000];
  size_t n = 0, made = 0;
  memset(text, 'a', sizeof text);
  check(cr_crc32(0, "123456789", 9) == 0xCBF43926u, "the check sum is that of zip files");
  check(cr_crc32(cr_crc32(0, "1234", 4), "56789", 5) == 0xCBF43926u, "also in pieces");
  if (cr_deflate(text, sizeof text, packed, sizeof packed, &n)) {
    check(says("libz.so.1"), "a machine without zlib is told so");
    return;
  }
  check(n < 100 && !cr_inflate(packed, n, true, back, sizeof back, &made),
        "bytes are packed and unpacked");
  check(made == sizeof back && memcmp(back, text, made) == 0, "and are the same then");
  check(cr_inflate(packed, n, true, back, 999, &made) && says("more than the 999"),
        "into no less room");
  check(cr_inflate(packed, n - 3, true, back, sizeof back, &made) && says("too early"),
        "and not cut short");
  check(cr_inflate("\xff\xff\xff", 3, true, back, sizeof back, &made) && says("damaged"),
        "nor damaged");
}

/* ---- DLPack ------------------------------------------------------------------------------------------------- */

/* As https://dmlc.github.io/dlpack describes them; written again here, as this is what the library is held to. */
typedef struct {
  void *data;
  int32_t device, id, ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t offset;
} tensor;
typedef struct legacy {
  tensor t;
  void *context;
  void (*deleter)(struct legacy *);
} legacy;
typedef struct versioned {
  uint32_t major, minor;
  void *context;
  void (*deleter)(struct versioned *);
  uint64_t flags;
  tensor t;
} versioned;

static int deleted;
static void delete_legacy(legacy *m) { (void)m, deleted++; }
static void delete_versioned(versioned *m) { (void)m, deleted++; }

static void given(void) {
  int64_t shape[] = {2, 3};
  float numbers[6] = {1, 2, 3, 4, 5, 6};
  cr_tensor *t = cr_from(numbers, CR_FLOAT32, 2, shape), *turned = cr_transpose(t, 1, 2);
  legacy *m = (legacy *)cr_to_dlpack(turned);
  check(m && m->t.ndim == 2 && m->t.shape[0] == 3 && m->t.strides[0] == 1 && m->t.strides[1] == 3,
        "a structure has shape and strides");
  check(m->t.code == 2 && m->t.bits == 32 && m->t.lanes == 1 && m->t.device == 1,
        "dtype and device");
  cr_release(t), cr_release(turned);
  check(((float *)m->t.data)[5] == 6, "and keeps the tensor");
  m->deleter(m);
  t = cr_from(numbers, CR_FLOAT32, 2, shape);
  versioned *v = (versioned *)cr_to_dlpack_versioned(t);
  check(v && v->major == 1 && v->flags == 0 && v->t.data == cr_data(t), "the newer one, too");
  v->deleter(v);
  cr_set_requires_grad(t, true);
  check(!cr_to_dlpack(t) && says("requires grad"), "no tensor that requires grad is handed out");
  cr_release(t);
  check(!cr_to_dlpack(NULL) && says("self"), "nor none");
}

static void taken(void) {
  float numbers[6] = {1, 2, 3, 4, 5, 6};
  int64_t shape[] = {2, 3}, steps[] = {3, 1}, back[] = {3, -1};
  legacy m = {{numbers, 1, 0, 2, 2, 32, 1, shape, steps, 0}, NULL, delete_legacy};
  cr_tensor *t = cr_from_dlpack((struct DLManagedTensor *)&m), *row = cr_select(t, 1, 2);
  check(t && cr_data(t) == numbers, "memory is taken over without copying");
  cr_release(t);
  check(deleted == 0 && at(row, 0) == 4, "and stays while a view of it lives");
  cr_release(row);
  check(deleted == 1, "the deleter is called once then");
  m.t.strides = back, m.t.offset = 2 * sizeof(float), deleted = 0;
  t = cr_from_dlpack((struct DLManagedTensor *)&m);
  check(t && deleted == 1 && at(t, 0) == 3 && at(t, 2) == 1 && at(t, 5) == 4,
        "negative strides are copied");
  cr_release(t);
  check(deleted == 1, "after which nothing is deleted again");
  m.t.strides = NULL, m.t.offset = 0, deleted = 0;
  versioned v = {1, 3, NULL, delete_versioned, 1, m.t};
  t = cr_from_dlpack_versioned((struct DLManagedTensorVersioned *)&v);
  check(t && cr_data(t) != numbers && deleted == 1, "read-only memory is copied");
  cr_release(t);
  deleted = 0, v.major = 2;
  check(!cr_from_dlpack_versioned((struct DLManagedTensorVersioned *)&v) && says("version 2"),
        "another version is refused");
  m.t.device = 7;
  check(!cr_from_dlpack((struct DLManagedTensor *)&m) && says("device type 7"),
        "so is another device");
  m.t.device = 1, m.t.bits = 7;
  check(!cr_from_dlpack((struct DLManagedTensor *)&m) && says("7 bits"), "another dtype");
  m.t.bits = 32, m.t.ndim = 99;
  check(!cr_from_dlpack((struct DLManagedTensor *)&m) && says("99 dims"),
        "more dims than there are");
  check(deleted == 0, "and what is refused stays its owner's");
}

int main(int argc, char **argv) {
  files(argc > 1 ? argv[1] : ".");
  compressed();
  given();
  taken();
  return broken;
}
