/* callback.h: how the core calls Lua, and what it holds of Lua's.
 *
 * Holds true: the core may drop a Lua value on any thread, in the collector, or after the state was
 * closed; nothing that runs below the core raises a Lua error through it. */
#ifndef CR__CALLBACK_H
#define CR__CALLBACK_H

#include "owner.h"

/* A Lua value that the core holds, as the `user` of a callback. */
typedef struct cr__lua_ref {
  struct cr__lua_anchor *anchor; /* of the value's state */
  struct cr__lua_ref *next;      /* in the list of dead ones */
  void **user;                   /* set to NULL when the core lets go; in a userdata, or NULL */
  owner *home;                   /* in whose holder the value lies; NULL: in the registry's table */
  int id;
} cr__lua_ref;

/* Pops the value on top and returns a reference to it, which belongs to nobody yet: no Lua call that
 * may raise must come between this and the core call that takes it over. With an owner, it must be
 * the core that frees the reference, not later than it frees the owner's object. */
cr__lua_ref *cr__lua_ref_new(lua_State *L, owner *home, void **user);
cr__lua_ref *cr__lua_ref_bare(owner *home); /* to no value; NULL if there is no memory */
/* Moves the value from the registry's table to an owner's holder. */
void cr__lua_ref_move(lua_State *L, cr__lua_ref *r, owner *home);
void cr__lua_ref_free(void *ref); /* fits the core's free_user; any thread */
void cr__lua_ref_push(lua_State *L, const cr__lua_ref *ref);

/* What a failing callback adds to a message that is a string: "[in the backward of Square]". */
typedef struct cr__lua_note {
  const char *half, *name; /* name NULL: nothing is added */
  struct cr__lua_note *outer;
} cr__lua_note;

/* The state that a callback of this reference's has to run on: the one that called the core, which
 * must be of the same Lua; the main thread where a host called it. NULL with the core's error set. */
lua_State *cr__lua_state_of(const cr__lua_ref *ref);
/* Calls body(frame, the nargs values on top) under protection and pops the values. Returns 0 with
 * nresults values pushed, or the core's error code with nothing. Never raises. */
int cr__lua_protect(lua_State *L, const char *half, const char *name, lua_CFunction body,
                    void *frame, int nargs, int nresults);
bool cr__lua_callable(lua_State *L, int index);

/* mode.c: the handles of the tensors that n has saved through hooks of Lua's become values of its owner. */
void cr__lua_own_handles(lua_State *L, cr_node *n, owner *home);
/* hooks.c: adds the function at 2 to the tensor or node at 1 (checked) and pushes its handle. */
int cr__lua_add_hook(lua_State *L, const char *op, cr_hook_kind kind);

#endif
