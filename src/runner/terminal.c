/* terminal.c: what the prompt needs from the terminal, as a table of Lua functions.
 *
 * Holds true: with a terminal on both sides, lines are read by libedit (a BSD-licensed editor, so the
 * runner may be linked to it; readline's licence is another). Otherwise lines are read as they come,
 * which is how specs and pipes use the prompt. The editor belongs to one Lua state, the one whose
 * table is collected last. */
#include "runner.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_SIZE 1000

typedef struct terminal {
  lua_State *L;
  EditLine *editor; /* NULL: plain input */
  History *history;
  const char *prompt;
} terminal;

static volatile sig_atomic_t interrupted, resized;

static void on_interrupt(int sig) {
  (void)sig;
  interrupted = 1;
}
static void on_resize(int sig) {
  (void)sig;
  resized = 1;
}

/* ---- Reading a key ---- */

/* libedit asks for one character; signals end the wait, since SA_RESTART is not set. */
static int read_key(EditLine *editor, wchar_t *key) {
  mbstate_t state = {0};
  for (;;) {
    char byte;
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 0) return 0;
    if (n < 0) {
      if (errno != EINTR || interrupted) return -1;
      if (resized) {
        resized = 0;
        el_resize(editor);
      }
      continue;
    }
    size_t used = mbrtowc(key, &byte, 1, &state);
    if (used == (size_t)-2) continue; /* more bytes of the same character follow */
    if (used == (size_t)-1) {
      *key = L'?';
    } else if (used == 0) {
      *key = 0;
    }
    return 1;
  }
}

static char *show_prompt(EditLine *editor) {
  terminal *t;
  el_get(editor, EL_CLIENTDATA, &t);
  return (char *)t->prompt;
}

/* ---- Completion ---- */

static void list_candidates(lua_State *L, int candidates, int n) {
  struct winsize size;
  int columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
  int width = 1;
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, candidates, i);
    int length = (int)lua_rawlen(L, -1) + 2;
    if (length > width) width = length;
    lua_pop(L, 1);
  }
  int per_row = columns / width > 0 ? columns / width : 1;
  putchar('\n');
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, candidates, i);
    printf("%-*s%s", width, lua_tostring(L, -1), i % per_row == 0 || i == n ? "\n" : "");
    lua_pop(L, 1);
  }
  fflush(stdout);
}

/* Tab: t.complete(text before the cursor) gives what to insert and the list of candidates. */
static unsigned char complete(EditLine *editor, int key) {
  (void)key;
  terminal *t;
  el_get(editor, EL_CLIENTDATA, &t);
  lua_State *L = t->L;
  int top = lua_gettop(L);
  unsigned char result = CC_ERROR;
  const LineInfo *line = el_line(editor);
  lua_getiuservalue(L, 1, 1); /* the table; see host_read */
  lua_getfield(L, -1, "complete");
  lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
  if (lua_pcall(L, 1, 2, 0) == LUA_OK && lua_istable(L, -1)) {
    int n = (int)lua_rawlen(L, -1);
    const char *text = lua_tostring(L, -2);
    if (text && *text && el_insertstr(editor, text) == 0) {
      result = CC_REFRESH;
    } else if (n > 1) {
      list_candidates(L, lua_gettop(L), n);
      result = CC_REDISPLAY;
    }
  }
  lua_settop(L, top);
  return result;
}

/* ---- The functions ---- */

static terminal *check_terminal(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

static int read_plain(lua_State *L, const char *prompt) {
  fputs(prompt, stdout);
  fflush(stdout);
  char *line = NULL;
  size_t room = 0;
  errno = 0;
  ssize_t n = getline(&line, &room, stdin);
  if (n < 0) {
    bool again = interrupted;
    free(line);
    clearerr(stdin);
    lua_pushnil(L);
    lua_pushstring(L, again ? "interrupted" : "end");
    return 2;
  }
  lua_pushlstring(L, line, (size_t)n);
  free(line);
  return 1;
}

static int read_edited(lua_State *L, terminal *t, const char *prompt) {
  int n = 0;
  t->prompt = prompt;
  const char *line = el_gets(t->editor, &n);
  if (interrupted) {
    el_reset(t->editor);
    putchar('\n');
  }
  if (!line || n <= 0 || interrupted) {
    lua_pushnil(L);
    lua_pushstring(L, interrupted ? "interrupted" : "end");
    return 2;
  }
  lua_pushlstring(L, line, (size_t)n);
  return 1;
}

/* read(prompt): the next line with its newline; or nil and "interrupted" or "end". */
static int host_read(lua_State *L) {
  terminal *t = check_terminal(L);
  const char *prompt = luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1); /* where complete() looks for it */
  t->L = L;
  interrupted = 0;
  return t->editor ? read_edited(L, t, prompt) : read_plain(L, prompt);
}

/* remember(line, file): adds to the history, and keeps the history in the file if one is given. */
static int host_remember(lua_State *L) {
  terminal *t = check_terminal(L);
  const char *line = luaL_checkstring(L, 1), *file = luaL_optstring(L, 2, NULL);
  if (!t->history) return 0;
  HistEvent event;
  history(t->history, &event, H_ENTER, line);
  if (file) history(t->history, &event, H_SAVE, file);
  return 0;
}

/* recall(file): loads the history that remember() kept. */
static int host_recall(lua_State *L) {
  terminal *t = check_terminal(L);
  const char *file = luaL_checkstring(L, 1);
  HistEvent event;
  if (t->history) history(t->history, &event, H_LOAD, file);
  return 0;
}

/* call(f, ...): true and the results, or false and the message with its traceback. */
static int host_call(lua_State *L) {
  luaL_checkany(L, 1);
  int status = runner_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  lua_pushboolean(L, status == LUA_OK);
  lua_insert(L, 1);
  return lua_gettop(L);
}

static int close_terminal(lua_State *L) {
  terminal *t = lua_touserdata(L, 1);
  if (t->editor) el_end(t->editor);
  if (t->history) history_end(t->history);
  t->editor = NULL;
  t->history = NULL;
  return 0;
}

static void start_editor(terminal *t) {
  setlocale(LC_CTYPE, ""); /* or libedit would take what is typed for single bytes */
  t->editor = el_init("cresset", stdin, stdout, stderr);
  if (!t->editor) return;
  el_set(t->editor, EL_CLIENTDATA, t);
  el_set(t->editor, EL_PROMPT, show_prompt);
  el_set(t->editor, EL_EDITOR, "emacs");
  el_set(t->editor, EL_GETCFN, read_key);
  el_set(t->editor, EL_ADDFN, "complete", "completes names", complete);
  el_set(t->editor, EL_BIND, "^I", "complete", NULL);
  el_set(t->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
  t->history = history_init();
  if (!t->history) return;
  HistEvent event;
  history(t->history, &event, H_SETSIZE, HISTORY_SIZE);
  history(t->history, &event, H_SETUNIQUE, 1);
  el_set(t->editor, EL_HIST, history, t->history);
  el_source(t->editor, NULL); /* the user's ~/.editrc */
}

void runner_push_terminal(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", host_read},
                                       {"remember", host_remember},
                                       {"recall", host_recall},
                                       {"call", host_call},
                                       {NULL, NULL}};
  terminal *t = lua_newuserdatauv(L, sizeof *t, 1);
  *t = (terminal){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_terminal);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  bool interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  if (interactive) start_editor(t);
  /* From here to the end of the program: Ctrl-C only ends a line or, in runner_call, a computation. */
  sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
  sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_resize}, NULL);

  luaL_newlibtable(L, functions);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, -3, 1); /* so that complete() finds the table's field `complete` */
  lua_insert(L, -2);
  luaL_setfuncs(L, functions, 1);
  lua_pushboolean(L, interactive);
  lua_setfield(L, -2, "interactive");
}
