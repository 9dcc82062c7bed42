/** A copy of checkpoints. */
#ifndef MODEL_CHECKPOINTS_COPY_H
#define MODEL_CHECKPOINTS_COPY_H

#include "model/checkpoints.h"

/** @from is settled, and so is the copy, in the same order.  Errors: NO_MEMORY. */
int bf_checkpoints_copy(const struct bf_checkpoints *from, struct bf_checkpoints *ret_copy,
                        struct bf_error *err);

#endif
