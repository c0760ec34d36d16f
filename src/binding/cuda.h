/* cuda.h: what the files of the module's table cuda share. */
#ifndef CR__BINDING_CUDA_H
#define CR__BINDING_CUDA_H

#include "callback.h"

/* The number of the device at index; -1, the calling thread's, where nothing stands there. */
int cr__lua_ordinal_arg(lua_State *L, int index, const char *op);
void cr__lua_push_device(lua_State *L, cr_device device);
cr_stream *cr__lua_stream_arg(lua_State *L, int index, const char *op);

void cr__lua_open_streams(lua_State *L); /* into the table cuda, which is on top */

#endif
