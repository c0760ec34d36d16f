/* foreach.c: one operation on each tensor of a list.
 *
 * Holds true: a row of arguments is a call like any other, with its node in the graph; rows are done in
 * their order. A message says which row it is about. */
#include "dispatch.h"

#include <stdio.h>
#include <string.h>

/* Puts "foreach.add_: tensor 3: " before the pending message, in the place of the operation's name. */
static int name_row(const cr_op *op, const char *suffix, int row) {
  char text[512];
  int code = (int)cr_error_code();
  const char *message = cr_error_message(), *rest = strstr(message, ": ");
  size_t n = strlen(op->lua);
  if (code == CR_E_MEMORY || code == CR_E_INTERRUPT) return code;
  bool named = rest && strncmp(message, op->lua, n) == 0 && rest - message <= (ptrdiff_t)n + 1;
  snprintf(text, sizeof text, "%s", named ? rest + 2 : message);
  return cr__fail((cr_error)code, "foreach.%s%s: tensor %d: %s", op->lua, suffix, row + 1, text);
}

int cr_foreach(const cr_op *op, int n, const cr_value *rows, cr_tensor **out) {
  if (op->nout != 1 || (op->flags & CR_OP_INPLACE_ONLY) || op->nparam == 0)
    return cr__fail(CR_E_ARGUMENT, "foreach.%s: is not one result for each tensor", op->lua);
  struct cr__rng *generator = &cr__my_state()->rng;
  uint64_t drawn = generator->offset;
  for (int i = 0; i < n; i++) {
    const cr_value *row = rows + (ptrdiff_t)i * op->nparam;
    out[i] = row->kind == CR_NONE ? NULL : cr__op1(op->id, row);
    if (out[i] || row->kind == CR_NONE) continue;
    for (int j = 0; j < i; j++) cr_release(out[j]);
    generator->offset = drawn;
    return name_row(op, "", i);
  }
  return 0;
}

int cr_foreach_inplace(const cr_op *op, int n, const cr_value *rows, int *at) {
  const char *suffix = op->flags & CR_OP_INPLACE_ONLY ? "" : "_";
  if (!(op->flags & (CR_OP_INPLACE | CR_OP_INPLACE_ONLY)))
    return cr__fail(CR_E_ARGUMENT, "foreach.%s: has no in-place form", op->lua);
  for (int i = *at; i < n; i++) {
    const cr_value *row = rows + (ptrdiff_t)i * op->nparam;
    if (row->kind != CR_NONE && cr__check_inplace_call(op, row)) return name_row(op, suffix, i);
  }
  for (; *at < n; ++*at) {
    const cr_value *row = rows + (ptrdiff_t)*at * op->nparam;
    if (row->kind != CR_NONE && cr_call_inplace(op, row)) return name_row(op, suffix, *at);
  }
  return 0;
}
