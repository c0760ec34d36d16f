/* arguments.c: the arguments of a call, as the operation's descriptor promises them to who carries it out.
 *
 * Holds true: a call whose arguments need nothing does not come here; the others get a copy, with defaults
 * filled in, kinds converted and choices numbered. */
#include <stdio.h>
#include <string.h>

#include "call.h"

/* True for a string of any text, for a dtype that there is, and for a device that there may be. */
static bool takes_name(const cr_param *p, const cr_value *v) {
  uint8_t type = p->type;
  if (type == CR_P_STRING) return v->kind == CR_STRING && !p->choices;
  if (type == CR_P_DTYPE)
    return v->kind == CR_DTYPE_VALUE && v->u.i >= 0 && v->u.i < CR_DTYPE_COUNT;
  if (type != CR_P_DEVICE || v->kind != CR_DEVICE_VALUE) return false;
  return cr__is_device(v->u.i);
}

/* Converts what is harmless: an int for a float, one number for a list; 0 if v does not fit. */
static bool convert_kind(cr_value *v, uint8_t type, cr__one *room) {
  if (type == CR_P_FLOAT && v->kind == CR_INT) {
    *v = cr_float((double)v->u.i);
    return true;
  }
  bool list = type == CR_P_DIMS || type == CR_P_SHAPE || type == CR_P_INTS;
  if (list && v->kind == CR_INT) {
    room->i = v->u.i;
    *v = cr_ints(&room->i, 1);
    return true;
  }
  if (type == CR_P_FLOATS && (v->kind == CR_INT || v->kind == CR_FLOAT)) {
    room->f = v->kind == CR_INT ? (double)v->u.i : v->u.f;
    *v = cr_floats(&room->f, 1);
    return true;
  }
  return false;
}

/* Numbers a string by the choices of its parameter. */
static int choose(const cr_op *op, const cr_param *p, cr_value *v) {
  cr__text all = {""};
  cr_quoted got;
  size_t n = 0;
  for (int i = 0; p->choices[i]; i++) {
    v->n = i;
    if (strcmp(v->u.s, p->choices[i]) == 0) return 0;
    const char *joint = i == 0 && p->type == CR_P_STRING ? "" : p->choices[i + 1] ? ", " : " or ";
    if (i == 0 && p->type != CR_P_STRING) n = (size_t)snprintf(all.s, sizeof all.s, "numbers");
    n += (size_t)snprintf(all.s + n, sizeof all.s - n, "%s\"%s\"", joint, p->choices[i]);
    if (n >= sizeof all.s) n = sizeof all.s - 1;
  }
  return cr__fail(CR_E_ARGUMENT, "%s: %s must be %s, got %s", op->lua, p->name, all.s,
                  cr__quote(v->u.s, &got));
}

static int fail_kind(const cr_op *op, const cr_param *p, const cr_value *v) {
  if (v->kind == CR_COMPLEX_VALUE)
    return cr__fail(CR_E_DTYPE, "%s: %s is the complex number %g%+gi, but no dtype is complex",
                    op->lua, p->name, v->u.c[0], v->u.c[1]);
  return cr__fail(CR_E_ARGUMENT, "%s: argument '%s' has the wrong kind of value", op->name,
                  p->name);
}

/* Copies the arguments with defaults filled in and kinds as the descriptor promises them. */
static int fix_args(const cr_op *op, const cr_value *args, cr__fixed_args *fixed) {
  for (int i = 0; i < op->nparam; i++) {
    const cr_param *p = &op->params[i];
    cr_value v = args[i];
    if (v.kind == CR_NONE) {
      if (!p->optional) return cr__fail_absent(op->name, p->name);
      fixed->args[i] = p->otherwise;
      if (p->otherwise.kind == CR_NONE) continue;
      v = p->otherwise;
    }
    if (p->choices && v.kind == CR_STRING) {
      int code = choose(op, p, &v);
      if (code) return code;
    } else if (!(cr__impls[op->id].kinds[i] >> v.kind & 1) && !takes_name(p, &v) &&
               !convert_kind(&v, p->type, &fixed->room[i]))
      return fail_kind(op, p, &v);
    fixed->args[i] = v;
  }
  return 0;
}

int cr__settle_args(const cr_op *op, const cr_value **args, cr__fixed_args *fixed) {
  const uint16_t *kinds = cr__impls[op->id].kinds;
  for (int i = 0; i < op->nparam; i++) {
    const cr_value *v = &(*args)[i];
    if (kinds[i] >> v->kind & 1 || takes_name(&op->params[i], v)) continue;
    int code = fix_args(op, *args, fixed);
    *args = fixed->args;
    return code;
  }
  return 0;
}

/* ---- Dtypes that are for storage ---- */

int cr__fail_stored(const cr_op *op, cr_dtype dtype) {
  return cr__fail(CR_E_DTYPE,
                  "%s: %s is for storage only, and nothing computes in it; convert with "
                  ":to(\"int64\")",
                  op->lua, cr_dtype_name(dtype));
}

bool cr__lists_stored(const cr_value *list) {
  for (int i = 0; list->kind == CR_TENSORS && i < list->n; i++)
    if (list->u.ts[i] && cr__is_stored(list->u.ts[i]->dtype)) return true;
  return false;
}

int cr__refuse_stored(const cr_op *op, const cr_value *args) {
  for (int i = 0; i < op->nparam; i++) {
    const cr_value *v = &args[i];
    if (cr__names_stored(v))
      return cr__fail_stored(op, v->kind == CR_TENSOR ? (cr_dtype)v->u.t->dtype : (cr_dtype)v->u.i);
    for (int j = 0; v->kind == CR_TENSORS && j < v->n; j++)
      if (v->u.ts[j] && cr__is_stored(v->u.ts[j]->dtype))
        return cr__fail_stored(op, (cr_dtype)v->u.ts[j]->dtype);
  }
  return 0;
}

bool cr__list_requires(const cr_value *list) {
  for (int i = 0; i < list->n; i++)
    if (list->u.ts[i] && cr__requires(list->u.ts[i])) return true;
  return false;
}
