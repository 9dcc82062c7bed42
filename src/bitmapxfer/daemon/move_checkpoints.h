/** The checkpoints of a move as clients see them. */
#ifndef DAEMON_MOVE_CHECKPOINTS_H
#define DAEMON_MOVE_CHECKPOINTS_H

#include "daemon/move.h"

/** As catalog/checkpoints.h has them, so that the next move takes them as they are, and for each
 * what became of it:
 *
 *     {..., "status": "pending" | "carried" | "partly" | "dropped" | "metadata_missing",
 *      "disks": [{"disk", "bitmap", "outcome": OUTCOME [, "reason": {"code", "message", "exit"}]
 *                 [, "needs": CHECKPOINT]}]}
 *
 *  With libvirt at the destination also "definition": "defined", "partly", "dropped" or "missing";
 *  the last is the status "metadata_missing" too, with a "reason" that says what to do.
 *
 *  OUTCOME is that of the bitmap; of links, "dropped" too if one that a backup would need besides
 *  was dropped: "needs".  NULL: no memory. */
json_t *bf_move_checkpoints_to_json(const struct bf_move *move);

#endif
