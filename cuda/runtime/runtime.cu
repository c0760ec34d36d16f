/* cuda/runtime/runtime.cu: the plug-in: its one exported symbol, errors, devices, faults, the table.
 *
 * Holds true: nothing here needs a driver until a device is asked for, and no error of the driver is
 * left behind for a later call to find. */
#include "runtime.h"

#include <stdio.h>
#include <string.h>

#include <mutex>

#include "catalogue_id.h" /* generated: CR__CATALOGUE */
#include "cuda_table.inc"

const cr__host *cr__engine;

/* ---- Errors ---- */

extern "C" int cr__fail(cr_error code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  cr__engine->fail(code, format, args);
  va_end(args);
  return code;
}

extern "C" cr_error cr_error_code(void) { return cr__engine->error_code(); }

int cr__cuda_failed(const char *op, cudaError_t code) {
  int ordinal = cr__active;
  (void)cudaGetLastError(); /* CUDA keeps it for the next who asks; it has been told here */
  if (code == cudaErrorMemoryAllocation)
    return cr__fail(CR_E_MEMORY, "out of memory: %s needs more than cuda:%d has free", op, ordinal);
  if (cr__capturing())
    return cr__fail(CR_E_DEVICE, "%s: cannot be captured in a graph (CUDA says: %s)", op,
                    cudaGetErrorString(code));
  return cr__fail(CR_E_DEVICE, "%s: a kernel or copy on cuda:%d failed (CUDA says: %s)", op,
                  ordinal, cudaGetErrorString(code));
}

int cr__refuse_capture(const char *what) {
  if (!cr__capturing()) return 0;
  return cr__fail(CR_E_DEVICE,
                  "%s: a graph cannot capture what waits for the device or reads it on the host",
                  what);
}

/* ---- Devices ---- */

__thread int cr__active;
static int multiprocessors[CR__MAX_DEVICES];
static cr__fault *faults[CR__MAX_DEVICES];
static std::mutex faults_lock;

/* The number of devices; less than 0: none, and `why` (may be NULL) tells. */
static int look_for_devices(const char **why, int *version) {
  int count = 0;
  cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess && count > 0) return count < CR__MAX_DEVICES ? count : CR__MAX_DEVICES;
  (void)cudaGetLastError();
  (void)cudaDriverGetVersion(version);
  *why = cudaGetErrorString(code);
  return -1;
}

static int no_device(void) {
  const char *why = "";
  int version = 0, runtime = 0;
  int count = look_for_devices(&why, &version);
  if (count > 0) return 0;
  (void)cudaRuntimeGetVersion(&runtime);
  if (version == 0)
    return cr__fail(CR_E_DEVICE, "device: \"cuda\" needs NVIDIA's driver, which is not installed");
  if (version / 1000 < runtime / 1000)
    return cr__fail(CR_E_DEVICE,
                    "device: \"cuda\" needs a driver for CUDA %d, the one installed is for CUDA "
                    "%d.%d",
                    runtime / 1000, version / 1000, version % 1000 / 10);
  return cr__fail(CR_E_DEVICE, "device: no CUDA device can be used (CUDA says: %s)", why);
}

int cr__device_count(void) {
  static const int count = [] {
    const char *why;
    int version;
    int n = look_for_devices(&why, &version);
    return n > 0 ? n : 0;
  }();
  return count;
}

static int is_there(int ordinal) {
  int count = cr__device_count();
  if (ordinal >= 0 && ordinal < count) return 0;
  if (count == 0 && no_device()) return CR_E_DEVICE;
  return cr__fail(CR_E_DEVICE, "device: there is no cuda:%d, this machine has cuda:0 to cuda:%d",
                  ordinal, count - 1);
}

/* CUDA is asked every time: the host program may have chosen another device meanwhile. */
int cr__activate(int ordinal) {
  int now;
  if (is_there(ordinal)) return CR_E_DEVICE;
  cr__active = ordinal;
  if (cudaGetDevice(&now) == cudaSuccess && now == ordinal) return 0;
  return cr__cuda_check("device", cudaSetDevice(ordinal));
}

int cr__selected(void) { return cr__chosen()->selected; }

static int device_count(int *count) {
  *count = cr__device_count();
  return *count > 0 ? 0 : no_device() ? (int)CR_E_DEVICE : 0;
}

static int device_select(int ordinal) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  cr__choices *c = cr__choose();
  if (!c) return CR_E_MEMORY;
  c->selected = ordinal;
  return 0;
}

static int device_enter(int ordinal, const cr__view *views, int n) {
  if (cr__activate(ordinal)) return CR_E_DEVICE;
  if (cr__capturing())
    for (int i = 0; i < n; i++) cr__capture_note(ordinal, views[i].data);
  return 0;
}

int cr__begin_wait(const char *what, int ordinal) {
  return cr__refuse_capture(what) || cr__activate(ordinal) ? (int)CR_E_DEVICE : 0;
}

static int device_synchronize(int ordinal) {
  if (cr__begin_wait("synchronize", ordinal)) return CR_E_DEVICE;
  int code = cr__cuda_check("synchronize", cudaDeviceSynchronize());
  return code ? code : cr__raise_fault(ordinal);
}

static int device_properties(int ordinal, cr_cuda_properties *out) {
  *out = cr_cuda_properties();
  cudaDeviceProp prop;
  size_t free_bytes = 0, total = 0;
  int code = cr__activate(ordinal);
  if (!code) code = cr__cuda_check("properties", cudaGetDeviceProperties(&prop, ordinal));
  if (!code) code = cr__cuda_check("properties", cudaMemGetInfo(&free_bytes, &total));
  if (!code) code = cr__cuda_check("properties", cudaDriverGetVersion(&out->driver));
  if (!code) code = cr__cuda_check("properties", cudaRuntimeGetVersion(&out->runtime));
  if (code) return code;
  snprintf(out->name, sizeof out->name, "%.127s", prop.name);
  out->major = prop.major;
  out->minor = prop.minor;
  out->multiprocessors = prop.multiProcessorCount;
  out->total_memory = (int64_t)total;
  out->free_memory = (int64_t)free_bytes;
  return 0;
}

int cr__cuda_multiprocessors(void) {
  int *n = &multiprocessors[cr__active];
  if (*n == 0) (void)cudaDeviceGetAttribute(n, cudaDevAttrMultiProcessorCount, cr__active);
  return *n > 0 ? *n : 1;
}

/* ---- Faults: in memory of the host that the device can write, so looking costs nothing ---- */

cr__fault *cr__fault_slot(void) {
  int ordinal = cr__active;
  std::lock_guard<std::mutex> hold(faults_lock);
  if (!faults[ordinal]) {
    void *p = NULL;
    if (cr__cuda_check("device", cudaMallocHost(&p, sizeof(cr__fault)))) return NULL;
    faults[ordinal] = (cr__fault *)p;
    *faults[ordinal] = cr__fault();
  }
  return faults[ordinal];
}

/* The sentence begins with the place, for the operation is an earlier one than what is called now. */
int cr__raise_fault(int ordinal) {
  cr__fault *f = faults[ordinal];
  if (!f || !__atomic_load_n(&f->set, __ATOMIC_ACQUIRE)) return 0;
  std::unique_lock<std::mutex> hold(faults_lock); /* of threads that wait, one raises it */
  int kind = __atomic_load_n(&f->set, __ATOMIC_ACQUIRE), dim = f->dim;
  if (!kind) return 0;
  const char *op = f->op;
  long long index = f->index, size = f->size;
  double value = f->value;
  __atomic_store_n(&f->set, 0, __ATOMIC_RELEASE);
  __atomic_store_n(&f->taken, 0, __ATOMIC_RELEASE);
  hold.unlock();
  if (kind == CR__FAULT_TARGET)
    return cr__fail(CR_E_INDEX,
                    "on cuda, %s: target %lld is out of range for %lld classes, which count from 1",
                    op, index, size);
  if (kind == CR__FAULT_PROBABILITY)
    return cr__fail(CR_E_ARGUMENT, "on cuda, %s: input holds %g; probabilities lie between 0 and 1",
                    op, value);
  if (kind == CR__FAULT_VARIANCE)
    return cr__fail(CR_E_ARGUMENT, "on cuda, %s: var holds %g; variances are not negative", op,
                    value);
  if (dim > 0)
    return cr__fail(CR_E_INDEX,
                    "on cuda, %s: position %lld is out of range for dim %d of size %lld (positions "
                    "count "
                    "from 1; negative ones from the end)",
                    op, index, dim, size);
  return cr__fail(CR_E_INDEX, "on cuda, %s: index %lld is out of range for size %lld", op, index,
                  size);
}

/* ---- The table ---- */

static int copy_to_host(int ordinal, void *host, const void *device, size_t nbytes) {
  if (cr__begin_wait("copy to the host", ordinal)) return CR_E_DEVICE;
  cudaStream_t s = cr__stream();
  cudaError_t code = cudaMemcpyAsync(host, device, nbytes, cudaMemcpyDeviceToHost, s);
  if (code == cudaSuccess) code = cudaStreamSynchronize(s);
  if (code != cudaSuccess) return cr__cuda_check("copy to the host", code);
  return cr__raise_fault(ordinal);
}

/* From memory that is not pinned, CUDA has taken the bytes when the call returns. */
static int copy_from_host(int ordinal, void *device, const void *host, size_t nbytes) {
  if (cr__begin_wait("copy from the host", ordinal)) return CR_E_DEVICE;
  cudaStream_t s = cr__stream();
  cudaError_t code = cudaMemcpyAsync(device, host, nbytes, cudaMemcpyHostToDevice, s);
  if (code == cudaSuccess && cr__cuda_ops.is_pinned(host)) code = cudaStreamSynchronize(s);
  return cr__cuda_check("copy from the host", code);
}

static cr__device_ops make_ops(void);
static cr__backend backend;
const cr__device_ops cr__cuda_ops = make_ops();

static cr__device_ops make_ops(void) {
  cr__device_ops o = cr__device_ops();
  o.count = device_count;
  o.selected = cr__selected;
  o.select = device_select;
  o.enter = device_enter;
  o.synchronize = device_synchronize;
  o.properties = device_properties;
  o.memory_stats = cr__memory_stats;
  o.memory_reset_peak = cr__memory_reset_peak;
  o.memory_limit = cr__memory_limit;
  o.memory_empty_cache = cr__memory_empty_cache;
  o.memory_in_use = cr__memory_in_use;
  cr__stream_ops(&o);
  cr__pinned_ops(&o);
  cr__graph_ops(&o);
  cr__gemm_ops(&o);
  return o;
}

extern "C" __attribute__((visibility("default"))) const cr__backend *
cr__backend_open(const cr__host *host) {
  if (host->abi != CR__BACKEND_ABI || strcmp(host->build, CR__CATALOGUE) != 0) return NULL;
  cr__engine = host;
  backend.abi = CR__BACKEND_ABI;
  backend.name = "cuda";
  backend.alloc = cr__cuda_alloc;
  backend.free = cr__cuda_free;
  backend.copy_to_host = copy_to_host;
  backend.copy_from_host = copy_from_host;
  backend.elementwise = cr__cuda_elementwise;
  backend.has_loop = cr__cuda_has_loop;
  backend.kernels = cuda_kernels;
  backend.device = &cr__cuda_ops;
  return &backend;
}
