/* cuda/kernels/loss.cu: what losses demand of their inputs.
 *
 * Holds true: an element that breaks the rule is reported by the device; the host does not wait for it. */
#include "fold.cuh"

enum { THREADS = 256 };

static __global__ void __launch_bounds__(THREADS)
    find_improbable(cr__fold_call c, cr__fault *fault, const char *op) {
  int64_t step = (int64_t)gridDim.x * THREADS;
  for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < c.kept.count; i += step) {
    int64_t at = cr__fold_offset(c.kept, i, c.narrow, NULL);
    double x = cr__load_as<CR_FLOAT64>(c.in, c.in_dtype, at);
    if (!(x >= 0 && x <= 1)) cr__report_probability(fault, op, x);
  }
}

/* `from`: float probabilities of any layout; an error unless all lie between 0 and 1. */
extern "C" int cr__cuda_check_probabilities(cr__launch *k) {
  cr__fold_call c = {};
  cr__fold_plan(&c, &k->check_probabilities.from, &k->check_probabilities.from, 0);
  if (c.kept.count == 0) return 0;
  cr__fault *fault = cr__fault_slot();
  if (!fault) return CR_E_DEVICE;
  int64_t blocks = (c.kept.count + THREADS - 1) / THREADS, most = 16LL * cr__cuda_multiprocessors();
  unsigned grid = (unsigned)(blocks < most ? blocks : most);
  return CR__LAUNCH(k->op, find_improbable, grid, THREADS, 0, c, fault, k->op);
}
