/* memory.c: the memory section of the public API, for the host and for devices.
 *
 * Holds true: the host's numbers and limits are those of base/memory.c; a device keeps its own. A call that
 * only gives memory back opens no plug-in. */
#include "backend.h"
#include "base/alloc.h"
#include "base/state.h"

void cr_memory_collected(int64_t heap) { cr__host_collected(heap, cr__devices_in_use()); }

static const cr__device_ops *device_ops(cr_device device, bool *known) {
  const cr__device_ops *ops = device == CR_CPU ? NULL : cr__device_ops_of(device);
  *known = ops || device == CR_CPU;
  return ops;
}

int cr_memory_stats(cr_device device, cr_memory *out) {
  *out = (cr_memory){0};
  bool known;
  const cr__device_ops *ops = device_ops(device, &known);
  if (!known) return cr_error_code();
  if (ops) return ops->memory_stats(cr__ordinal_of(device), out);
  cr__host_stats(out);
  return CR_E_OK;
}

void cr_memory_reset_peak(cr_device device) {
  const cr__device_ops *ops = cr__loaded_ops(device);
  if (device == CR_CPU) cr__host_reset_peak();
  else if (ops) ops->memory_reset_peak(cr__ordinal_of(device));
}

int cr_memory_limit(cr_device device, int64_t bytes) {
  bool known;
  const cr__device_ops *ops = device_ops(device, &known);
  if (!known) return cr_error_code();
  if (bytes < 0)
    return cr__fail(CR_E_ARGUMENT, "memory.limit: %lld bytes is negative; 0 lifts the limit",
                    (long long)bytes);
  if (ops) return ops->memory_limit(cr__ordinal_of(device), bytes);
  if (cr__state) cr__state_set_memory_limit(bytes);
  else cr__host_limit(bytes);
  return CR_E_OK;
}

void cr_memory_empty_cache(cr_device device) {
  const cr__device_ops *ops = cr__loaded_ops(device);
  if (device == CR_CPU) cr__host_empty_cache();
  else if (ops) ops->memory_empty_cache(cr__ordinal_of(device));
}
