/* device.c: the names of devices, the table of backends, and the plug-in behind "cuda".
 *
 * Holds true: the plug-in is opened when a device of its kind is first used, and stays. A failed
 * attempt leaves nothing but its error, so that a later one may succeed. Naming a device needs none. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "backend.h"
#include "catalogue_id.h" /* generated: CR__CATALOGUE */
#include "base/state.h"

#define ORDINALS 256
#define PLUGIN "libcresset_cuda.so"
#define EMULATED "libcresset_cuda_emulated.so"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const cr__backend *_Atomic cuda; /* NULL: not opened yet */

/* ---- Opening ---- */

static int host_fail(cr_error code, const char *format, va_list args) {
  char sentence[1024];
  vsnprintf(sentence, sizeof sentence, format, args);
  return cr__fail(code, "%s", sentence);
}

static bool host_injected(void) {
  cr__cache *c = cr__cache_get();
  return c && cr__injected(c);
}

static void host_allocated(int64_t bytes) {
  cr__cache *c = cr__my_cache;
  if (c) c->since += (int64_t)((double)bytes * c->device_weight);
}

static const cr__host host = {
    .abi = CR__BACKEND_ABI,
    .build = CR__CATALOGUE,
    .fail = host_fail,
    .error_code = cr_error_code,
    .injected = host_injected,
    .allocated = host_allocated,
    .streams = cr__streams_present,
    .streams_set_here = cr__streams_set_here,
    .set_streams = cr__streams_set,
};

/* The folder of the library (or program) that this code is part of, with the last slash. */
static int folder_of_library(char *folder, size_t room) {
  Dl_info info;
  if (!dladdr((const void *)&host, &info) || !info.dli_fname) info.dli_fname = "";
  const char *slash = strrchr(info.dli_fname, '/');
  int n = slash ? snprintf(folder, room, "%.*s", (int)(slash - info.dli_fname) + 1, info.dli_fname)
                : snprintf(folder, room, "./");
  return n < (int)room ? CR_E_OK : cr__fail(CR_E_DEVICE, "device: the library's path is too long");
}

/* Which file to open: the environment may choose another one than what lies beside the library. */
static int plugin_path(char *path, size_t room) {
  const char *wish = getenv("CRESSET_CUDA");
  bool emulate = wish && strcmp(wish, "emulate") == 0;
  char folder[4096];
  if (wish && *wish && !emulate) {
    if (!strchr(wish, '/'))
      return cr__fail(CR_E_DEVICE,
                      "device: CRESSET_CUDA is \"%s\"; \"emulate\" or a plug-in's path would do",
                      wish);
    snprintf(path, room, "%s", wish);
  } else {
    if (folder_of_library(folder, sizeof folder)) return CR_E_DEVICE;
    snprintf(path, room, "%s%s", folder, emulate ? EMULATED : PLUGIN);
  }
  if (access(path, F_OK) == 0) return CR_E_OK;
  if (errno == ENOENT && (!wish || !*wish))
    return cr__fail(CR_E_DEVICE, "device: \"cuda\" needs the plug-in " PLUGIN
                                 ", which is not beside the library");
  return cr__fail(CR_E_DEVICE, "device: \"cuda\" needs the plug-in %s, which is not there (%s)",
                  path, strerror(errno));
}

/* Whether a file ends before its segments do: the loader would map pages that are not there, and to
 * touch one of them ends the process. What is no library at all is the loader's to refuse. */
static bool is_cut_short(const char *path) {
  ElfW(Ehdr) head;
  ElfW(Phdr) part;
  struct stat file;
  bool cut = false;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  if (fstat(fd, &file) == 0 && pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
      memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_phentsize == sizeof part)
    for (int i = 0; i < head.e_phnum && !cut; i++) {
      off_t at = (off_t)head.e_phoff + (off_t)i * (off_t)sizeof part;
      cut = pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part ||
            (part.p_type == PT_LOAD && part.p_offset + part.p_filesz > (uint64_t)file.st_size);
    }
  close(fd);
  return cut;
}

static const cr__backend *open_plugin(void) {
  char path[8192];
  if (plugin_path(path, sizeof path)) return NULL;
  if (is_cut_short(path)) {
    cr__fail(CR_E_DEVICE, "device: the plug-in %s is cut short; build or copy it again", path);
    return NULL;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    cr__fail(CR_E_DEVICE, "device: the plug-in for \"cuda\" cannot be loaded: %s", dlerror());
    return NULL;
  }
  cr__backend_opener opener;
  *(void **)&opener = dlsym(library, "cr__backend_open");
  const cr__backend *b = opener ? opener(&host) : NULL;
  if (b && b->abi == CR__BACKEND_ABI) return b;
  if (!opener) cr__fail(CR_E_DEVICE, "device: %s is no plug-in of Cresset", path);
  else
    cr__fail(CR_E_DEVICE,
             "device: the plug-in %s was built for another version of this library; build both "
             "from the same source",
             path);
  dlclose(library);
  return NULL;
}

const cr__backend *cr__cuda_loaded(void) {
  return atomic_load_explicit(&cuda, memory_order_acquire);
}

static const cr__backend *cuda_backend(void) {
  const cr__backend *b = cr__cuda_loaded();
  if (CR__LIKELY(b != NULL)) return b;
  pthread_mutex_lock(&lock);
  b = cr__cuda_loaded();
  if (!b && (b = open_plugin()) != NULL) atomic_store_explicit(&cuda, b, memory_order_release);
  pthread_mutex_unlock(&lock);
  return b;
}

const cr__backend *cr__other_backend(cr_device device) {
  if (CR__LIKELY((device & ~(ORDINALS - 1)) == CR_CUDA)) return cuda_backend();
  cr__fail(CR_E_DEVICE, "device: %d is no device", (int)device);
  return NULL;
}

const cr__device_ops *cr__device_ops_of(cr_device device) {
  const cr__backend *b = cr__backend_of(device);
  return b ? b->device : NULL;
}

/* ---- Names ---- */

int cr_device_parse(const char *name, cr_device *device) {
  if (name && strcmp(name, "cpu") == 0) {
    *device = CR_CPU;
    return CR_E_OK;
  }
  if (name && strcmp(name, "cuda") == 0) {
    const cr__backend *b = cr__cuda_loaded();
    *device = CR_CUDA | (b ? b->device->selected() : 0);
    return CR_E_OK;
  }
  if (name && strncmp(name, "cuda:", 5) == 0) {
    const char *p = name + 5;
    int ordinal = *p ? 0 : ORDINALS;
    for (; *p >= '0' && *p <= '9' && ordinal < ORDINALS; p++) ordinal = ordinal * 10 + *p - '0';
    if (*p == 0 && ordinal < ORDINALS) {
      *device = CR_CUDA | ordinal;
      return CR_E_OK;
    }
  }
  cr_quoted text;
  return cr__fail(CR_E_DEVICE, "device: %s is no device (\"cpu\", \"cuda\" or \"cuda:1\" are)",
                  cr__quote(name ? name : "", &text));
}

const char *cr_device_name(cr_device device, char buffer[16]) {
  if (device == CR_CPU) snprintf(buffer, 16, "cpu");
  else if ((device & ~(ORDINALS - 1)) == CR_CUDA)
    snprintf(buffer, 16, "cuda:%d", device & (ORDINALS - 1));
  else snprintf(buffer, 16, "device %d", device % 100000);
  return buffer;
}

/* ---- Streams that scopes have chosen ---- */

void cr__streams_free(void *streams) {
  if (streams) cr__cuda_loaded()->device->streams_free(streams);
}
