/* WATCH_DRAIN: no QEMU needs a look for it. */
#include "drive.h"

/* Whatever such a mirror has not copied yet it will write to the destination, where the tracker
 * sees it: none has to be waited for.  One that leaves zeroes out (QEMU 10.1) proves nothing by
 * being drained, of a bitmap that is cleared behind it (handoff/source.h): there, deltas. */
static bool mirrors_write_all(const struct source_drive *drive)
{
    struct bf_qmp_version version = bf_live_identity(bf_qemu_live(drive->qemu))->version;

    return version.major > 0 && (version.major < 10 || (version.major == 10 && version.minor == 0));
}

static void need_no_drain(struct source_drive *drive)
{
    if (!mirrors_write_all(drive)) {
        source_tell(drive, BF_SOURCE_TOO_BUSY);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (drive->machine.state == BF_SOURCE_DRAINING)
            source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_DRAINED,
                                                        .ticket = drive->wish.ticket,
                                                        .disk = i});
    }
}

void source_watch_drain(struct source_drive *drive)
{
    if (bf_qemu_live(drive->qemu)) /* else QEMU_GONE ends this */
        need_no_drain(drive);
}
