/* pace.c: states on several threads, whose collectors have other modes. Prints the promises that are broken
 * and returns how many they are. */
#include "lua_host.h"

static const char work[] = "local x = cr.ones(4)\n"
                           "for _ = 1, 60000 do local _ = x + 1 end\n"
                           "local y = cr.ones(20000)\n"
                           "for _ = 1, 2000 do local _ = y + 1 end\n"
                           "return true";

static void *run(void *mode) {
  lua_State *L = open_state();
  lua_pushstring(L, mode);
  lua_setglobal(L, "mode");
  holds(L, "collectgarbage(mode) return true");
  if (!strcmp(mode, "stop")) holds(L, "collectgarbage 'generational' return true");
  holds(L, work);
  if (strcmp(mode, "stop")) holds(L, "return collectgarbage(mode) == mode");
  else holds(L, "return not collectgarbage 'isrunning'");
  lua_close(L);
  return NULL;
}

/* One at a time, `broken` is no more than a number. */
static int64_t peak_of(const char *mode) {
  cr_memory m;
  cr_memory_reset_peak(CR_CPU);
  run((void *)mode);
  check(cr_memory_stats(CR_CPU, &m) == 0, "the memory can be asked for", mode);
  check(m.allocated == 0, "a closed state leaves nothing", mode);
  return m.peak;
}

static void alone(void) {
  check(peak_of("generational") < 40 << 20, "temporaries are given back", "generational");
  check(peak_of("incremental") < 40 << 20, "temporaries are given back", "incremental");
  check(peak_of("stop") > 100 << 20, "what the host has stopped stands", "stop");
}

static void together(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    pthread_create(&threads[i], NULL, run, i % 2 ? "generational" : "incremental");
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

int main(void) {
  alone();
  together();
  return broken;
}
