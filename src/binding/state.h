/* state.h: what the binding keeps for a Lua state, and for a coroutine that has modes of its own.
 *
 * Holds true: a coroutine has modes of its own from its first scope (or setting) on; else it computes in
 * the modes of whoever resumes it, and in the end in those of the state's main thread. */
#ifndef CR__LUA_STATE_H
#define CR__LUA_STATE_H

#include "binding.h"

/* The modes of a coroutine, a userdata that lives as long as the coroutine does; those of the main thread
 * are part of the home. */
typedef struct cr__lua_modes {
  cr__lua_home *home;
  lua_State *L;
  cr_modes *modes;             /* NULL once the collector has it */
  bool listed;                 /* among home->rest->first: there is something in them */
  uint64_t seen;               /* when it computed last */
  struct cr__lua_modes *next;  /* in that list */
  struct cr__lua_modes *above; /* resumed by it, in the order that modes_of makes */
} cr__lua_modes;

/* A scope as Lua sees it: a value for `local _ <close> =`, or what calls a function. */
typedef struct cr__lua_guard {
  cr_scope *scope; /* owned; NULL once it has ended, and for a setting */
  cr__lua_modes *of;
  bool waits;                 /* in home->rest->waiting: nobody has computed since it was made */
  struct cr__lua_guard *next; /* there */
  bool setting;               /* to be put back: `before` */
  cr_mode before;
  const char *op;            /* the function that made it */
  void (*ended)(void *user); /* NULL, or called once when the scope has ended */
  void *user;
} cr__lua_guard;

/* Of pace.c. */
struct cr__lua_pace {
  int64_t step, growth; /* what the script has set, in bytes; 0: nothing */
  int64_t now;          /* bytes between two steps at present, */
  int64_t held;         /* and where they are short */
  int64_t last;         /* when the last step ended, in nanoseconds */
  int64_t steps, collections;
  int calm;       /* steps since `held` was too short, ... */
  int patience;   /* ... and how many make it shorter */
  int age;        /* young collections since the growth began */
  int young;      /* steps in a row that were young collections, up to SURE */
  bool passed;    /* what that is to find is found */
  int doubts;     /* how often that has turned out to be wrong */
  unsigned calls; /* while that is 0 */
  bool in_cycle;  /* of incremental mode: one is to be brought to its end */
};

struct cr__lua_rest { /* of a home */
  struct cr__lua_pace pace;
  cr__lua_modes main;
  cr__lua_modes *first;
  cr__lua_guard *waiting; /* oldest first */
  uint64_t clock;
  int faces;          /* the number of face.c's table in the registry */
  int closing_opcode; /* see scope.c; -1: not known yet */
  bool watched;       /* the host limits time: see limit.c */
  bool watched_own;   /* the script does */
  bool told;          /* and has had the error that its deadline is over, ... */
  int grace;          /* ... since when it may run for so many instructions */
  struct {
    lua_State *L;
    int depth; /* of calls: who is not deeper gets as many anew */
    const void *function;
  } setter; /* who has set that */
  struct {
    lua_Hook hook;
    int mask, count;
    int passed;      /* instructions since it was called for them */
  } host;            /* the hook of its own */
  int last_register; /* of scope.c */
  bool last_closes;
  bool warned; /* there is something in: */
  char warnings[1024];
};

/* L's own modes, made if it has none. Raises only when memory is out. */
cr__lua_modes *cr__lua_own_modes(lua_State *L);
/* Enters them, also where nothing is in them yet. */
cr__lua_entry cr__lua_enter_own(cr__lua_modes *m);
/* Makes them the user value 1 of the userdata at index, so that they live as long as that. Not for the
 * main thread's. */
void cr__lua_keep_modes(lua_State *L, int index);
/* To be told when a scope or a setting came to them, or went. Never raises. */
void cr__lua_list_modes(cr__lua_modes *m);
/* Opens or drops the guards that wait: those that a variable with <close> holds are opened (scope.c). */
void cr__lua_settle_guards(cr__lua_home *h, const lua_State *running);
/* Sees to it that L has the hook where time is limited (limit.c). */
void cr__lua_keep_watch(cr__lua_home *h, lua_State *L);
/* The script is about to get an error because of its deadline. */
void cr__lua_deadline_told(cr__lua_home *h);
/* What the message of an interrupt adds where it is the script's own deadline, else "". No error is pending. */
const char *cr__lua_deadline_advice(const cr__lua_home *h);
/* Adds a sentence to those that cr__lua_deliver tells. */
void cr__lua_keep_warning(void *home, const char *sentence);

#endif
