/* emulate.h: what launch.cpp and api.cpp share.
 *
 * Holds true: one kernel or copy runs at a time, under cr__emulate_lock, at the moment it is queued;
 * only a captured one waits for its graph. */
#ifndef CR__EMULATE_H
#define CR__EMULATE_H

#include "cuda_runtime.h"

#include <functional>
#include <mutex>

extern std::recursive_mutex cr__emulate_lock;
void cr__emulate_execute(const cr__emulate_launch *l); /* runs all blocks; errors are kept */
void cr__emulate_error(cudaError_t code);              /* the calling thread's last error */
/* True if the stream is being captured: `work` has been kept for its graph, or refused. */
bool cr__emulate_captured(cudaStream_t s, const std::function<void()> &work);
/* Device memory can be touched between the two, where CRESSET_EMULATE_STRICT asks for walls. */
void cr__emulate_enter();
void cr__emulate_leave();

#endif
