/* The machine's wishes, carried out on images. */
#include "images.h"

#include "base/fail_point.h"
#include "carrier/writer.h"
#include "daemon/log.h"
#include "drive/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- SERVE: one carrier a bitmap --- */

static int may_go_on(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    struct source_drive *drive = ctx;

    (void)done_bytes;
    (void)total_bytes;
    return atomic_load(&drive->work_stop) ? 1 : 0;
}

static int write_carrier(struct source_drive *drive, uint32_t index, const struct bf_bits *bits,
                         int fd, const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    struct bf_bitmap_spec spec = {.name = BF_FETCH_BITMAP,
                                  .granularity_bytes = bits->geometry.granularity_bytes};
    struct bf_progress progress = {may_go_on, drive};
    struct bf_known *known = &drive->offer.bitmaps[index].announced;
    int r = bf_writer_new(fd, path, bits->geometry.disk_size_bytes, &writer, err);

    if (r == 0)
        r = bf_writer_add(writer, &spec, bits, &progress, &known->summary, err);
    if (r == 0)
        r = bf_writer_finish(writer, err);
    known->known = r == 0;
    return r;
}

static int read_bitmap(struct source_drive *drive, uint32_t index, struct bf_error *err)
{
    struct bf_layer *layer = source_images_layer(drive->images, drive->offer.states[index].disk);
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    char path[SOURCE_PATH_BYTES];
    struct bf_bits bits;
    uint32_t at;
    int r;

    if (!layer || !layer->reader)
        return bf_error_set(err, BF_E_NOT_FOUND, "the image is not there any more");
    r = bf_reader_find(layer->reader, drive->offer.bitmaps[index].name, &at, err);
    if (r == 0)
        r = bf_reader_bits(layer->reader, at, &bits, err);
    if (r < 0)
        return r;
    source_carrier_path(drive, drive->wish.round, index, path);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", path);
    r = write_carrier(drive, index, &bits, fd, path, err);
    if (r < 0)
        (void)unlink(path);
    return r;
}

static void read_all(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        struct bf_error err = BF_ERROR_INIT;

        if (!source_item_wanted(drive, i) || read_bitmap(drive, i, &err) == 0)
            continue;
        bf_log(BF_LOG_WARNING, "move %s: reading '%s': %s", drive->move->id,
               drive->offer.bitmaps[i].name, err.text);
        source_item_drop(drive, i, BF_DROP_SERVE_FAILED);
    }
}

static void serve(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (source_carriers_begin(drive, &err) == 0) {
        source_work(drive, read_all, source_serve_carriers);
        return;
    }
    bf_log(BF_LOG_WARNING, "move %s: reading: %s", drive->move->id, err.text);
    source_answer(drive, BF_SOURCE_REFUSED);
}

/* --- INSPECT --- */

/* Locks keep only those away who take them. */
static void examine(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        struct bf_layer *layer = source_images_layer(drive->images, drive->offer.states[i].disk);
        struct bf_error err = BF_ERROR_INIT;

        if (layer && layer->reader && bf_reader_check_unchanged(layer->reader, &err) == 0)
            continue;
        drive->drops[i] = BF_DROP_BITMAP_CHANGED;
        bf_log(BF_LOG_ERROR, "move %s: disk %s: %s", drive->move->id,
               drive->offer.disks[drive->offer.states[i].disk].name, err.text);
    }
    source_answer_inspected(drive, BF_SOURCE_GUEST_PAUSED, true);
}

/* After a restart: sealed is sealed, unless the guest has run here since. */
static void resume(struct source_drive *drive)
{
    bool sealed = drive->ledger.record.mark == BF_MARK_SEALED;
    enum bf_source_guest guest = BF_SOURCE_GUEST_PAUSED;

    if (sealed)
        guest = drive->images->lost ? BF_SOURCE_GUEST_HERE : BF_SOURCE_GUEST_LEFT;
    source_answer_inspected(drive, guest, false);
}

/* --- RETIRE, CLEAN --- */

/* What could not be carried is all that there is. */
static bool is_kept(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].drop == BF_DROP_NONE)
            return false;
    }
    return true;
}

static void retire(struct source_drive *drive)
{
    source_images_close(drive->images);
    bf_fail_point("source.retired");
    if (is_kept(drive))
        source_answer(drive, BF_SOURCE_REFUSED);
    else
        source_retire_stored(drive);
}

void source_images_carry_out(struct source_drive *drive)
{
    switch ((int)drive->wish.kind) {
    case BF_SOURCE_SNAPSHOT: /* what nobody writes to is its own snapshot */
        bf_fail_point("source.snapped");
        source_answer(drive, BF_SOURCE_DONE);
        break;
    case BF_SOURCE_SERVE:
        serve(drive);
        break;
    case BF_SOURCE_INSPECT:
        if (drive->machine.state == BF_SOURCE_EXAMINING)
            examine(drive);
        else
            resume(drive);
        break;
    case BF_SOURCE_RETIRE:
        retire(drive);
        break;
    default: /* CLEAN */
        source_clean(drive);
    }
}
