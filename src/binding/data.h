/* data.h: what the data half of the module, in lua/cresset/data, has in C: the table `_data` of the module.
 *
 * Holds true: these are no part of what users see; the Lua files check what is given to them. */
#ifndef CR__LUA_DATA_H
#define CR__LUA_DATA_H

#include <dlfcn.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>

int cr__lua_new_worker(lua_State *L);   /* worker.c */
void cr__lua_open_worker(lua_State *L); /* its metatable */
/* image.c: PNG and JPEG files in memory, as tensors of bytes, to and from height x width x channels. */
int cr__lua_decode_png(lua_State *L);
int cr__lua_decode_jpeg(lua_State *L);
int cr__lua_encode_png(lua_State *L);

/* Stores the address of a function of a library from dlopen (NULL: none) where the place of its pointer is. */
static inline bool cr__lua_find_symbol(void *library, const char *name, void *place) {
  void *address = library ? dlsym(library, name) : NULL;
  memcpy(place, &address, sizeof address);
  return address != NULL;
}

#endif
