/* writer.c: files that appear whole or not at all.
 *
 * Holds true: what is written goes to a temporary file in the target's folder. Only when all of it is on the disk
 * does it take the target's name, and the folder is synced then; until that moment the old file stands. A writer
 * that is given up, or that failed, leaves nothing behind. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 1 << 16 };

struct cr_writer {
  int fd;
  int failed; /* the number of the first error */
  size_t used;
  char *target, *temporary, *folder; /* from malloc */
  char room[ROOM];
};

static void forget(cr_writer *w) {
  if (w->fd >= 0) close(w->fd);
  if (w->temporary) unlink(w->temporary);
  free(w->target), free(w->temporary), free(w->folder);
  free(w);
}

/* The file that the path leads to, if there is one, else the path itself. */
static char *resolve(const char *path) {
  char *real = realpath(path, NULL);
  return real || errno != ENOENT ? real : strdup(path);
}

/* Whether a file may be put in the place of what is there; *mode: the permissions to have. */
static int check_target(const char *path, mode_t *mode) {
  struct stat s;
  cr_quoted name;
  if (stat(path, &s)) return errno == ENOENT ? 0 : cr__fail_file("cannot write", path, errno);
  if (S_ISDIR(s.st_mode)) return cr__fail_file("cannot write", path, EISDIR);
  if (!S_ISREG(s.st_mode))
    return cr__fail(CR_E_FILE, "cannot write %s: it is no regular file", cr__quote(path, &name));
  if (access(path, W_OK)) return cr__fail_file("cannot write", path, errno);
  *mode = s.st_mode & 07777;
  return 0;
}

/* Splits the target into its folder and the name of a temporary file there. */
static bool name_files(cr_writer *w) {
  static atomic_uint count;
  const char *slash = strrchr(w->target, '/'), *base = slash ? slash + 1 : w->target;
  size_t n = slash ? (size_t)(slash - w->target) : 0;
  w->folder = !slash ? strdup(".") : n == 0 ? strdup("/") : strndup(w->target, n);
  unsigned number = atomic_fetch_add(&count, 1);
  int length = w->folder ? asprintf(&w->temporary, "%s/.%.100s.%ld-%u.tmp", w->folder, base,
                                    (long)getpid(), number)
                         : -1;
  if (length < 0) w->temporary = NULL;
  return length >= 0;
}

cr_writer *cr_writer_open(const char *path) {
  mode_t mode = 0;
  if (check_target(path, &mode)) return NULL;
  cr_writer *w = calloc(1, sizeof *w);
  if (!w) return cr__fail_memory("writing a file", sizeof *w), NULL;
  w->fd = -1;
  w->target = resolve(path);
  int number = errno;
  if (!w->target) cr__fail_file("cannot write", path, number);
  else if (!name_files(w)) cr__fail_memory("writing a file", PATH_MAX);
  else {
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd >= 0) {
      if (mode && fchmod(w->fd, mode)) w->failed = errno;
      return w;
    }
    cr__fail_file("cannot write", path, errno);
    free(w->temporary); /* there is none to be taken away */
    w->temporary = NULL;
  }
  forget(w);
  return NULL;
}

static int fail(const cr_writer *w) { return cr__fail_file("cannot write", w->target, w->failed); }

static void put_all(cr_writer *w, const char *data, size_t n) {
  while (n > 0 && !w->failed) {
    size_t most = n < (1u << 30) ? n : 1u << 30;
    ssize_t done = write(w->fd, data, most);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) w->failed = done < 0 ? errno : EIO;
    else data += done, n -= (size_t)done;
  }
}

int cr_writer_put(cr_writer *w, const void *data, size_t n) {
  if (!w) return cr__fail_absent("writer_put", "writer");
  if (n >= ROOM || w->used + n > ROOM) {
    put_all(w, w->room, w->used);
    w->used = 0;
  }
  if (n >= ROOM) {
    put_all(w, data, n);
  } else {
    memcpy(w->room + w->used, data, n);
    w->used += n;
  }
  return w->failed ? fail(w) : 0;
}

/* A folder that cannot be synced (some file systems have no such thing) is none that could be. */
static void sync_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

int cr_writer_commit(cr_writer *w) {
  if (!w) return cr__fail_absent("writer_commit", "writer");
  put_all(w, w->room, w->used);
  if (!w->failed && fsync(w->fd)) w->failed = errno;
  if (close(w->fd) && !w->failed) w->failed = errno;
  w->fd = -1;
  if (!w->failed && rename(w->temporary, w->target)) w->failed = errno;
  int code = w->failed ? fail(w) : 0;
  if (!code) {
    sync_folder(w->folder);
    free(w->temporary); /* it has the target's name now */
    w->temporary = NULL;
  }
  forget(w);
  return code;
}

void cr_writer_abandon(cr_writer *w) {
  if (w) forget(w);
}
