/* device.c: the names of devices, and the table of their backends.
 *
 * Holds true: the kinds stand in CR_DEVICES alone. The plug-in of one is opened when a device of that kind is first
 * used, and stays. A failed attempt leaves nothing but its error, so that a later one may succeed. Naming a device
 * needs none. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "base/state.h"

#define X(NAME, name, number) [number] = {#name, "CRESSET_" #NAME},
static const cr__plugin kinds[] = {CR_DEVICES(X)}; /* the first, the CPU, is built in */
#undef X
enum { CPU, KINDS = sizeof kinds / sizeof *kinds };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const cr__backend *_Atomic opened[KINDS]; /* NULL: not yet; the CPU's stays NULL */

/* ---- Backends ---- */

static bool is_plugin(int kind) { return kind > CPU && kind < KINDS; }

static const cr__backend *loaded(int kind) {
  return is_plugin(kind) ? atomic_load_explicit(&opened[kind], memory_order_acquire) : NULL;
}

const cr__device_ops *cr__loaded_ops(cr_device device) {
  const cr__backend *b = loaded(cr__kind_of(device));
  return b ? b->device : NULL;
}

static const cr__backend *open_kind(int kind) {
  pthread_mutex_lock(&lock);
  const cr__backend *b = loaded(kind);
  if (!b && (b = cr__plugin_open(&kinds[kind])) != NULL)
    atomic_store_explicit(&opened[kind], b, memory_order_release);
  pthread_mutex_unlock(&lock);
  return b;
}

const cr__backend *cr__other_backend(cr_device device) {
  int kind = cr__kind_of(device);
  const cr__backend *b = loaded(kind);
  if (CR__LIKELY(b != NULL)) return b;
  if (is_plugin(kind)) return open_kind(kind);
  cr__fail(CR_E_DEVICE, "device: %d is no device", (int)device);
  return NULL;
}

const cr__device_ops *cr__device_ops_of(cr_device device) {
  const cr__backend *b = cr__backend_of(device);
  return b ? b->device : NULL;
}

int64_t cr__devices_in_use(void) {
  int64_t bytes = 0;
  for (int kind = 0; kind < KINDS; kind++)
    if (loaded(kind)) bytes += loaded(kind)->device->memory_in_use();
  return bytes;
}

/* ---- Names ---- */

bool cr__is_device(int64_t device) {
  int64_t kind = device / CR__ORDINALS;
  return device == CR_CPU || (kind > CPU && kind < KINDS);
}

/* The number that the digits are, if it is an ordinal; else -1. */
static int read_ordinal(const char *digits) {
  int ordinal = *digits ? 0 : CR__ORDINALS;
  for (; *digits >= '0' && *digits <= '9' && ordinal < CR__ORDINALS; digits++)
    ordinal = ordinal * 10 + *digits - '0';
  return *digits == 0 && ordinal < CR__ORDINALS ? ordinal : -1;
}

/* The ordinal that a name of this kind means; -1 for what is no such name. */
static int ordinal_in(const char *name, int kind) {
  size_t n = strlen(kinds[kind].name);
  if (strncmp(name, kinds[kind].name, n) != 0) return -1;
  const cr__backend *b = loaded(kind);
  if (name[n] == '\0') return b ? b->device->selected() : 0;
  return name[n] == ':' && is_plugin(kind) ? read_ordinal(name + n + 1) : -1;
}

int cr_device_parse(const char *name, cr_device *device) {
  for (int kind = 0; name && kind < KINDS; kind++) {
    int ordinal = ordinal_in(name, kind);
    if (ordinal < 0) continue;
    *device = kind * CR__ORDINALS + ordinal;
    return CR_E_OK;
  }
  cr_quoted text;
  cr__text list;
  return cr__fail(CR_E_DEVICE, "device: %s is no device; there are %s",
                  cr__quote(name ? name : "", &text), cr_device_list(list.s, sizeof list.s));
}

const char *cr_device_name(cr_device device, char buffer[16]) {
  int kind = cr__kind_of(device);
  if (device == CR_CPU) snprintf(buffer, 16, "%s", kinds[CPU].name);
  else if (is_plugin(kind)) snprintf(buffer, 16, "%s:%d", kinds[kind].name, cr__ordinal_of(device));
  else snprintf(buffer, 16, "device %d", device % 100000);
  return buffer;
}

const char *cr_device_list(char *buffer, size_t size) {
  size_t n = 0;
  for (int kind = 0; kind < KINDS && n < size; kind++)
    n += (size_t)snprintf(buffer + n, size - n, "%s\"%s\"", kind ? ", " : "", kinds[kind].name);
  if (n < size) snprintf(buffer + n, size - n, " or \"%s:1\"", kinds[KINDS - 1].name);
  return buffer;
}

/* ---- Streams that scopes have chosen ---- */

void cr__streams_free(void *streams) {
  if (streams) cr__loaded_ops(CR_CUDA)->streams_free(streams);
}
