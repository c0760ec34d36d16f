/* emulate.h: what the files of the emulation share.
 *
 * Holds true: everything of the emulated machine is touched under cr__emulate_lock; one kernel or
 * copy runs at a time, on the thread that waits for it. */
#ifndef CR__EMULATE_H
#define CR__EMULATE_H

#include "cuda_runtime.h"

#include <functional>
#include <mutex>

extern std::recursive_mutex cr__emulate_lock;
typedef std::lock_guard<std::recursive_mutex> cr__emulate_guard;

/* ---- api.cpp ---- */
long long cr__emulate_setting(const char *name, long long otherwise);
cudaError_t cr__emulate_failing(cudaError_t code); /* keeps it as the calling thread's last error */
int cr__emulate_device();                          /* the calling thread's */
/* Device memory can be touched between the two, where CRESSET_EMULATE_STRICT asks for walls. */
void cr__emulate_enter();
void cr__emulate_leave();
bool cr__emulate_holds(const void *p, size_t nbytes); /* all of it is device memory */

/* ---- launch.cpp ---- */
bool cr__emulate_fits(const cr__emulate_launch *l);    /* within the limits of a device */
bool cr__emulate_execute(const cr__emulate_launch *l); /* runs all blocks; false: one was unsound */

/* ---- queue.cpp ---- */
/* Puts work at the end of a stream, or into the graph that the stream is captured for. Work gives
 * false if it goes wrong, which the next wait tells. */
typedef std::function<bool()> cr__emulate_work;
cudaError_t cr__emulate_queue(cudaStream_t s, const cr__emulate_work &work);
cudaError_t cr__emulate_finish(cudaStream_t s); /* runs what the stream holds */
cudaError_t cr__emulate_drain(int device);      /* runs what the streams of a device hold */
int cr__emulate_device_of(cudaStream_t s);
bool cr__emulate_capturing(cudaStream_t s);

#endif
