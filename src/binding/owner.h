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
  owner *dead_owners;
  owner *stale_owners; /* those that could not be brought up to date at once */
} anchor;

/* What a leaf or a node has of Lua's: closures and contexts, in a table, the holder. */
struct cr__lua_owner {
  anchor *anchor;
  owner *next_dead;            /* in the anchor's list of the dead */
  owner *next_stale;           /* in that of the stale */
  owner *next_of_tensor;       /* in its tensor_face's */
  void *object;                /* the leaf or the node */
  cr_tensor *tensor;           /* the leaf; or a result of the node; NULL once dead or not known */
  cr__lua_tensor *tensor_face; /* that tensor's userdata, and ... */
  cr__lua_node *node_face;     /* ... the node's, while they live */
  int refs, tensor_refs;       /* to the object and to the tensor, as last told */
  int slot;                    /* of the holder in the tables of strong and of weak ones */
  int values;                  /* references in the holder */
  bool of_node, strong, dead;
  owner *parent;  /* of a node that leads to this one, whose holder refers to this one's; or NULL */
  owner *child;   /* the first one that this is the parent of, ... */
  owner *sibling; /* ... and its parent's next */
  bool stale;     /* in that list; the anchor's lock guards it */
};

/* The state's anchor; NULL while it is being opened or closed. */
anchor *cr__lua_anchor_of(lua_State *L);
/* Gives up one share of a locked anchor, and the lock. */
void cr__lua_anchor_release(anchor *a);
bool cr__lua_same_state(lua_State *L, const anchor *a);
/* Says that there is something to sweep, or no more. */
void cr__lua_count_dead(int by);

/* ---- Making owners (own.c) ---- */

void cr__lua_open_owners(lua_State *L);
/* The owner of the values of the tensor (what made it, or the leaf itself) or node at index; raises. */
owner *cr__lua_own(lua_State *L, int index);
/* The tensor has been written in place, and has another node than before: never raises. */
void cr__lua_written(lua_State *L, cr_tensor *t);
/* Makes the new userdata at index refer to what its node owns already. */
void cr__lua_own_again(lua_State *L, int index);

/* ---- Owners (owner.c) ---- */

/* Registry: holders by slot, strong (false where none) and weak; owners by the address of their object. */
extern const char cr__lua_strong_key, cr__lua_weak_key, cr__lua_owners_key;
/* What the core tells of references to the object; the object is gone. */
void cr__lua_object_told(void *owner, int refs);
void cr__lua_object_gone(void *owner);
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
/* Brings the strength of o's holder up to date: on its state's own thread, or from wherever the core is at work. */
void cr__lua_owner_update(lua_State *L, owner *o);
void cr__lua_owner_update_now(owner *o);
/* Puts the holder on top (popped) in its place among the strong ones. */
void cr__lua_make_strong(lua_State *L, owner *o);
/* Parts o from the owners that it is the parent of. */
void cr__lua_orphan(owner *o);
/* A value of the holder is gone; frees a dead owner without any. */
void cr__lua_owner_done(owner *o);

/* ---- Userdata (face.c) ---- */

/* Ends the list of a userdata that has its place among those that stand for an object. */
extern owner cr__lua_last_owner;
/* Pushes the userdata that stands for the object, or nil. */
void cr__lua_push_face(lua_State *L, const void *object);
/* Puts the holder on top, which stays, into the bag of the userdata at index, a positive one; raises. */
void cr__lua_bag_put(lua_State *L, int index, int slot);
/* Pushes some values, the topmost the holder from the bag of the userdata at index; false if none. */
bool cr__lua_bag_get(lua_State *L, int index, int slot);
/* Takes the holder out of the bag of the userdata on top (popped), if that has one. */
void cr__lua_bag_take(lua_State *L, int slot);
/* Puts a new table, with this __mode unless NULL, into the registry. */
void cr__lua_make_registry(lua_State *L, const void *key, const char *mode);
void cr__lua_open_faces(lua_State *L);

#endif
