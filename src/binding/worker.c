/* worker.c: threads with Lua states of their own, to and from which messages go: a string, and tensors whose memory
 * both sides share.
 *
 * Holds true: a worker belongs to one userdata, whose end stops and joins its thread. A tensor crosses as another
 * header over the same memory, outside every graph. A thread gets no signals, and none is started before the first
 * worker. In a child of fork no worker is left: its functions say so, and its end does nothing. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "binding.h"
#include "data.h"

/* Where a host does without it, there are no workers. */
__attribute__((weak)) void luaL_openlibs(lua_State *L);

#define WORKER "cresset.Worker"
enum {
  LOOK_MS = 20,  /* between two looks at interrupts and deadlines while waiting */
  EVERY = 10007, /* instructions between two looks whether the worker shall end */
};

typedef struct message {
  struct message *next;
  size_t length; /* of the text behind the tensors */
  bool has_text;
  int n;
  cr_tensor *t[];
} message;

typedef struct queue {
  message *first, **end;
} queue;

typedef struct worker {
  pthread_t thread;
  pid_t process; /* that has the thread */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  queue in, out; /* to the worker, from it */
  atomic_bool stop;
  bool ended;             /* its Lua state is closed */
  char *failure;          /* what ended it, or NULL */
  const cr_state *parent; /* whose limit of time is the worker's, too */
  int64_t memory;         /* the limit of the parent, or 0 */
  size_t size;
  char *code, *path, *cpath;
} worker;

/* ---- Messages ---------------------------------------------------------------------------------------- */

static char *text_of(message *m) { return (char *)(m->t + m->n); }

static void free_message(message *m) {
  for (int i = 0; i < m->n; i++) cr_release(m->t[i]);
  free(m);
}

static void free_queue(queue *q) {
  while (q->first) {
    message *m = q->first;
    q->first = m->next;
    free_message(m);
  }
  q->end = &q->first;
}

/* The arguments from index `first` on: a string or nil, and tensors. Raises. */
static message *make_message(lua_State *L, int first, const char *op) {
  int n = lua_gettop(L) - first;
  size_t length = 0;
  const char *text = NULL;
  if (n < 0) n = 0;
  if (!lua_isnoneornil(L, first)) text = luaL_checklstring(L, first, &length);
  for (int i = 1; i <= n; i++) cr__lua_tensor_arg(L, first + i, op, "tensor");
  message *m = malloc(sizeof *m + (size_t)n * sizeof *m->t + length);
  if (!m) luaL_error(L, "%s: out of memory", op);
  *m = (message){.length = length, .has_text = text != NULL};
  for (int i = 1; i <= n; i++) {
    const cr__lua_tensor *u = lua_touserdata(L, first + i);
    cr_tensor *alias = CR__LUA_GET(L, cr_detach(u->t));
    if (!alias) {
      free_message(m);
      cr__lua_raise(L, NULL);
    }
    m->t[m->n++] = alias;
  }
  if (length) memcpy(text_of(m), text, length);
  return m;
}

static void append(worker *w, queue *q, message *m) {
  pthread_mutex_lock(&w->lock);
  *q->end = m;
  q->end = &m->next;
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
}

/* Pushes what the first message of q has, and takes it off; who calls is the only one that does so. */
static int push_message(lua_State *L, worker *w, queue *q) {
  message *m = q->first;
  luaL_checkstack(L, m->n + 8, "too many tensors in a message");
  cr__lua_list *list = cr__lua_new_list(L, m->n);
  int at = lua_gettop(L);
  if (m->has_text) lua_pushlstring(L, text_of(m), m->length);
  else lua_pushnil(L);
  pthread_mutex_lock(&w->lock);
  q->first = m->next;
  if (!q->first) q->end = &q->first;
  pthread_mutex_unlock(&w->lock);
  int n = m->n;
  while (list->n < n) {
    list->t[list->n] = m->t[list->n];
    list->n++;
  }
  m->n = 0;
  free_message(m);
  cr__lua_push_list(L, list);
  cr__lua_done_list(L, at);
  return 1 + n;
}

/* Waits, with the lock held, for a change or some milliseconds. */
static void wait_a_little(worker *w, int ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_nsec += (long)(ms % 1000) * 1000000;
  at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
  at.tv_nsec %= 1000000000;
  pthread_cond_timedwait(&w->changed, &w->lock, &at);
}

/* ---- In the worker ----------------------------------------------------------------------------------- */

/* send(text or nil, tensors...): to the owner. */
static int worker_send(lua_State *L) {
  worker *w = lua_touserdata(L, lua_upvalueindex(1));
  append(w, &w->out, make_message(L, 1, "send"));
  return 0;
}

/* receive(): the next message; nothing when the worker shall end. */
static int worker_receive(lua_State *L) {
  worker *w = lua_touserdata(L, lua_upvalueindex(1));
  lua_settop(L, 0);
  pthread_mutex_lock(&w->lock);
  while (!w->in.first && !atomic_load(&w->stop)) pthread_cond_wait(&w->changed, &w->lock);
  bool stop = atomic_load(&w->stop);
  pthread_mutex_unlock(&w->lock);
  return stop ? 0 : push_message(L, w, &w->in);
}

static const char self_key; /* registry of a worker's state: the worker */

/* Stops code that runs when the worker shall end; an error that is caught comes again at once. */
static void look(lua_State *L, lua_Debug *at) {
  (void)at;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &self_key);
  const worker *w = lua_touserdata(L, -1);
  lua_pop(L, 1);
  bool late = w->parent && cr_state_stopped(w->parent) != 0;
  if (late) cr_error_clear();
  if (!late && !atomic_load(&w->stop)) return;
  lua_sethook(L, look, LUA_MASKCOUNT, 1);
  luaL_error(L, late ? "the time of the worker is over" : "the worker is stopped");
}

static int traceback(lua_State *L) {
  const char *text = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, text, 1);
  return 1;
}

static void set_path(lua_State *L, const char *name, const char *path) {
  lua_pushstring(L, path);
  lua_setfield(L, -2, name);
}

/* The protected part: libraries, paths, this very module, and the code, called with receive and send. */
static int work(lua_State *L) {
  worker *w = lua_touserdata(L, 1);
  lua_pushlightuserdata(L, w);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &self_key);
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  if (w->path) set_path(L, "path", w->path);
  if (w->cpath) set_path(L, "cpath", w->cpath);
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_cresset_core);
  lua_setfield(L, -2, "cresset.core");
  luaL_requiref(L, "cresset.core", luaopen_cresset_core, 0);
  cr_limits limits = {.memory = w->memory, .threads = 1};
  if (CR__LUA_GET(L, cr_state_limit(cr__lua_home_of(L)->place.state, &limits)))
    return cr__lua_raise(L, NULL);
  lua_settop(L, 0);
  lua_gc(L, LUA_GCGEN, 0, 0);
  lua_sethook(L, look, LUA_MASKCOUNT, EVERY);
  if (luaL_loadbuffer(L, w->code, w->size, "=worker")) return lua_error(L);
  lua_pushlightuserdata(L, w);
  lua_pushcclosure(L, worker_receive, 1);
  lua_pushlightuserdata(L, w);
  lua_pushcclosure(L, worker_send, 1);
  lua_call(L, 2, 0);
  return 0;
}

static void *run(void *user) {
  worker *w = user;
  char *failure = NULL;
  lua_State *L = luaL_newstate();
  if (L) {
    lua_pushcfunction(L, traceback);
    lua_pushcfunction(L, work);
    lua_pushlightuserdata(L, w);
    int status = lua_pcall(L, 1, 0, 1);
    const char *text = status ? lua_tostring(L, -1) : NULL;
    lua_sethook(L, NULL, 0, 0);
    if (status) failure = strdup(text ? text : "out of memory");
    lua_close(L);
  } else {
    failure = strdup("out of memory");
  }
  pthread_mutex_lock(&w->lock);
  w->failure = failure;
  w->ended = true;
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

/* ---- The owner's side -------------------------------------------------------------------------------- */

static void free_worker(worker *w) {
  free_queue(&w->in);
  free_queue(&w->out);
  pthread_cond_destroy(&w->changed);
  pthread_mutex_destroy(&w->lock);
  free(w->failure);
  free(w->code);
  free(w->path);
  free(w->cpath);
  free(w);
}

/* Whether the worker's thread lives in this process; the locks may be held for ever in another one. */
static bool is_here(const worker *w) { return w->process == getpid(); }

static worker *worker_arg(lua_State *L, const char *op) {
  worker **u = luaL_checkudata(L, 1, WORKER);
  if (!*u) cr__lua_error(L, "%s: the worker has been closed", op);
  if (!is_here(*u))
    cr__lua_error(L, "%s: threads of the parent process do not live on in a child of fork", op);
  return *u;
}

/* close(): stops the worker and waits for its end. */
static int worker_close(lua_State *L) {
  worker **u = luaL_checkudata(L, 1, WORKER);
  worker *w = *u;
  *u = NULL;
  if (!w || !is_here(w)) return 0;
  pthread_mutex_lock(&w->lock);
  atomic_store(&w->stop, true);
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
  pthread_join(w->thread, NULL);
  free_worker(w);
  return 0;
}

static int owner_send(lua_State *L) {
  worker *w = worker_arg(L, "send");
  append(w, &w->in, make_message(L, 2, "send"));
  return 0;
}

/* receive(): the next message of the worker; nil and what ended it, if it has ended. */
static int owner_receive(lua_State *L) {
  worker *w = worker_arg(L, "receive");
  int stopped = 0;
  lua_settop(L, 1);
  pthread_mutex_lock(&w->lock);
  while (!w->out.first && !w->ended && !stopped) {
    wait_a_little(w, LOOK_MS);
    pthread_mutex_unlock(&w->lock);
    stopped = CR__LUA_GET(L, cr_interrupted());
    pthread_mutex_lock(&w->lock);
  }
  bool there = w->out.first != NULL;
  pthread_mutex_unlock(&w->lock);
  if (there) return push_message(L, w, &w->out);
  if (stopped) return cr__lua_raise(L, NULL);
  lua_pushnil(L);
  lua_pushstring(L, w->failure ? w->failure : "the worker has ended");
  return 2;
}

static char *copy_field(lua_State *L, const char *name) {
  const char *text = lua_getfield(L, -1, name) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  char *copy = text ? strdup(text) : NULL;
  lua_pop(L, 1);
  return copy;
}

static void init(worker *w) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  w->in.end = &w->in.first;
  w->out.end = &w->out.first;
  w->process = getpid();
}

static int start(worker *w) {
#ifdef CR__NO_THREADS
  (void)w;
  (void)run;
  return ENOTSUP;
#else
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int code = pthread_create(&w->thread, NULL, run, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
#endif
}

/* worker(code): a thread that runs the text as a function of receive and send, in a Lua state with all libraries of
 * Lua, the paths of this one and its limits. */
int cr__lua_new_worker(lua_State *L) {
  size_t size;
  const char *code = luaL_checklstring(L, 1, &size);
  cr_memory stats;
  if (!luaL_openlibs) return cr__lua_error(L, "worker: the host has no luaL_openlibs");
  if (CR__LUA_GET(L, cr_memory_stats(CR_CPU, &stats))) return cr__lua_raise(L, NULL);
  worker **u = lua_newuserdatauv(L, sizeof *u, 0);
  *u = NULL;
  luaL_setmetatable(L, WORKER);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "package");
  worker *w = calloc(1, sizeof *w);
  if (!w) return luaL_error(L, "worker: out of memory");
  init(w);
  w->parent = cr__lua_home_of(L)->place.state;
  w->memory = stats.limit;
  w->code = malloc(size ? size : 1);
  w->size = size;
  if (w->code) memcpy(w->code, code, size);
  if (lua_istable(L, -1)) {
    w->path = copy_field(L, "path");
    w->cpath = copy_field(L, "cpath");
  }
  int failed = w->code ? start(w) : ENOMEM;
  if (failed) {
    free_worker(w);
    return cr__lua_error(L, "worker: no thread can be started: %s", strerror(failed));
  }
  *u = w;
  lua_pop(L, 2);
  return 1;
}

void cr__lua_open_worker(lua_State *L) {
  static const luaL_Reg functions[] = {{"send", owner_send},      {"receive", owner_receive},
                                       {"close", worker_close},   {"__gc", worker_close},
                                       {"__close", worker_close}, {NULL, NULL}};
  luaL_newmetatable(L, WORKER);
  luaL_setfuncs(L, functions, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
