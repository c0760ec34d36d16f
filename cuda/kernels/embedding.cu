/* cuda/kernels/embedding.cu: sums of rows of a table.
 *
 * Holds true: a thread adds up a column of a bag, in the order of its positions, in float or, of a float64 table, in
 * double. All views are contiguous. A position that is out of range is reported, and its row left out. */
#include "convert.cuh"
#include "grid.h"
#include "runtime/runtime.h"

typedef struct bags {
  char *out;
  const char *weight, *factors; /* factors: NULL: all are 1 */
  const int64_t *index, *starts;
  int64_t count, length, entries, columns, padding;
  int dtype;
  cr__fault *fault;
  const char *op;
} bags;

/* D: the dtype of the sums. */
template <int D> static __global__ void add_up(bags b) {
  typedef typename cr__element<D>::value N;
  CR__EACH(at, b.count * b.columns) {
    int64_t bag = at / b.columns, column = at % b.columns;
    int64_t from = b.starts ? b.starts[bag] - 1 : bag * b.length;
    int64_t to = !b.starts ? from + b.length : bag + 1 < b.count ? b.starts[bag + 1] - 1 : b.length;
    N sum = 0;
    for (int64_t i = from; i < to; i++) {
      int64_t position = b.index[i], row = position < 0 ? position + b.entries : position - 1;
      if (position == 0 || row < 0 || row >= b.entries) {
        cr__report_index(b.fault, b.op, 1, position, b.entries);
        continue;
      }
      if (row == b.padding - 1) continue;
      N factor = b.factors ? cr__load_as<D>(b.factors, b.dtype, i) : (N)1;
      sum += factor * cr__load_as<D>(b.weight, b.dtype, row * b.columns + column);
    }
    cr__store_from<D>(b.out, b.dtype, at, sum);
  }
}

/* As cr__cpu_bag_sums. */
extern "C" int cr__cuda_bag_sums(cr__launch *k) {
  const cr__bag_sums_slots *s = &k->bag_sums;
  bags b = {};
  b.out = s->out.data, b.weight = s->weight.data, b.factors = s->factors.data;
  b.index = (const int64_t *)(const void *)s->index.data;
  b.starts = (const int64_t *)(const void *)s->starts.data;
  b.count = s->count, b.length = s->length, b.entries = s->entries, b.columns = s->columns;
  b.padding = s->padding, b.dtype = s->weight.dtype, b.op = k->op;
  b.fault = cr__fault_slot();
  if (!b.fault) return CR_E_DEVICE;
  int64_t n = b.count * b.columns;
  if (n == 0) return 0;
  if (b.dtype == CR_FLOAT64)
    return CR__LAUNCH(k->op, add_up<CR_FLOAT64>, cr__blocks_for(n), CR__THREADS, 0, b);
  return CR__LAUNCH(k->op, add_up<CR_FLOAT32>, cr__blocks_for(n), CR__THREADS, 0, b);
}
