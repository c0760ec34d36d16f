/* update_rules.c: the steps of optimizers as operations: their numbers, for update.c.
 *
 * Holds true: what is the same for all elements of a row is computed here, in double. */
#include "update.h"

#include <math.h>
#include <string.h>

static const int64_t no_switches = 0;

static void begin(cr__update *u, const cr_op *op, int rule, cr__tensors params, cr__tensors grads) {
  *u = (cr__update){.op = op, .n = params.n, .rule = rule, .nnumber = 1, .nswitch = 1};
  u->lists[CR__UPDATE_PARAM] = cr_list(params.at, params.n);
  u->lists[CR__UPDATE_GRAD] = cr_list(grads.at, grads.n);
  for (int j = CR__UPDATE_OWN; j < CR__UPDATE_LISTS; j++) u->lists[j] = cr_none();
  u->switches = &no_switches;
}

static void own_list(cr__update *u, int i, cr__tensors list) {
  if (list.n >= 0) u->lists[CR__UPDATE_OWN + i] = cr_list(list.at, list.n);
}

/* ---- Stochastic gradient descent --------------------------------------------------------------------- */

int cr__run_sgd(const cr_op *op, cr__tensors params, cr__tensors grads,
                cr__tensors momentum_buffers, double lr, double momentum, double dampening,
                double weight_decay, bool nesterov, bool maximize, bool first) {
  if (momentum != 0 && momentum_buffers.n < 0)
    return cr__fail(CR_E_ARGUMENT, "%s: momentum needs momentum_buffers", op->lua);
  if (nesterov && (momentum <= 0 || dampening != 0))
    return cr__fail(CR_E_ARGUMENT, "%s: nesterov needs a momentum above 0 and no dampening",
                    op->lua);
  int64_t on = momentum == 0 ? 0
                             : CR__SGD_MOMENTUM | (nesterov ? CR__SGD_NESTEROV : 0) |
                                   (first ? CR__SGD_FIRST : 0);
  const double numbers[] = {weight_decay, maximize ? -1 : 1, lr, momentum, 1 - dampening};
  cr__update u;
  begin(&u, op, CR__RULE_sgd, params, grads);
  if (momentum != 0) own_list(&u, 0, momentum_buffers);
  u.numbers = numbers;
  u.switches = &on;
  int code = cr__update_check(&u);
  return code ? code : cr__update_run(&u);
}

/* ---- Adam ---------------------------------------------------------------------------------------------- */

static int check_beta(const cr_op *op, const char *name, double beta) {
  if (beta >= 0 && beta < 1) return 0;
  return cr__fail(CR_E_ARGUMENT, "%s: %s must be at least 0 and below 1, got %g", op->lua, name,
                  beta);
}

static int check_steps(const cr_op *op, cr__ints step, int n) {
  if (step.n != 1 && step.n != n)
    return cr__fail(CR_E_ARGUMENT,
                    "%s: step must be one number or one for each of %d params, got "
                    "%d numbers",
                    op->lua, n, step.n);
  for (int i = 0; i < step.n; i++)
    if (step.at[i] < 1)
      return cr__fail(CR_E_ARGUMENT, "%s: steps count from 1, got %lld", op->lua,
                      (long long)step.at[i]);
  return 0;
}

/* base^n by multiplications, which round alike on every machine. */
static double whole_power(double base, int64_t n) {
  double power = 1;
  for (; n > 0; n >>= 1, base *= base)
    if (n & 1) power *= base;
  return power;
}

int cr__run_adam(const cr_op *op, cr__tensors params, cr__tensors grads, cr__tensors exp_avgs,
                 cr__tensors exp_avg_sqs, cr__tensors max_exp_avg_sqs, cr__ints step, double lr,
                 double beta1, double beta2, double eps, double weight_decay, bool decoupled,
                 bool maximize) {
  enum { RATE = 7, ROOT, NUMBERS };
  const int64_t amsgrad = CR__ADAM_AMSGRAD;
  const double common[NUMBERS] = {decoupled ? 0 : weight_decay,
                                  maximize ? -1 : 1,
                                  decoupled ? 1 - lr * weight_decay : 1,
                                  1 - beta1,
                                  beta2,
                                  1 - beta2,
                                  eps};
  cr__update u;
  begin(&u, op, CR__RULE_adam, params, grads);
  own_list(&u, 0, exp_avgs);
  own_list(&u, 1, exp_avg_sqs);
  own_list(&u, 2, max_exp_avg_sqs);
  if (max_exp_avg_sqs.n >= 0) u.switches = &amsgrad;
  int code = cr__update_check(&u);
  if (!code) code = check_beta(op, "beta1", beta1);
  if (!code) code = check_beta(op, "beta2", beta2);
  if (!code) code = check_steps(op, step, u.n);
  if (code || u.n == 0) return code;
  size_t room = (size_t)step.n * sizeof common;
  double *numbers = cr__alloc(room);
  if (!numbers) return (int)cr_error_code();
  for (int i = 0; i < step.n; i++) {
    double *f = numbers + (ptrdiff_t)i * NUMBERS;
    memcpy(f, common, sizeof common);
    f[RATE] = lr / (1 - whole_power(beta1, step.at[i]));
    f[ROOT] = sqrt(1 - whole_power(beta2, step.at[i]));
  }
  u.numbers = numbers;
  u.nnumber = step.n;
  code = cr__update_run(&u);
  cr__free(numbers, room);
  return code;
}

/* ---- Any rule -------------------------------------------------------------------------------------------- */

/* The numbers of a table, which is checked. */
static int take_table(cr__update *u, const cr_tensor *table, int count) {
  const char *op = u->op->lua;
  if (table->dtype != CR_FLOAT64)
    return cr__fail(CR_E_DTYPE, "%s: table must be float64, got %s", op,
                    cr_dtype_name((cr_dtype)table->dtype));
  if (u->n && table->storage->device != u->device)
    return cr__fail_devices(op, table->storage->device, u->device);
  if (!(table->flags & CR__CONTIGUOUS) ||
      (table->numel != count && table->numel != (int64_t)count * u->n))
    return cr__fail(CR_E_SHAPE,
                    "%s: table must be contiguous, of %d numbers, or %d for each of %d params, got "
                    "%lld",
                    op, count, count, u->n, (long long)table->numel);
  u->numbers = (const double *)(const void *)cr__data(table);
  u->nnumber = (int)(table->numel / count);
  u->table = true;
  return 0;
}

static int take_numbers(cr__update *u, cr__floats numbers, int count) {
  if (numbers.n != count && (int64_t)numbers.n != (int64_t)count * u->n)
    return cr__fail(CR_E_ARGUMENT, "%s: numbers must be %d, or %d for each of %d params, got %d",
                    u->op->lua, count, count, u->n, numbers.n);
  u->numbers = numbers.at;
  u->nnumber = numbers.n / count;
  return 0;
}

int cr__run_step(const cr_op *op, cr__tensors params, cr__tensors grads, cr__tensors first,
                 cr__tensors second, cr__tensors third, int rule, cr__floats numbers,
                 cr__ints switches, cr_tensor *table) {
  int count = cr__rule_numbers(rule);
  cr__update u;
  begin(&u, op, rule, params, grads);
  own_list(&u, 0, first);
  own_list(&u, 1, second);
  own_list(&u, 2, third);
  int code = cr__update_check(&u);
  if (!code && (numbers.n >= 0) == (table != NULL))
    code = cr__fail(CR_E_ARGUMENT, "%s: needs numbers or a table of them", op->lua);
  if (!code) code = table ? take_table(&u, table, count) : take_numbers(&u, numbers, count);
  if (code) return code;
  if (switches.n != 1 && switches.n != u.n)
    return cr__fail(CR_E_ARGUMENT, "%s: switches must be 1, or 1 for each of %d params, got %d",
                    op->lua, u.n, switches.n);
  u.switches = switches.at;
  u.nswitch = switches.n;
  return cr__update_run(&u);
}
