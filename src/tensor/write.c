/* write.c: calls that write: in place, and into a tensor that the caller gives.
 *
 * Holds true: whatever may fail for memory is made before the first element is written; a write that fails
 * later has been undone, or counts as one where the host has stopped it half way. */
#include <string.h>

#include "call.h"

/* ---- In place ---------------------------------------------------------------------------------- */

/* What must hold of self before the operation writes to it; *records: whether it leaves a node. */
static int check_self(const cr_op *op, const cr_value *args, bool *records) {
  if (args[0].kind != CR_TENSOR)
    return cr__fail(CR_E_ARGUMENT, "%s_: only a tensor can be written in place", op->name);
  /* An operation without derivative still cuts self's history. */
  *records = cr__recording() && (cr__wants_node(op, args) || cr__requires(args[0].u.t));
  return cr__inplace_check(op->lua, op->flags & CR_OP_INPLACE_ONLY ? "" : "_", args[0].u.t,
                           *records);
}

/* Whether the twin's result may be written over self. */
static int check_fit(const cr_op *op, const cr_tensor *result, const cr_tensor *self) {
  cr__text a, b;
  if (result->ndim != self->ndim ||
      memcmp(cr__sizes(result), cr__sizes(self), self->ndim * sizeof(int64_t)) != 0)
    return cr__fail(CR_E_SHAPE, "%s_: the result has shape %s, which does not fit self of shape %s",
                    op->lua, cr__shape_text(result->ndim, cr__sizes(result), &a),
                    cr__shape_text(self->ndim, cr__sizes(self), &b));
  if (cr__can_cast((cr_dtype)result->dtype, (cr_dtype)self->dtype)) return 0;
  return cr__fail(CR_E_DTYPE, "%s_: the result is %s, which self of dtype %s cannot hold", op->lua,
                  cr_dtype_name((cr_dtype)result->dtype), cr_dtype_name((cr_dtype)self->dtype));
}

/* What a write that is stopped half way leaves is neither the old nor the new value: a derivative that has
 * saved self must not take it for either. */
static int count_stopped(int code, cr_tensor *self) {
  if (code == CR_E_INTERRUPT) cr__bump(self);
  return code;
}

/* Computes out of place, then writes the result over self. */
static int run_and_copy(const cr_op *op, const cr_value *args, cr_tensor *self) {
  cr_tensor *out[CR_MAX_OUTPUTS];
  int nout = op->nout;
  out[0] = NULL;
  int code = cr__impls[op->id].run(op, args, out, &nout);
  if (code) return code;
  code = check_fit(op, out[0], self);
  if (!code) code = cr__copy(op->name, self, out[0]);
  for (int i = 0; i < nout; i++) cr_release(out[i]);
  return code;
}

static int write_self(const cr_op *op, const cr_value *args, cr_tensor *self) {
  const cr__impl *impl = &cr__impls[op->id];
  int nout = 0, code;
  cr__below++;
  if (!impl->run) {
    code = impl->check ? impl->check(op, args, NULL, NULL) : 0;
    if (!code) code = count_stopped(cr__pointwise_into(op, args, self), self);
  } else if (impl->rewrites) {
    code = count_stopped(impl->run(op, args, NULL, &nout), self);
  } else {
    code = run_and_copy(op, args, self);
  }
  cr__below--;
  return code;
}

/* The twin of a composite: the composite on a copy, whose result is written back. */
static int composite_inplace(const cr_op *op, const cr_value *given) {
  cr_value args[CR__MAX_PARAMS];
  cr_tensor *self = given[0].u.t;
  memcpy(args, given, op->nparam * sizeof *args);
  int refused = cr__inplace_check(op->lua, "_", self, cr__recording() && cr__requires(self));
  if (refused) return refused;
  const cr__speaker *outer = cr__outer, mine = {op, given, true};
  if (!outer) cr__outer = &mine;
  cr_tensor *copy = cr__op1(CR__OP_clone, &args[0]);
  args[0] = cr_of(copy);
  cr_tensor *result = cr__op1(op->id, args);
  int code = result ? check_fit(op, result, self) : (int)cr_error_code();
  if (!code)
    code = cr_call_inplace(&cr__ops[CR__OP_copy_], (cr_value[]){cr_of(self), cr_of(result)});
  cr__outer = outer;
  cr_release(copy);
  cr_release(result);
  return code;
}

int cr__check_inplace_call(const cr_op *op, const cr_value *args) {
  cr__fixed_args fixed;
  bool records;
  const cr__impl *impl = &cr__impls[op->id];
  int code = cr__check_args(op, &args, &fixed);
  if (!code) code = check_self(op, args, &records);
  if (!code && impl->check) code = impl->check(op, args, NULL, NULL);
  if (!code && !impl->run) code = cr__pointwise_check_into(op, args, args[0].u.t);
  return code;
}

/* Saved-tensor hooks want the written data, and may fail after the write: then *backup undoes it. */
static int prepare_write(cr_tensor *self, cr_node *n, int self_edge, cr_node **slices,
                         cr_tensor **backup, cr_tensor **place) {
  int code = 0;
  if (!cr__saves_through_hooks()) code = cr__record_outputs(n, &self);
  else if (!(*backup = cr__snapshot(n->op->lua, self)) || !(*place = cr__alias_same(self)))
    code = (int)cr_error_code();
  return code ? code : cr__inplace_prepare(self, n, self_edge, 0, slices);
}

/* Writes self with its node n: all that may fail for memory is made before the write. */
static int write_recorded(const cr_op *op, const cr_value *args, cr_tensor *self, cr_node *n) {
  const cr__impl *impl = &cr__impls[op->id];
  cr_node *slices = NULL;
  cr_tensor *backup = NULL, *place = NULL; /* place: a hook may change self's header */
  int self_edge = impl->ndiff && impl->diff[0] == 0 ? 0 : -1;
  int code = prepare_write(self, n, self_edge, &slices, &backup, &place);
  if (!code) code = write_self(op, args, self);
  if (!code) {
    cr__bump(self);
    if (!backup) cr__settle_outputs(n, self);
    else if ((code = cr__record_outputs(n, &self))) {
      cr__copy(op->lua, place, backup); /* of one dtype and shape: takes no memory */
      cr__unbump(self);
    }
  }
  if (!code) {
    self->storage->writer = op->lua;
    cr__inplace_commit(self, n, 0, slices);
  }
  cr_node_release(slices);
  cr_release(backup);
  cr_release(place);
  return code;
}

static int call_inplace(const cr_op *op, const cr_value *args) {
  cr__fixed_args fixed;
  bool records;
  int code = cr__check_args(op, &args, &fixed);
  if (CR__UNLIKELY(code)) return code;
  if (!(op->flags & (CR_OP_INPLACE | CR_OP_INPLACE_ONLY)))
    return cr__fail(CR_E_ARGUMENT, "%s: has no in-place form", op->name);
  if (args[0].kind == CR_TENSORS) return cr__impls[op->id].run(op, args, NULL, NULL);
  if (cr__impls[op->id].header) return cr__inplace_header(op, args);
  if (cr__impls[op->id].composite && args[0].kind == CR_TENSOR) return composite_inplace(op, args);
  code = check_self(op, args, &records);
  if (CR__UNLIKELY(code)) return code;
  cr_tensor *self = args[0].u.t;
  if (records) {
    cr_node *n = cr__record(op, args, &self, 1, true);
    if (!n) return (int)cr_error_code();
    code = write_recorded(op, args, self, n);
    cr_node_release(n);
    return code;
  }
  code = write_self(op, args, self);
  if (code) return code;
  self->storage->writer = op->lua;
  cr__bump(self);
  return 0;
}

static int call_inplace_whole(const cr_op *op, const cr_value *args) {
  cr__draws before = cr__draws_now();
  uint8_t casts = cr__modes.autocast; /* which is for results that are made */
  cr__modes.autocast = 0;
  int code = call_inplace(op, args);
  cr__modes.autocast = casts;
  if (CR__UNLIKELY(code)) cr__call_failed(before, op, args, true);
  return code;
}

int cr_call_inplace(const cr_op *op, const cr_value *args) {
  cr_profiler p = {0};
  if (CR__UNLIKELY(cr__interrupt_pending())) p = cr__my_profiler;
  if (CR__LIKELY(!p.begin)) return call_inplace_whole(op, args);
  p.begin(p.user, op, args);
  int code = call_inplace_whole(op, args);
  p.end(p.user, code);
  return code;
}

int cr_call_inplace_in(cr_place place, const cr_op *op, const cr_value *args) {
  cr_place outer = cr__enter(place);
  int code = cr_call_inplace(op, args);
  cr__enter(outer);
  return code;
}

static int call_out(const cr_op *op, const cr_value *args, cr_tensor *out) {
  cr__fixed_args fixed;
  int code = cr__check_args(op, &args, &fixed);
  if (code) return code;
  if (!out) return cr__fail_absent(op->name, "out");
  if (op->nout != 1 || (op->flags & (CR_OP_VIEW | CR_OP_INPLACE_ONLY)))
    return cr__fail(CR_E_ARGUMENT, "%s: has no form that writes to out", op->name);
  if (cr__recording() && (cr__wants_node(op, args) || cr__requires(out)))
    return cr__fail(CR_E_AUTOGRAD,
                    "%s: writing to out is not differentiable, but an argument requires grad; "
                    "leave "
                    "out away, or call it under no_grad",
                    op->name);
  code = cr__inplace_check(op->lua, "", out, false);
  if (code) return code;
  if (!cr__impls[op->id].run && cr__pointwise_fits(op, args, out)) {
    code = write_self(op, args, out);
    if (!code) cr__bump(out);
    return code;
  }
  cr_tensor *result = cr__op1(op->id, args);
  if (!result) return (int)cr_error_code();
  if (!cr__can_cast((cr_dtype)result->dtype, (cr_dtype)out->dtype))
    code = cr__fail(CR_E_DTYPE, "%s: the result is %s, which out of dtype %s cannot hold", op->name,
                    cr_dtype_name((cr_dtype)result->dtype), cr_dtype_name((cr_dtype)out->dtype));
  if (!code && out->storage->device != result->storage->device)
    code = cr__fail_devices(op->name, result->storage->device, out->storage->device);
  if (!code && out->numel == 0) code = cr_resize(out, result->ndim, cr__sizes(result));
  cr__text a, b;
  if (!code && (out->ndim != result->ndim ||
                memcmp(cr__sizes(out), cr__sizes(result), out->ndim * sizeof(int64_t)) != 0))
    code = cr__fail(CR_E_SHAPE, "%s: out has shape %s, the result %s", op->name,
                    cr__shape_text(out->ndim, cr__sizes(out), &a),
                    cr__shape_text(result->ndim, cr__sizes(result), &b));
  if (!code) code = count_stopped(cr__copy(op->name, out, result), out);
  if (!code) cr__bump(out);
  cr_release(result);
  return code;
}

int cr_call_out(const cr_op *op, const cr_value *args, cr_tensor *out) {
  cr__draws before = cr__draws_now();
  uint8_t casts = cr__modes.autocast;
  cr__modes.autocast = 0;
  int code = call_out(op, args, out);
  cr__modes.autocast = casts;
  if (CR__UNLIKELY(code)) cr__call_failed(before, op, args, false);
  return code;
}
