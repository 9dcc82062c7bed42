/* What HOLD has taken away is put back, before CLEAN takes away all that is ours: each bitmap as it
 * was offered, with all that was written meanwhile, in one transaction.  The mark of its disk says
 * so, and in which epoch; so it does not matter who held it and how often we were cut short.
 *
 *     look  ->  for each: add the bitmap, merge its twin, remove that
 *           ->  the rest of CLEAN
 */
#include "drive.h"

#include "base/fail_point.h"
#include "carrier/reader.h"
#include "daemon/log.h"

#include <string.h>
#include <unistd.h>

enum { TO_PUT_BACK = 1, SENT = 2 };

/* As of HOLD. */
#define PUT_BACK_BITS_MAX (UINT64_C(16) << 20)

static void tell(struct source_drive *drive, uint32_t index, const char *text)
{
    const struct bf_offer *offer = &drive->offer;

    source_note(drive, index, text);
    bf_log(BF_LOG_WARNING, "move %s: bitmap %s of %s: %s", drive->move->id,
           offer->bitmaps[index].name, offer->disks[offer->states[index].disk].name, text);
}

/* --- the transactions --- */

static void put_back_next(struct source_drive *drive);

static void note_sent(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->drops[i] != SENT)
            continue;
        drive->drops[i] = BF_DROP_NONE;
        drive->offer.bitmaps[i].held_epoch = 0;
        if (drive->offer.bitmaps[i].persistent && drive->put_back_transient)
            tell(drive, i,
                 "NOT_STORED: QEMU takes it back only as a transient bitmap, which is gone when "
                 "QEMU ends: make it anew, with a full backup, before that");
    }
}

/* QEMU may be about to take its image back from a migration that has failed. */
static void refused(struct source_drive *drive, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: putting bitmaps back: %s", drive->move->id, err->text);
    if (!drive->left &&
        uv_now(drive->loop) - drive->wish_ms < drive->config->busy_timeout_s * 1000) {
        source_again(drive, source_clean);
    } else if (!drive->put_back_transient) {
        drive->put_back_transient = true; /* better than none */
        source_clean(drive);
    } else {
        for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
            if (drive->drops[i] == SENT)
                tell(drive, i,
                     "NOT_STORED: QEMU does not take it back: the next backup must be a full one");
            drive->drops[i] = BF_DROP_NONE;
        }
        source_clean_on(drive);
    }
}

static void on_put_back(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_fail_point("source.put_back");
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive); /* CLEAN again, and so we look again */
    } else if (end == BF_LIVE_REFUSED) {
        refused(drive, err);
    } else {
        note_sent(drive);
        put_back_next(drive);
    }
}

static void put_back(struct source_drive *drive, uint32_t index, struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];
    uint32_t disk = offer->states[index].disk;
    const char *node = offer->disks[disk].node;
    char twin[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_publish publish = {
        .final = {.node = node,
                  .name = bitmap->name,
                  .granularity_bytes = bitmap->granularity_bytes,
                  .recording = true,
                  .persistent = bitmap->persistent && !drive->put_back_transient},
        .snapshot = bf_offer_temporary(offer, bitmap->held_epoch, BF_TEMPORARY_TWIN, index, twin),
    };

    bf_live_actions_publish(actions, &publish);
    drive->drops[index] = SENT;
}

static void put_back_next(struct source_drive *drive)
{
    struct bf_live_actions actions;
    uint64_t nr_bits = 0;

    bf_live_actions_begin(&actions);
    for (; drive->cursor < drive->offer.nr_bitmaps && nr_bits < PUT_BACK_BITS_MAX;
         drive->cursor++) {
        if (drive->drops[drive->cursor] != TO_PUT_BACK)
            continue;
        nr_bits += source_nr_bits(drive, drive->cursor);
        put_back(drive, drive->cursor, &actions);
    }
    if (nr_bits == 0) {
        bf_live_actions_release(&actions);
        source_clean_on(drive);
    } else if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_put_back,
                           drive, NULL) == 0) {
        source_op_began(drive);
    } else {
        source_doubt(drive);
    }
}

/* --- an image that QEMU has let go of, for the guest has left: it would store nothing in it --- */

static void on_activated(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    char path[SOURCE_PATH_BYTES];

    source_carrier_socket(drive, path);
    (void)unlink(path);
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
        return;
    }
    if (end == BF_LIVE_REFUSED)
        bf_log(BF_LOG_WARNING, "move %s: putting bitmaps back: %s", drive->move->id, err->text);
    put_back_next(drive);
}

static bool must_activate(const struct source_drive *drive)
{
    return (drive->left || drive->postmigrate) &&
           memchr(drive->drops, TO_PUT_BACK, drive->offer.nr_bitmaps);
}

/* --- looking --- */

static bool is_there(const struct source_drive *drive, const struct bf_live_disk *seen,
                     uint32_t epoch, enum bf_temporary_kind kind, uint32_t index)
{
    char name[BF_TEMPORARY_NAME_MAX + 1];

    return bf_live_disk_bitmap(seen, bf_offer_temporary(&drive->offer, epoch, kind, index, name)) !=
           NULL;
}

/* If it is there it was not taken yet, or somebody has made another: that is the bitmap now. */
static bool is_held(const struct source_drive *drive, const struct bf_live_disk *seen,
                    uint32_t epoch, uint32_t index)
{
    return is_there(drive, seen, epoch, BF_TEMPORARY_TWIN, index) &&
           !is_there(drive, seen, epoch, BF_TEMPORARY_LEFT, index) &&
           !bf_live_disk_bitmap(seen, drive->offer.bitmaps[index].name);
}

static bool is_mark_of_ours(const struct source_drive *drive, uint32_t disk, const char *text,
                            struct bf_temporary_name *ret_name)
{
    return bf_temporary_name_decode(text, ret_name) && ret_name->kind == BF_TEMPORARY_HELD &&
           memcmp(ret_name->move_id, drive->offer.move_id, BF_MOVE_ID_BYTES) == 0 &&
           ret_name->index == disk;
}

static void look_at(struct source_drive *drive, uint32_t disk, const struct bf_live_disk *seen)
{
    struct bf_temporary_name name;

    for (uint32_t i = 0; seen && i < seen->nr_bitmaps; i++) {
        if (!is_mark_of_ours(drive, disk, seen->bitmaps[i].name, &name))
            continue;
        for (uint32_t j = 0; j < drive->offer.nr_bitmaps; j++) {
            if (drive->offer.states[j].disk != disk || !is_held(drive, seen, name.epoch, j))
                continue;
            drive->offer.bitmaps[j].held_epoch = name.epoch;
            drive->drops[j] = TO_PUT_BACK;
        }
    }
}

static void on_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        drive->offer.bitmaps[i].held_epoch = 0;
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        look_at(drive, i, bf_live_survey_disk(seen, drive->offer.disks[i].name));
    drive->cursor = 0;
    if (!must_activate(drive) || source_carriers_begin(drive, NULL) < 0 ||
        source_activate(drive, on_activated) < 0)
        put_back_next(drive);
}

void source_put_back(struct source_drive *drive)
{
    if (source_look(drive, on_seen) < 0)
        source_doubt(drive);
}

/* --- QEMU has ended: what it held has gone with it, and is not in the image --- */

static bool may_be_missing(const struct source_drive *drive, uint32_t index)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[drive->offer.states[index].disk];
    bool held = drive->offer.bitmaps[index].held_epoch != 0 || drive->ledger.has_record;

    return held && drive->offer.bitmaps[index].persistent && disk->mode != BF_MODE_SHARED &&
           disk->image != BF_SAMENESS_SAME && disk->file && disk->file[0] == '/';
}

static bool is_missing(const struct source_drive *drive, uint32_t index)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[drive->offer.states[index].disk];
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    uint32_t at;

    return may_be_missing(drive, index) && bf_reader_open_path(disk->file, 0, &reader, NULL) == 0 &&
           bf_reader_find(reader, drive->offer.bitmaps[index].name, &at, NULL) < 0;
}

static void look_into_images(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        drive->drops[i] = is_missing(drive, i);
}

static void tell_missing(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->drops[i])
            tell(drive, i,
                 "NOT_STORED: QEMU has ended before it was put back, so it is not in the image "
                 "here: the next backup must be a full one");
        drive->drops[i] = BF_DROP_NONE;
    }
    source_clean_on(drive);
}

void source_tell_lost(struct source_drive *drive)
{
    source_work(drive, look_into_images, tell_missing);
}
