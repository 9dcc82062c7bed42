/* May the snapshots travel while the mirrors copy? */
#include "drive.h"

/* From some 8.x on (measured: 7.2 and 10.0) QEMU opens and closes a file of ours only when no
 * request is under way, so with 16 MiB of a mirror on a slow link the guest waits for each, unless
 * they were opened before (prepare.c); and to end an export it waits so in all versions. */
bool source_reads_early(const struct source_drive *drive)
{
    struct bf_qmp_version version = {0};

    if (drive->move->plan.snapshots != BF_SNAPSHOTS_AUTO)
        return drive->move->plan.snapshots == BF_SNAPSHOTS_EARLY;
    if (drive->qemu && bf_qemu_live(drive->qemu))
        version = bf_live_identity(bf_qemu_live(drive->qemu))->version;
    return version.major > 0 && (version.major < 8 || source_is_prepared(drive)) &&
           drive->move->plan.read != BF_READ_BLOCK_STATUS && !drive->no_spill;
}
