/* What the guest writes last, out of QEMU without a race.
 *
 * libvirt ends QEMU as soon as the guest runs elsewhere, often before a delta could be read from it
 * (100 to 450 ms after the pause).  So when the migration has begun, each delta is copied into a
 * persistent bitmap that goes on recording.  libvirt has chosen by then what it migrates; QEMU
 * itself puts the copy into the disk's image when it lets go of it, and there it is read.
 *
 *     migration has begun: add persistent, merge the delta  ->  paused, left  ->  read the image
 *
 * Only in an image that a mirror has copied: what is stored in a shared one would be at the
 * destination.  It goes with the source's other copies (retire.c), or, if the guest stays, with the
 * temporaries.
 */
#include "drive.h"

#include "carrier/reader.h"
#include "carrier/writer.h"
#include "daemon/log.h"
#include "drive/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PAUSE_MS = 3000 }; /* longer than migrations last from the pause on */

/* --- begin --- */

static bool may_keep(const struct source_drive *drive, uint32_t disk)
{
    const char *file = drive->offer.disks[disk].file;

    return bf_offer_matters(&drive->offer, disk) && drive->disks[disk].ready &&
           drive->offer.disks[disk].keeps && file && file[0] == '/';
}

static void on_kept(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    drive->kept = end == BF_LIVE_DONE ? SOURCE_KEPT : SOURCE_NOT_KEPT;
    if (err)
        bf_log(BF_LOG_INFO, "move %s: deltas are not kept in the images: %s", drive->move->id,
               err->text);
    (void)source_op_ended(drive);
}

static void keep(const struct source_drive *drive, struct bf_live_actions *actions, uint32_t disk)
{
    const struct bf_offer *offer = &drive->offer;
    uint32_t epoch = drive->machine.epoch;
    char kept[BF_TEMPORARY_NAME_MAX + 1];
    char delta[BF_TEMPORARY_NAME_MAX + 1];
    const struct bf_live_add add = {
        .node = offer->disks[disk].node,
        .name = bf_offer_temporary(offer, epoch, BF_TEMPORARY_KEPT, disk, kept),
        .granularity_bytes = bf_offer_finest(offer, disk),
        .recording = true,
        .persistent = true,
    };

    bf_live_actions_add(actions, &add);
    bf_live_actions_merge(actions, add.node, kept, add.node,
                          bf_offer_temporary(offer, epoch, BF_TEMPORARY_DELTA, disk, delta));
}

static bool may_keep_all(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (bf_offer_matters(&drive->offer, i) && !may_keep(drive, i))
            return false;
    }
    return true;
}

void source_keep_deltas(struct source_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_actions actions;

    if (drive->offer.kind != BF_HANDOFF_NATIVE || drive->kept != SOURCE_KEEPS_NOTHING ||
        drive->machine.state != BF_SOURCE_INSTALLED || !drive->machine.with_delta ||
        !drive->migrating || drive->busy || !live || !may_keep_all(drive))
        return;
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (may_keep(drive, i))
            keep(drive, &actions, i);
    }
    if (bf_live_run(live, &actions, BF_QEMU_DEADLINE_MS, on_kept, drive, NULL) == 0)
        source_op_began(drive);
}

/* --- read, in a thread --- */

static int write_carrier(const struct source_drive *drive, uint32_t disk,
                         const struct bf_bits *bits, struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    struct bf_bitmap_spec spec = {.name = BF_FETCH_BITMAP,
                                  .granularity_bytes = bf_offer_finest(&drive->offer, disk)};
    char path[SOURCE_PATH_BYTES];
    int r;

    source_carrier_path(drive, BF_ROUND_DELTA, disk, path);
    (void)unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", path);
    r = bf_writer_new(fd, path, drive->offer.disks[disk].size_bytes, &writer, err);
    if (r == 0)
        r = bf_writer_add(writer, &spec, bits, NULL, NULL, err);
    return r < 0 ? r : bf_writer_finish(writer, err);
}

static int read_kept(struct source_drive *drive, uint32_t disk, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const char *file = drive->offer.disks[disk].file;
    struct bf_known *known = &drive->offer.deltas[disk];
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_image_bitmap found;
    struct bf_bits bits;
    uint32_t at = 0;
    int r = bf_reader_open_path(file, 0, &reader, err);

    (void)bf_offer_temporary(&drive->offer, drive->wish.epoch, BF_TEMPORARY_KEPT, disk, name);
    if (r == 0)
        r = bf_reader_find(reader, name, &at, err);
    if (r < 0)
        return r;
    bf_reader_bitmap(reader, at, &found);
    if (found.unusable || found.in_use || !found.recording)
        return bf_error_set(err, BF_E_BITMAP_INCONSISTENT, "%s: QEMU did not store '%s'", file,
                            name);
    r = bf_reader_bits(reader, at, &bits, err);
    if (r == 0)
        r = bf_bits_summarize(&bits, NULL, &known->summary, err);
    if (r == 0 && known->summary.nr_dirty_bits > 0)
        r = write_carrier(drive, disk, &bits, err);
    known->known = r == 0;
    return r;
}

static void read_all(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        struct bf_error err = BF_ERROR_INIT;

        drive->offer.deltas[i].known = false;
        if (!bf_offer_matters(&drive->offer, i) || read_kept(drive, i, &err) == 0)
            continue;
        source_item_drop(drive, i, BF_DROP_SERVE_FAILED);
        bf_log(BF_LOG_WARNING, "move %s: what was written last: %s", drive->move->id, err.text);
    }
}

/* QEMU has stored it when the migration is complete.  Where somebody keeps the guest paused until
 * all is there ("frozen"), QEMU has time to be asked for the deltas themselves. */
void source_serve_kept(struct source_drive *drive)
{
    if (drive->left || bf_qemu_is_gone(drive->qemu)) {
        source_work(drive, read_all, source_serve_carriers);
    } else if (uv_now(drive->loop) - drive->wish_ms > PAUSE_MS) {
        drive->kept = SOURCE_NOT_KEPT;
        source_serve(drive);
    } else {
        source_again(drive, source_serve_kept);
    }
}
