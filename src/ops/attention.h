/* attention.h: what attention and its gradients share.
 *
 * Holds true: tensors have four dims, batch x heads x rows x width. */
#ifndef CR__RUN_ATTENTION_H
#define CR__RUN_ATTENTION_H

#include "work.h"

/* The dtype that is computed in. */
cr_dtype cr__attention_dtype(const cr_tensor *t);
/* Each head of t as often as makes `heads`; w keeps what is made. */
cr_tensor *cr__attention_heads(cr__work *w, cr_tensor *t, int64_t heads);

#endif
