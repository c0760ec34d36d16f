/* plugin.c: opening the plug-in of a kind of device.
 *
 * Holds true: a plug-in is opened only if it was made from the catalogue that this library was made from, and shares
 * the library's structs; else a sentence says what is wrong with it, and nothing of it stays. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "backend.h"
#include "catalogue_id.h" /* generated: CR__CATALOGUE */
#include "base/state.h"

/* ---- What the engine gives it ---- */

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
  if (!c) return;
  int64_t weighed = (int64_t)((double)bytes * c->device_weight);
  c->since += weighed;
  c->room -= weighed;
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

/* ---- The file ---- */

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
static int plugin_path(const cr__plugin *p, char *path, size_t room) {
  const char *wish = getenv(p->environment);
  bool emulate = wish && strcmp(wish, "emulate") == 0;
  char folder[4096];
  if (wish && *wish && !emulate) {
    if (!strchr(wish, '/'))
      return cr__fail(CR_E_DEVICE, "device: %s is \"%s\"; \"emulate\" or a plug-in's path would do",
                      p->environment, wish);
    snprintf(path, room, "%s", wish);
  } else {
    if (folder_of_library(folder, sizeof folder)) return CR_E_DEVICE;
    snprintf(path, room, "%slibcresset_%s%s.so", folder, p->name, emulate ? "_emulated" : "");
  }
  if (access(path, F_OK) == 0) return CR_E_OK;
  if (errno == ENOENT && (!wish || !*wish))
    return cr__fail(CR_E_DEVICE,
                    "device: \"%s\" needs the plug-in libcresset_%s.so, which is not beside the "
                    "library",
                    p->name, p->name);
  return cr__fail(CR_E_DEVICE, "device: \"%s\" needs the plug-in %s, which is not there (%s)",
                  p->name, path, strerror(errno));
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

/* ---- Opening ---- */

const cr__backend *cr__plugin_open(const cr__plugin *plugin) {
  char path[8192];
  if (plugin_path(plugin, path, sizeof path)) return NULL;
  if (is_cut_short(path)) {
    cr__fail(CR_E_DEVICE, "device: the plug-in %s is cut short; build or copy it again", path);
    return NULL;
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    cr__fail(CR_E_DEVICE, "device: the plug-in for \"%s\" cannot be loaded: %s", plugin->name,
             dlerror());
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
