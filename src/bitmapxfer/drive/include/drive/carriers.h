/** The folder of a move's carriers: in memory (carrier_dir), because QEMU stands still while it
 *  reads or writes them, and with a name that nobody can guess, because others may write there too.
 *
 *     CARRIER_DIR/bitferry-MOVE/snapshot.INDEX.carrier.qcow2, delta.INDEX.carrier.qcow2, nbd.sock
 */
#ifndef DRIVE_CARRIERS_H
#define DRIVE_CARRIERS_H

#include "daemon/config.h"
#include "daemon/move.h"
#include "handoff/word.h"
#include "live/session.h"

enum { BF_CARRIER_PATH_MAX = 255 }; /* a carrier_dir of 160 bytes, an id of 32, a name of 40 */

/** @qemu: who must be able to enter the folder; NULL: nobody else.  Repeatable.  Errors: PERMISSION
 * (somebody else's folder), IO and the like. */
int bf_carrier_folder_make(const struct bf_config *config, const char *move_id,
                           const struct bf_live_identity *qemu, struct bf_error *err);

/** @index: of the bitmap; of the disk for DELTA.  Return @buf. */
const char *bf_carrier_path(const struct bf_config *config, const char *move_id,
                            enum bf_round round, uint32_t index, char buf[BF_CARRIER_PATH_MAX + 1]);

/** QEMU was not let at a carrier, or at the socket, as @err says: warn of it on the move, with what
 * to add to a profile that may stand in the way.  Other errors: nothing. */
void bf_carrier_denied(const struct bf_config *config, struct bf_move *move,
                       const struct bf_error *err);

/** With all that is in it; what is not there is no error. */
void bf_carrier_folder_remove(const struct bf_config *config, const char *move_id,
                              uint32_t nr_bitmaps, uint32_t nr_disks);

#endif
