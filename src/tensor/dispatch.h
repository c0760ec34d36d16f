/* dispatch.h: operations as the dispatcher knows them, and how one calls another.
 *
 * Holds true: the tables are written by the generator, from the catalogue. A run function records nothing;
 * what a composite calls records itself. */
#ifndef CR__DISPATCH_H
#define CR__DISPATCH_H

#include "op_ids.h" /* generated: cr__op_id */
#include "tensor.h"

/* ---- Operations (generated table; apply.c) ---- */

typedef enum cr__promote_rule {
  CR__PROMOTE,       /* result and computation in the promoted dtype */
  CR__PROMOTE_FLOAT, /* the same, integers and bool become the default float dtype */
  CR__PROMOTE_BOOL,  /* compute in the promoted dtype, give bool */
  CR__PROMOTE_SELF   /* result and computation in the dtype of the first unmasked operand */
} cr__promote_rule;

enum {
  CR__INTS_OK = 2,
  CR__BOOL_OK = 4,
  CR__FLOAT_OK = 8,
  CR__COMPLEX_OK = 16
};     /* dtypes an op takes */
enum { /* the same as bits per dtype, those only that a loop takes unconverted */
       CR__FEW_FLOATS = 1 << CR_FLOAT64 | 1 << CR_FLOAT32,
       CR__FEW_INTS = 1 << CR_INT64 | 1 << CR_INT32 | 1 << CR_INT16 | 1 << CR_INT8 | 1 << CR_UINT8,
       CR__FEW_BOOL = 1 << CR_BOOL
};

/* The kinds of values that a parameter of a type takes as they are, without a look at the value. */
#define CR__KIND(k) (1u << (k))
enum {
  CR__NUMBERS = CR__KIND(CR_INT) | CR__KIND(CR_FLOAT) | CR__KIND(CR_BOOLEAN_VALUE),
  CR__TAKES_TENSOR = CR__KIND(CR_TENSOR),
  CR__TAKES_OPERAND = CR__KIND(CR_TENSOR) | CR__NUMBERS,
  CR__TAKES_TENSORS = CR__KIND(CR_TENSORS),
  CR__TAKES_SCALAR = CR__NUMBERS,
  CR__TAKES_INT = CR__KIND(CR_INT),
  CR__TAKES_FLOAT = CR__KIND(CR_FLOAT),
  CR__TAKES_BOOL = CR__KIND(CR_BOOLEAN_VALUE),
  CR__TAKES_DIM = CR__KIND(CR_INT),
  CR__TAKES_DIMS = CR__KIND(CR_INTS),
  CR__TAKES_SHAPE = CR__KIND(CR_INTS),
  CR__TAKES_INTS = CR__KIND(CR_INTS),
  CR__TAKES_FLOATS = CR__KIND(CR_FLOATS),
  CR__TAKES_STRING = 0, /* of names, the value is looked at */
  CR__TAKES_DTYPE = 0,
  CR__TAKES_DEVICE = 0
};

/* What becomes of a number that the dtype of an elementwise computation cannot hold. */
typedef enum cr__role {
  CR__BY_VALUE, /* the computation is done in a wider dtype */
  CR__BOUND,    /* the nearest number that fits takes its place */
  CR__STORED,   /* the call is refused */
  CR__LARGEST,  /* it is one side of a maximum: refused if it would win, else as CR__BOUND */
  CR__SMALLEST  /* of a minimum */
} cr__role;

/* What autocast does to the arguments of an operation on one kind of device: see catalogue/autocast.lua. */
enum { CR__CAST_NONE, CR__CAST_LOWER, CR__CAST_FLOAT32, CR__CAST_WIDEST, CR__CAST_REFUSED };

/* What a node keeps for its formula. */
typedef enum cr__save_kind {
  CR__SAVE_INPUT,  /* argument i, a tensor, an operand or a list */
  CR__SAVE_OUTPUT, /* result i */
  CR__SAVE_PARAM,  /* argument i, not a tensor */
  CR__SAVE_SHAPE,  /* the shape of argument i */
  CR__SAVE_OUTPUT_SHAPE,
  CR__SAVE_DTYPE,
  CR__SAVE_DEVICE,
  CR__SAVE_NDIM,
  CR__SAVE_NUMEL, /* of argument i */
  CR__SAVE_STRIDE,
  CR__SAVE_OFFSET
} cr__save_kind;
typedef struct cr__save {
  uint8_t kind, index;
  uint32_t users; /* bit per parameter whose derivative reads it */
  const char *name;
} cr__save;

/* args have been checked for presence and kind; out has room for CR_MAX_OUTPUTS. A run function may
 * return an argument itself (retained): the call then changed nothing and is not recorded. */
typedef int (*cr__run)(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout);
/* Fills gi (one per edge, NULL at first) from g (one per output; kind CR_NONE where undefined only if
 * all are). Released by the caller on failure. */
typedef int (*cr__formula)(cr_node *n, const cr_value *g, cr_tensor **gi);

typedef struct cr__impl {
  cr__run run;   /* NULL: pointwise */
  cr__run check; /* pointwise: called before, may be NULL; out is NULL */
  cr__formula backward;
  const char *node_name;
  const uint16_t *kinds; /* for each parameter, CR__TAKES_* and whether it may be absent */
  const cr__save *saves;
  int16_t pointwise;
  uint8_t nsave;
  uint8_t rule;   /* cr__promote_rule */
  uint8_t dtypes; /* CR__*_OK */
  uint16_t
      few; /* pointwise without a mask: bit per dtype that it computes in and gives as it is; CR__FEW_* */
  uint8_t noperand; /* pointwise: how many operands; the other parameters are its numbers */
  uint8_t mask;     /* pointwise: bit per operand that takes no part in promotion */
  uint8_t ndiff;
  uint8_t casts;       /* a CR__CAST_* in four bits each for the CPU and for CUDA */
  uint32_t roles;      /* pointwise: a cr__role in four bits per parameter */
  const uint8_t *diff; /* the parameters that have a derivative; a node's edges follow this order */
  bool multi_view;     /* a view with several results */
  bool composite;      /* run calls operations, which record themselves */
  bool rewrites;       /* in place: the run function itself writes to args[0] (copy_, fill_) */
  bool header; /* in place: args[0] becomes the view that the pure form returns (squeeze_) */
} cr__impl;

extern const cr_op cr__ops[];
extern const cr__impl cr__impls[];
extern const int cr__npublic; /* the others, which trust their arguments, come behind these */

/* The one-result form that generated code and run functions use: returns the result or NULL. */
cr_tensor *cr__op1(int id, const cr_value *args);
void cr__drop_list(cr_value v);
/* The same as a value, for formulas: CR_NONE after a failure. */
static inline cr_value cr__do(int id, const cr_value *args) { return cr_of(cr__op1(id, args)); }
/* All results of a call, for formulas: NULL after a failure. */
static inline void cr__do_all(int id, const cr_value *args, cr_tensor **out) {
  (void)cr_call(&cr__ops[id], args, out, NULL);
}
/* Releases what cr__do and cr__unpack gave: a tensor, or a list with its array. */
static inline void cr__drop(cr_value v) {
  if (v.kind == CR_TENSOR) cr_release(v.u.t);
  if (v.kind == CR_TENSORS) cr__drop_list(v);
}
static inline cr_tensor *cr__take(cr_value v) { /* returns a reference of its own */
  return v.kind == CR_TENSOR ? cr_retain(v.u.t) : NULL;
}
static inline double cr__number(cr_value v) { return v.kind == CR_FLOAT ? v.u.f : (double)v.u.i; }
/* A property of an argument (CR__SAVE_SHAPE ...), as composites read it. */
cr_value cr__property(int save_kind, cr_value v);
int cr__undo(cr_tensor **out, int n); /* releases results after a failure; returns the code */
/* Elementwise into out, which the caller may write: the in-place and the out= form. */
int cr__pointwise_into(const cr_op *op, const cr_value *args, cr_tensor *out);
/* Fails where that would, but for memory, and writes nothing. */
int cr__pointwise_check_into(const cr_op *op, const cr_value *args, const cr_tensor *out);
/* The same of a call of the in-place twin; of others than pointwise operations it sees only whether
 * self may be written. */
int cr__check_inplace_call(const cr_op *op, const cr_value *args);
/* True if it would not fail. Leaves no error. */
bool cr__pointwise_fits(const cr_op *op, const cr_value *args, const cr_tensor *out);
int cr__run_pointwise(const cr_op *op, const cr_value *args, cr_tensor **out, int *nout);
/* few.c: the same on few elements, if the call is one for the short way; else false, with nothing done. For
 * operations whose impl->few is not 0. */
bool cr__run_few(const cr_op *op, const cr_value *args, cr_tensor *out);
/* The dtype that a pointwise operation's operands promote to, before its own rule. */
cr_dtype cr__pointwise_dtype(const cr_op *op, const cr_value *args);
/* Makes the numbers among args fit, each by its role: changes args and *compute, or fails. `result` is
 * the dtype of what is stored. numbers.c. */
int cr__fit_numbers(const cr_op *op, cr_value *args, cr_dtype *compute, cr_dtype result);
/* True for a 0-dim tensor of an integer dtype whose element the integer dtype may not hold. */
bool cr__is_wide_number(const cr_value *v, cr_dtype dtype);
/* If op compares integers with a float: fills own with operands that give the exact answers. */
bool cr__compare_exactly(const cr__impl *impl, const cr_value *args, cr_value *own);
/* Runs `run` below autograd: what it calls records nothing. */
extern CR__TLS int cr__below; /* > 0: inside a run function */
/* The composite whose parts run on this thread, the outermost one; NULL: none. */
typedef struct cr__speaker {
  const cr_op *op;
  const cr_value *args;
  bool inplace; /* it is called as its twin */
} cr__speaker;
extern CR__TLS const cr__speaker *cr__outer;
/* speak.c: after a failure, makes the thread's error speak of what the caller has called: of the outermost
 * composite and its parameters where op, on args, is a part of one; else of op (or its twin) itself. */
void cr__speak(const cr_op *op, const cr_value *args, bool inplace) __attribute__((cold));
/* That nothing computes in a dtype which is for storage. */
int cr__fail_stored(const cr_op *op, cr_dtype dtype) __attribute__((cold));
/* Whether an argument is a tensor, or has one, of such a dtype, or names one; and the failure for it. */
static inline bool cr__names_stored(const cr_value *v) {
  return v->kind == CR_TENSOR        ? cr__is_stored(v->u.t->dtype)
         : v->kind == CR_DTYPE_VALUE ? cr__is_stored((int)v->u.i)
                                     : false;
}
bool cr__lists_stored(const cr_value *list);
int cr__refuse_stored(const cr_op *op, const cr_value *args) __attribute__((cold));
/* What the caller can do about a dtype: to name another one only where what was called lets it. */
const char *cr__dtype_advice(const cr_op *op) __attribute__((cold));

#endif
