/* io.h: what the files of this folder share.
 *
 * Holds true: a failure about a file has CR_E_FILE, and names what was tried, the file and the system's reason. */
#ifndef CR__IO_H
#define CR__IO_H

#include "tensor/tensor.h"

/* "<what> \"<path>\": <words of the number>"; returns CR_E_FILE. */
int cr__fail_file(const char *what, const char *path, int number) __attribute__((cold));

#endif
