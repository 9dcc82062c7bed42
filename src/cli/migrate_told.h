/** What became of each checkpoint, as a daemon tells it (`bitferry status --json`).  Pure. */
#ifndef CLI_MIGRATE_TOLD_H
#define CLI_MIGRATE_TOLD_H

#include "migrate_judge.h"

#include <jansson.h>

/** @move: the daemon's; what it does not tell is unproven.  @ret_verdicts borrows from
 *  @checkpoints.  Errors: NO_MEMORY. */
int bf_told_judge(const struct bf_virt_checkpoints *checkpoints, const json_t *move,
                  struct bf_verdicts *ret_verdicts, struct bf_error *err);

#endif
