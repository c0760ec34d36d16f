/* main.c: the command line of `cresset`, which follows that of `lua`.
 *
 * Holds true: options are carried out in the order they are given; then the script runs, or standard
 * input, or the prompt. The exit status is 0 exactly if nothing failed. */
#include "runner.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cresset.h"

static const char usage[] =
    "usage: cresset [options] [script [args]]\n"
    "  -e code    run the code; `cr` is the module\n"
    "  -l name    require the module into the global of that name\n"
    "  -i         open the prompt after what else was asked for\n"
    "  -W         print no warnings\n"
    "  --version  print the version\n"
    "  --help     print this\n"
    "  -          run standard input; -- ends the options\n"
    "Without a script, opens the prompt, or runs standard input if that is not a terminal.\n";

typedef struct options {
  char **argv;
  int argc;
  int script; /* index into argv, argc if there is none */
  bool prompt, ran, stop, silent;
} options;

static bool report(lua_State *L, int status) {
  if (status == LUA_OK) return true;
  fprintf(stderr, "cresset: %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return false;
}

/* Code on the command line and at the prompt may use `cr`; a script requires what it uses. */
static int preload_cr(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cresset");
  lua_call(L, 1, 1);
  lua_setglobal(L, "cr");
  return 0;
}

static bool run_code(lua_State *L, const char *code) {
  lua_pushcfunction(L, preload_cr);
  int status = runner_call(L, 0, 0);
  if (status == LUA_OK) {
    status = luaL_loadbuffer(L, code, strlen(code), "=(command line)");
    if (status == LUA_OK) status = runner_call(L, 0, 0);
  }
  return report(L, status);
}

static bool require_module(lua_State *L, const char *name) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  int status = runner_call(L, 1, 1);
  if (status == LUA_OK) lua_setglobal(L, name);
  return report(L, status);
}

static bool run_file(lua_State *L, const char *file, char **args, int n) {
  int status = luaL_loadfile(L, file); /* NULL: standard input */
  if (status == LUA_OK) {
    luaL_checkstack(L, n + 2, "too many arguments to the script");
    for (int i = 0; i < n; i++) lua_pushstring(L, args[i]);
    status = runner_call(L, n, 0);
  }
  return report(L, status);
}

static int open_prompt(lua_State *L) {
  preload_cr(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cresset.repl");
  lua_call(L, 1, 1);
  runner_push_terminal(L);
  lua_call(L, 1, 0);
  return 0;
}

static bool run_prompt(lua_State *L) {
  lua_pushcfunction(L, open_prompt);
  return report(L, lua_pcall(L, 0, 0, 0));
}

/* The table `arg`: the script is number 0, its arguments follow, what stood before it is negative. */
static void set_arg(lua_State *L, const options *o) {
  int script = o->script < o->argc ? o->script : 0;
  lua_createtable(L, o->argc - script, script + 1);
  for (int i = 0; i < o->argc; i++) {
    lua_pushstring(L, o->argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static bool bad_usage(const char *what, const char *option) {
  fprintf(stderr, "cresset: %s '%s'\n%s", what, option, usage);
  return false;
}

/* Carries out, or with L == NULL only checks and counts, the options. */
static bool take_options(lua_State *L, options *o) {
  char **argv = o->argv;
  int argc = o->argc, i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
    const char *a = argv[i];
    if (!strcmp(a, "--")) {
      i++;
      break;
    }
    if (!strcmp(a, "-i")) {
      o->prompt = true;
    } else if (!strcmp(a, "-W")) {
      o->silent = true;
    } else if (!strcmp(a, "-v") || !strcmp(a, "--version")) {
      if (!L) printf("cresset %s (%s)\n", CR_VERSION, LUA_RELEASE);
      o->ran = true;
    } else if (!strcmp(a, "-h") || !strcmp(a, "--help")) {
      if (!L) fputs(usage, stdout);
      o->stop = true;
    } else if (!strncmp(a, "-e", 2) || !strncmp(a, "-l", 2)) {
      const char *value = a[2] ? a + 2 : argv[++i];
      if (!value) return bad_usage("a value must follow", a);
      o->ran = true;
      if (L && !(a[1] == 'e' ? run_code(L, value) : require_module(L, value))) return false;
    } else {
      return bad_usage("there is no option", a);
    }
  }
  o->script = i;
  return true;
}

static bool run(lua_State *L, options *o) {
  set_arg(L, o);
  if (!take_options(L, o)) return false;
  if (o->script < o->argc) {
    char **script = o->argv + o->script;
    const char *file = strcmp(*script, "-") ? *script : NULL;
    if (!run_file(L, file, script + 1, o->argc - o->script - 1)) return false;
    return !o->prompt || run_prompt(L);
  }
  if (o->prompt) return run_prompt(L);
  if (o->ran) return true;
  return isatty(STDIN_FILENO) ? run_prompt(L) : run_file(L, NULL, NULL, 0);
}

/* Everything that may run out of memory, behind one protected call. */
static int protected_main(lua_State *L) {
  options *o = lua_touserdata(L, 1);
  luaL_openlibs(L);
  /* What dies young, as most tensors do, is found in no time; Lua's own young collections come from a
   * growth of a half on, since tensors call for some themselves. */
  lua_gc(L, LUA_GCGEN, 50, 0);
  lua_warning(L, o->silent ? "@off" : "@on", 0); /* off in a new state */
  runner_set_paths(L);
  lua_pushboolean(L, run(L, o));
  return 1;
}

int main(int argc, char **argv) {
  options o = {.argc = argc, .argv = argv};
  if (!take_options(NULL, &o)) return 1;
  if (o.stop) return 0;
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("cresset: out of memory\n", stderr);
    return 1;
  }
  lua_pushcfunction(L, protected_main);
  lua_pushlightuserdata(L, &o);
  bool fine = report(L, lua_pcall(L, 1, 1, 0)) && lua_toboolean(L, -1);
  lua_close(L);
  return fine ? 0 : 1;
}
