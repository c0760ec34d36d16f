/* plugin.cpp: a plug-in for "cuda" whose memory is the host's, with one kernel; WITHOUT_FILL leaves that out too, STALE
 * says that it was made for another engine. For device_spec.lua.
 *
 * Holds true: it is made as the plug-in for CUDA is, with the table that the generator writes. */
#include <cstdarg>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "device/backend.h"
}
#include "catalogue_id.h"
#include "cuda_table.inc"

static const cr__host *engine;

static int fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  int code = engine->fail(CR_E_DEVICE, format, args);
  va_end(args);
  return code;
}

#ifndef WITHOUT_FILL
extern "C" int cr__cuda_fill(cr__launch *k) {
  float *to = (float *)k->fill.to.data;
  for (int64_t i = 0; i < k->fill.to.shape[0]; i++) to[i] = (float)k->fill.number.u.i;
  return 0;
}
#endif

static void *take(int, size_t nbytes) { return malloc(nbytes); }
static void give_back(int, void *p, size_t) { free(p); }
static int to_host(int, void *host, const void *device, size_t nbytes) {
  memcpy(host, device, nbytes);
  return 0;
}
static int from_host(int, void *device, const void *host, size_t nbytes) {
  memcpy(device, host, nbytes);
  return 0;
}
static int elementwise(const cr__elementwise *e) { return fail("%s: has no loops", e->op); }
static bool has_loop(int, int) { return false; }

static int selected() { return 0; }
static int enter(int, const cr__view *, int) { return 0; }
static int64_t in_use() { return 0; }

extern "C" __attribute__((visibility("default"))) const cr__backend *
cr__backend_open(const cr__host *host) {
  static cr__device_ops ops;
  static cr__backend backend;
#ifdef STALE
  (void)host;
  return NULL;
#endif
  engine = host;
  ops.selected = selected;
  ops.enter = enter;
  ops.memory_in_use = in_use;
  backend.abi = CR__BACKEND_ABI;
  backend.name = "cuda";
  backend.alloc = take;
  backend.free = give_back;
  backend.copy_to_host = to_host;
  backend.copy_from_host = from_host;
  backend.elementwise = elementwise;
  backend.has_loop = has_loop;
  backend.kernels = cuda_kernels;
  backend.device = &ops;
  return &backend;
}
