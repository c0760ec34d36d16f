/* device.c: the names of devices and the table of backends.
 *
 * Holds true: a device that has no backend here can be named, but nothing can be put on it. */
#include <stdio.h>
#include <string.h>

#include "backend.h"

#define ORDINALS 256

int cr_device_parse(const char *name, cr_device *device) {
  if (name && strcmp(name, "cpu") == 0) {
    *device = CR_CPU;
    return CR_E_OK;
  }
  if (name && strncmp(name, "cuda", 4) == 0) {
    const char *p = name + 4;
    int ordinal = 0;
    if (*p == ':' && p[1] >= '0' && p[1] <= '9') {
      for (p++; *p >= '0' && *p <= '9' && ordinal < ORDINALS; p++)
        ordinal = ordinal * 10 + *p - '0';
    }
    if (*p == 0 && ordinal < ORDINALS) {
      *device = CR_CUDA | ordinal;
      return CR_E_OK;
    }
  }
  return cr__fail(CR_E_DEVICE,
                  "device: \"%.32s\" is no device (\"cpu\", \"cuda\" or \"cuda:1\" are)",
                  name ? name : "");
}

const char *cr_device_name(cr_device device, char buffer[16]) {
  if (device == CR_CPU) snprintf(buffer, 16, "cpu");
  else if ((device & ~(ORDINALS - 1)) == CR_CUDA)
    snprintf(buffer, 16, "cuda:%d", device & (ORDINALS - 1));
  else snprintf(buffer, 16, "device %d", device % 100000);
  return buffer;
}

const cr__backend *cr__backend_of(cr_device device) {
  if (CR__LIKELY(device == CR_CPU)) return &cr__cpu_backend;
  char name[16];
  cr__fail(CR_E_DEVICE, "device: \"%s\" is not available, this build computes on the cpu alone",
           cr_device_name(device, name));
  return NULL;
}
