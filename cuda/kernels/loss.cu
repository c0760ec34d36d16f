/* cuda/kernels/loss.cu: what losses demand of their inputs.
 *
 * Holds true: an element that breaks the rule is reported by the device; the host does not wait for it. */
#include "fold.cuh"

enum { THREADS = 256 };

static __global__ void __launch_bounds__(THREADS)
    find_wrong(cr__fold_call c, bool variances, cr__fault *fault, const char *op) {
  int64_t step = (int64_t)gridDim.x * THREADS;
  for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < c.kept.count; i += step) {
    int64_t at = cr__fold_offset(c.kept, i, c.narrow, NULL);
    double x = cr__load_as<CR_FLOAT64>(c.in, c.in_dtype, at);
    if (variances && x < 0) cr__report_variance(fault, op, x);
    if (!variances && !(x >= 0 && x <= 1)) cr__report_probability(fault, op, x);
  }
}

static int check(const cr__launch *k, const cr__view *from, bool variances) {
  cr__fold_call c = {};
  cr__fold_plan(&c, from, from, 0);
  if (c.kept.count == 0) return 0;
  cr__fault *fault = cr__fault_slot();
  if (!fault) return CR_E_DEVICE;
  int64_t blocks = (c.kept.count + THREADS - 1) / THREADS, most = 16LL * cr__cuda_multiprocessors();
  unsigned grid = (unsigned)(blocks < most ? blocks : most);
  return CR__LAUNCH(k->op, find_wrong, grid, THREADS, 0, c, variances, fault, k->op);
}

/* `from`: float probabilities of any layout; an error unless all lie between 0 and 1. */
extern "C" int cr__cuda_check_probabilities(cr__launch *k) {
  return check(k, &k->check_probabilities.from, false);
}

/* `from`: float variances of any layout; an error if one is negative. */
extern "C" int cr__cuda_check_variances(cr__launch *k) {
  return check(k, &k->check_variances.from, true);
}
