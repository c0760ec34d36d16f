/* owner.h: Lua values that belong to a tensor or a node, and the userdata that stand for those. */
#ifndef CR__OWNER_H
#define CR__OWNER_H

#include <pthread.h>

#include "binding.h"

typedef struct cr__lua_owner owner;

/* A state, as C objects that may outlive it know it. */
typedef struct cr__lua_anchor {
  pthread_mutex_t lock;
  int refs;        /* references, owners and the state */
  lua_State *main; /* NULL once the state is closed */
  struct cr__lua_ref *dead;
  owner *dead_owners, *owners; /* the latter: all that live */
  bool stale;                  /* an owner of these could not be brought up to date at once */
} anchor;

/* What a leaf or a node has of Lua's: closures and contexts, in a table, the holder. */
struct cr__lua_owner {
  anchor *anchor;
  owner *next, *previous;      /* in the anchor's list */
  owner *next_dead;            /* in that of the dead */
  owner *next_of_tensor;       /* in its tensor_face's */
  void *object;                /* the leaf or the node */
  cr_tensor *tensor;           /* the leaf; or a result of the node; NULL once dead or not known */
  cr__lua_tensor *tensor_face; /* that tensor's userdata, and ... */
  cr__lua_node *node_face;     /* ... the node's, while they live */
  int refs, tensor_refs;       /* to the object and to the tensor, as last told */
  int slot;                    /* of the holder in the tables of strong and of weak ones */
  int values;                  /* references in the holder */
  bool of_node, strong, dead;
};

/* The state's anchor; NULL while it is being opened or closed. */
anchor *cr__lua_anchor_of(lua_State *L);
/* Gives up one share of a locked anchor, and the lock. */
void cr__lua_anchor_release(anchor *a);
bool cr__lua_same_state(lua_State *L, const anchor *a);
/* Says that there is something to sweep, or no more. */
void cr__lua_count_dead(int by);

void cr__lua_open_owners(lua_State *L);
/* The owner of the values of the tensor (what made it, or the leaf itself) or node at index; raises. */
owner *cr__lua_own(lua_State *L, int index);
/* Pushes its holder, or nil when that has been collected. */
void cr__lua_push_holder(lua_State *L, const owner *o);
/* The tensor's userdata at index is about to give up its reference. */
void cr__lua_face_ends(lua_State *L, cr__lua_tensor *u, int index);
void cr__lua_node_face_ends(lua_State *L, cr__lua_node *u, int index);
/* A host is given the tensor, and may take a reference where nobody sees in which state it does so. */
void cr__lua_face_leaves(lua_State *L, cr__lua_tensor *u);
/* For cr__lua_sweep: what is dead, and what could not be done in time. */
void cr__lua_sweep_owners(lua_State *L, anchor *a);
/* At the end of the state, with the anchor locked. */
void cr__lua_drop_owners(anchor *a);
/* A value of the holder is gone; frees a dead owner without any. */
void cr__lua_owner_done(owner *o);

#endif
