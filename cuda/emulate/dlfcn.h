/* dlfcn.h: stands in for the C library's header: the libraries of the emulated machine (cublaslt.cpp).
 *
 * Holds true: what is looked for by name while the program runs is found here or nowhere; libraries
 * of the machine that emulates are never opened. */
#ifndef CR__EMULATE_DLFCN_H
#define CR__EMULATE_DLFCN_H

#include_next <dlfcn.h>

void *cr__emulate_dlopen(const char *name, int flags);
void *cr__emulate_dlsym(void *library, const char *name);
int cr__emulate_dlclose(void *library);
#define dlopen cr__emulate_dlopen
#define dlsym cr__emulate_dlsym
#define dlclose cr__emulate_dlclose

#endif
