/* cuda.h: what the files of the module's table cuda share. */
#ifndef CR__BINDING_CUDA_H
#define CR__BINDING_CUDA_H

#include "callback.h"

cr_stream *cr__lua_stream_arg(lua_State *L, int index, const char *op);

void cr__lua_open_streams(lua_State *L); /* into the table cuda, which is on top */

#endif
