/* binding.h: what the files of the Lua binding share.
 *
 * Holds true: only cresset.h and Lua's headers are used here. Only this layer raises Lua errors,
 * and it raises them where no reference to a tensor would be lost: an empty userdata (or list)
 * exists before the reference that it will own, because every Lua call that allocates may
 * longjmp. */
#ifndef CR__BINDING_H
#define CR__BINDING_H

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

#include "cresset.h"

/* As CR__TLS of the core: one instruction to reach, for a few bytes. */
#define CR__LUA_TLS _Thread_local __attribute__((tls_model("initial-exec")))

/* ---- What belongs to the Lua state (state.c) ---- */

/* Around every core call that depends on more than its arguments: the thread computes in the place of the
 * Lua state (its settings, the modes of the coroutine), and callbacks run on L. Nothing may raise in
 * between. */
typedef struct cr__lua_home cr__lua_home;
typedef cr_lua_visit cr__lua_entry;
/* What lets a call find them without a search; the rest is in state.h. NULL places: the state is closed. */
struct cr__lua_home {
  cr_place place; /* the state, and the modes of the main thread */
  int attention;  /* coroutines with modes of their own, and guards that wait */
  struct cr__lua_rest *rest;
};
/* What a thread found last, and the count of homes that had been opened or closed by then: the memory of a
 * closed state may belong to a new one, and that of a coroutine to another one's. */
extern CR__LUA_TLS struct cr__lua_remembered {
  const lua_State *main;
  const void *registry;
  cr__lua_home *home;
  unsigned changed;
} cr__lua_remembered;
extern atomic_uint cr__lua_homes_changed;
cr__lua_home *cr__lua_look_up_home(lua_State *L);
static inline cr__lua_home *cr__lua_home_of(lua_State *L) { /* never NULL */
  const struct cr__lua_remembered *r = &cr__lua_remembered;
  bool fits = (r->main == L || r->registry == lua_topointer(L, LUA_REGISTRYINDEX)) &&
              r->changed == atomic_load_explicit(&cr__lua_homes_changed, memory_order_relaxed);
  return __builtin_expect(fits, 1) ? r->home : cr__lua_look_up_home(L);
}
cr_modes *cr__lua_modes_of(cr__lua_home *h, lua_State *L);
static inline cr_place cr__lua_place(cr__lua_home *h, lua_State *L) {
  cr_place place = h->place;
  if (__builtin_expect(h->attention, 0)) place.modes = cr__lua_modes_of(h, L);
  return place;
}
cr__lua_entry cr__lua_enter(lua_State *L);
void cr__lua_leave(cr__lua_entry outer);
/* One such call without a result, or what assigns it; and one as a value. */
#define CR__LUA_DO(L, call)                  \
  do {                                       \
    cr__lua_entry outer_ = cr__lua_enter(L); \
    call;                                    \
    cr__lua_leave(outer_);                   \
  } while (0)
#define CR__LUA_GET(L, call)                 \
  __extension__({                            \
    cr__lua_entry outer_ = cr__lua_enter(L); \
    __auto_type result_ = (call);            \
    cr__lua_leave(outer_);                   \
    result_;                                 \
  })
void cr__lua_open_state(lua_State *L);
/* cr_set_requires_grad, whose refusal of a dtype says here how Lua makes another (autograd.c). */
int cr__lua_require_grad(lua_State *L, cr_tensor *t, bool on);
/* The only element as a number; the code of an error. Nothing of the place matters to the CPU. */
int cr__lua_item_elsewhere(lua_State *L, cr_tensor *t, cr_value *out);
static inline int cr__lua_item(lua_State *L, cr_tensor *t, cr_value *out) {
  if (__builtin_expect(cr_device_of(t) == CR_CPU, 1)) return cr_item(t, out);
  return cr__lua_item_elsewhere(L, t, out);
}

/* ---- Tensors as userdata (tensor.c) ---- */

/* A full userdata. `t` is NULL once closed. `tag` is the address of cr__lua_tensor_tag from creation until
 * __gc, which tells it from every foreign userdata, whatever metatable that one was given. `owners` is what
 * owner.c knows of it; NULL if nothing. */
typedef struct cr__lua_tensor {
  cr_tensor *t;
  const void *tag;
  struct cr__lua_owner *owners;
} cr__lua_tensor;
extern const char cr__lua_tensor_tag;

/* Pushes an empty tensor userdata; the caller stores a reference in it, or leaves it empty. The
 * metatable is at the index given, an upvalue of the running function; with 0, which takes longer,
 * it is looked up in the registry. */
void cr__lua_metatable(lua_State *L); /* pushes the metatable of tensors */
static inline cr__lua_tensor *cr__lua_new_by(lua_State *L, int metatable) {
  cr__lua_tensor *u = lua_newuserdatauv(L, sizeof *u, 0);
  u->t = NULL;
  u->tag = &cr__lua_tensor_tag;
  u->owners = NULL;
  if (metatable) lua_pushvalue(L, metatable);
  else cr__lua_metatable(L);
  lua_setmetatable(L, -2);
  return u;
}
static inline cr__lua_tensor *cr__lua_new(lua_State *L) { return cr__lua_new_by(L, 0); }
/* Pushes a tensor that the core has lent: the userdata that stands for it already, or a new one. One
 * that was made for a result stands for its tensor once cr__lua_know has been told of it. */
void cr__lua_push_tensor(lua_State *L, cr_tensor *t);
bool cr__lua_push_known(lua_State *L, const cr_tensor *t); /* false: pushes nothing */
void cr__lua_know(lua_State *L, int index);
/* The userdata at index if it is a tensor (closed or not), else NULL. Never raises. */
static inline cr__lua_tensor *cr__lua_test(lua_State *L, int index) {
  cr__lua_tensor *u = lua_touserdata(L, index);
  /* The length of light userdata is 0. */
  if (!u || lua_rawlen(L, index) != sizeof *u || u->tag != &cr__lua_tensor_tag) return NULL;
  return u;
}
/* The tensor at index, borrowed; else an error "<op>: <param> must be a tensor, got ...". */
cr_tensor *cr__lua_tensor_arg(lua_State *L, int index, const char *op, const char *param);
/* Pushes "; call it with a colon: x:NAME(...)" for a method that was called with what lies at index in the
 * place of its tensor, with "or as cr.NAME(x, ...)" if there is such a function; "" if that is a userdata. */
const char *cr__lua_push_colon(lua_State *L, int index, const char *name, bool function);

/* ---- Lists of references that the collector can see (list.c) ---- */

/* A userdata that owns up to `room` references: for calls that return several tensors, and to hold
 * arguments while Lua code (which might close them) runs inside the call. */
typedef struct cr__lua_list {
  const void *tag; /* list.c's own */
  int n, room;
  cr_tensor *t[];
} cr__lua_list;
/* Pushes an empty list. */
cr__lua_list *cr__lua_new_list(lua_State *L, int room);
/* Pushes a list with references to the tensors at index: one tensor, or a table of tensors. A false
 * in the table stands for "no tensor" (NULL) where holes is true. */
cr__lua_list *cr__lua_check_list(lua_State *L, int index, const char *op, const char *param,
                                 bool holes);
/* The same, but what is wrong with the table is pushed as text, and NULL returned. */
cr__lua_list *cr__lua_make_list(lua_State *L, int index, const char *param, bool holes);
/* Releases what the list at index holds, which nobody may use any more: the next call will. */
void cr__lua_done_list(lua_State *L, int index);
/* Pushes the list's n tensors as n userdata (nil for NULL), moving the references. */
void cr__lua_push_list(lua_State *L, cr__lua_list *list);

/* ---- Errors (raise.c) ---- */

/* Pushes the position that an error blames, "file:line: ": of the first Lua function up the stack that is
 * not the module's own; "" if there is none. */
void cr__lua_where(lua_State *L);
/* Raises an error of one line, with the caller's position. */
int cr__lua_error(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Raises the thread's pending core error, and clears it. Errors about arguments get op's signature
 * (NULL: none). An error object kept by cr__lua_keep_error is raised as it is. */
int cr__lua_raise(lua_State *L, const cr_op *op);
/* The same with the signature under another name, or, with as NULL, without it. */
int cr__lua_raise_as(lua_State *L, const cr_op *op, const char *as);
/* After core calls that may warn (backward, grad): what they have said is given to the handler of
 * cr.set_warning_handler, or else to Lua's warn. Comes before raise. */
void cr__lua_deliver(lua_State *L);
/* Warns the script, as the engine does. */
void cr__lua_warn(lua_State *L, const char *sentence);
/* Pops the Lua error object on top (from a failed pcall inside a callback), keeps it for
 * cr__lua_raise, sets the core's error to CR_E_CALLBACK with its text, and returns that code. */
int cr__lua_keep_error(lua_State *L);
/* Pushes the string at index as messages have it: between marks, on one line, at most 80 bytes. */
const char *cr__lua_quote(lua_State *L, int index, char mark);
/* Pushes what the Lua half of the module has to say about the unknown name at index, of a kind that
 * suggest.lua knows: "; did you mean ...?", or "". */
const char *cr__lua_advice(lua_State *L, const char *kind, int index);
/* Describes the value at index for messages: "a number", "a string", "a tensor (2x3 float32)"; the
 * text stays on the stack (pushed). */
const char *cr__lua_describe(lua_State *L, int index);

/* ---- Calls back into Lua (callback.c; see callback.h) ---- */

/* The coroutine on which the core's callbacks run. */
extern CR__LUA_TLS lua_State *cr__lua_current;
/* Forgets the Lua values that the core has dropped meanwhile; never raises. */
void cr__lua_sweep(lua_State *L);

/* ---- Memory (pace.c, memory.c) ---- */

/* To be called when results have been made: has Lua's collector do its part if enough was made. Never
 * raises. */
void cr__lua_pressed(lua_State *L);
static inline void cr__lua_after(lua_State *L) {
  if (__builtin_expect(cr_memory_pressure(), 0)) cr__lua_pressed(L);
}
void cr__lua_collect_all(lua_State *L);        /* whether it is stopped or not */
extern CR__LUA_TLS unsigned cr__lua_finalized; /* tensors, by the thread */
void cr__lua_open_pace(lua_State *L);          /* table memory on top: pace */
/* After a failed core call: true (once garbage and caches are gone and the error is cleared) if it
 * ran out of memory and is worth one retry. False while cr.debug.fail_alloc() is in force. */
bool cr__lua_retry(lua_State *L);
void cr__lua_open_memory(lua_State *L);                 /* module table on top: memory, debug */
int cr__lua_push_stats(lua_State *L, cr_device device); /* pushes one table; raises */

/* ---- Arguments (args.c) ---- */

/* Checks that the value at index is a table with no other keys than `names` (NULL-terminated) and
 * pushes their values in order (nil where absent or where index holds nil); returns the index of
 * the first. Values that nil is not may be told by lua_isnil. */
int cr__lua_options(lua_State *L, int index, const char *op, const char *const *names);
/* True if the table has a key beside its list of n; describes that key on top of the stack. */
bool cr__lua_other_key(lua_State *L, int index, lua_Integer n);
/* An int64 (a float with an exact integer value will do; no strings). False without an error
 * set. */
static inline bool cr__lua_to_int(lua_State *L, int index, int64_t *out) {
  int exact;
  if (lua_type(L, index) != LUA_TNUMBER) return false;
  lua_Integer i = lua_tointegerx(L, index, &exact);
  if (exact) *out = i;
  return exact;
}
int64_t cr__lua_int_arg(lua_State *L, int index, const char *op, const char *param);
double cr__lua_float_arg(lua_State *L, int index, const char *op, const char *param);
bool cr__lua_bool_arg(lua_State *L, int index, const char *op, const char *param);
const char *cr__lua_string_arg(lua_State *L, int index, const char *op, const char *param);
cr_dtype cr__lua_dtype_arg(lua_State *L, int index, const char *op, const char *param);
cr_device cr__lua_device_arg(lua_State *L, int index, const char *op, const char *param);
/* A table of ints (or, where `single`, one number) into out[0 .. max); returns how many. */
int cr__lua_ints_arg(lua_State *L, int index, const char *op, const char *param, bool single,
                     int64_t *out, int max);
/* The same for what may be something else: no dtype, false. */
cr_dtype cr__lua_to_dtype(lua_State *L, int index);
/* The string at index, borrowed; NULL for what is none, or has a zero byte inside. */
const char *cr__lua_to_word(lua_State *L, int index);
bool cr__lua_to_device(lua_State *L, int index, cr_device *out);
/* The number of the device at index; -1, the calling thread's, where nothing stands there. */
int cr__lua_ordinal_arg(lua_State *L, int index, const char *op);
void cr__lua_push_device(lua_State *L, cr_device device);
/* What messages say is wanted. */
#define CR__LUA_A_DTYPE                                                                            \
  "a dtype (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool, uint16, " \
  "uint32 or uint64)"
const char *cr__lua_a_device(lua_State *L); /* a device, with the names that there are; pushed */
/* A number or boolean as a value; false for all else. */
bool cr__lua_to_number(lua_State *L, int index, cr_value *out);
/* Pushes any value: numbers as they are, ints as a table, tensors as userdata (a reference of
 * their own), lists of tensors as a table, dtypes and devices by name. */
void cr__lua_push_value(lua_State *L, const cr_value *v);
/* A table of n sizes that compares by value and knows its text, "2x3". */
void cr__lua_push_sizes(lua_State *L, int n, const int64_t *sizes);
void cr__lua_push_shape(lua_State *L, const cr_tensor *t);
int cr__lua_concat(lua_State *L); /* __concat: the texts of both operands */
/* A tensor argument of cr__lua_call: the userdata at a positive stack index. Its pointer is read
 * only once the results' userdata exist, since a finalizer that runs meanwhile may close the
 * tensor. */
static inline cr_value cr__lua_at(int index) { return (cr_value){CR_TENSOR, index, {0}}; }
/* The same where the userdata is at hand. */
static inline cr_value cr__lua_of(const cr__lua_tensor *u, int index) {
  return (cr_value){CR_TENSOR, index, {.s = (const char *)u}};
}
/* Calls op on op->nparam values; pushes the op->nout results (all of
 * them if 0) and returns how many. Lists of tensors must be owned by a cr__lua_list on the stack.
 * Raises on failure; `as` is for cr__lua_raise_as, `metatable` for cr__lua_new_by, home is L's; the second form uses
 * the arguments up. The last one is the in-place twin, which pushes nothing. */
int cr__lua_call(lua_State *L, const cr_op *op, const cr_value *args);
int cr__lua_call_as(lua_State *L, cr__lua_home *home, const cr_op *op, const char *as,
                    int metatable, cr_value *args);
void cr__lua_call_inplace(lua_State *L, cr__lua_home *home, const cr_op *op, const char *as,
                          const cr_value *args);
/* The core call of an operation with one result, in the place of L's state and with callbacks on L: its code.
 * The arguments are as the core wants them. */
static inline int cr__lua_run(lua_State *L, cr__lua_home *home, const cr_op *op,
                              const cr_value *args, cr_tensor **out) {
  lua_State *outer = cr__lua_current;
  cr_place place = cr__lua_place(home, L);
  cr__lua_current = L;
  int code = cr_call_in(place, op, args, out, NULL);
  cr__lua_current = outer;
  return code;
}
/* The operations that the binding itself calls, found by name when the module opens. */
/* clang-format off */
#define CR__LUA_KNOWN(X)                                                                           \
  X(basic_index) X(clone) X(contiguous) X(copy_) X(detach) X(fill_) X(index) X(index_put)          \
  X(index_select) X(reshape) X(select) X(slice) X(to) X(view)
/* clang-format on */
typedef enum cr__lua_known {
#define X(name) CR__LUA_##name,
  CR__LUA_KNOWN(X)
#undef X
      CR__LUA_KNOWN_COUNT
} cr__lua_known;
const cr_op *cr__lua_op(cr__lua_known which);
/* Pushes the method or the function that the string at index names by an alias; false: there is none. It
 * is made anew, so that what nobody uses takes no place. */
bool cr__lua_find_alias(lua_State *L, int index, bool method);
/* Any other by name; an error if it does not exist. Slow: it searches the catalogue. */
const cr_op *cr__lua_find_op(lua_State *L, const char *name);

/* ---- The other files' parts of the module. All get the module table on top of the stack and leave
 * it there. ---- */

void cr__lua_methods(lua_State *L); /* pushes the table of tensor methods */
void cr__lua_add_methods(lua_State *L, const luaL_Reg *methods); /* to that table */
void cr__lua_open_args(lua_State *L);     /* args.c: the metatable of shapes */
void cr__lua_open_tensor(lua_State *L);   /* tensor.c: the metatable and plain methods */
void cr__lua_open_field(lua_State *L);    /* field.c: x.grad and the like */
void cr__lua_open_operator(lua_State *L); /* operator.c: arithmetic and comparison */
void cr__lua_open_index(lua_State *L);    /* index.c: x[k], newaxis */
void cr__lua_open_ops(lua_State *L);      /* call.c: the catalogue's operations */
void cr__lua_open_raise(lua_State *L);    /* raise.c: warnings */
void cr__lua_open_limit(lua_State *L);    /* limit.c: set_deadline */
void cr__lua_open_convert(lua_State *L);  /* convert.c: x:to and its forms */
void cr__lua_open_table(lua_State *L);    /* table.c: tables in and out */
void cr__lua_open_print(lua_State *L);    /* print.c */
void cr__lua_open_callback(lua_State *L); /* callback.c: traceback */
void cr__lua_open_autograd(lua_State *L); /* autograd.c: backward, grad, x:requires_grad_() ... */
void cr__lua_open_mode(lua_State *L);     /* mode.c: no_grad ..., detect_anomaly */
void cr__lua_open_autocast(lua_State *L); /* autocast.c: autocast, is_autocast_enabled ... */
void cr__lua_open_node(lua_State *L);     /* node.c: the metatable of nodes */
void cr__lua_open_hooks(lua_State *L);    /* hooks.c: register_hook ..., saved_tensors_hooks */
void cr__lua_open_function(lua_State *L); /* function.c: Function */
void cr__lua_open_foreach(lua_State *L);  /* foreach.c: foreach */
void cr__lua_open_cuda(lua_State *L);     /* cuda.c: cuda, x:pin_memory() ... */
void cr__lua_open_data(lua_State *L);     /* bytes.c: _data */
void cr__lua_open_profiler(lua_State *L); /* profiler.c: _profiler */
void cr__lua_open_file(lua_State *L);     /* file.c: io_half, x:tobytes() */
void cr__lua_open_dlpack(lua_State *L);   /* dlpack.c: to_dlpack, from_dlpack */

/* index.c: x[k] where k is no field: self, k on the stack; metatable: see cr__lua_new_by */
int cr__lua_index_read(lua_State *L, int metatable);
int cr__lua_index_write(lua_State *L); /* self, k, value on the stack */
/* Pushes a detached copy of the tensor at index whose memory can be read here: on the CPU,
 * contiguous, int64, float64 or bool (table.c). It is an alias where nothing has to change. */
cr__lua_tensor *cr__lua_readable(lua_State *L, int index);
/* Pushes an empty node userdata (node.c); the caller stores a reference in it, or leaves it
 * empty. */
typedef struct cr__lua_node {
  cr_node *n;
  struct cr__lua_owner *owner;
  cr_tensor *from; /* the tensor that it was asked of; only an address */
} cr__lua_node;
cr__lua_node *cr__lua_new_node(lua_State *L);
/* owner.c: the node userdata on top has got its node: where another stands for that, it takes its place. */
void cr__lua_know_node(lua_State *L);
void cr__lua_push_grad_fn(lua_State *L, int index); /* of the tensor at index; nil for a leaf */
/* Whether the value at index is a tensor, or a table or userdata that metamethods make a list (plain.c). */
bool cr__lua_is_strange(lua_State *L, int index);
/* Replaces the value on top by tables that are read raw, with the numbers of 0-dim tensors in them; gives
 * the dtype that the elements ask for together, CR_DTYPE_NONE if there are none. */
cr_dtype cr__lua_make_plain(lua_State *L, const char *op);
/* Pushes a new tensor made of the number, boolean, or nested table at index (table.c), of dtype or,
 * with CR_DTYPE_NONE, of the one that the contents ask for. */
void cr__lua_tensor_from(lua_State *L, int index, const char *op, cr_dtype dtype);

#endif
