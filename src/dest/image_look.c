/* INSPECT and READ_BACK: what of this move is in the images and beside them. */
#include "images.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <string.h>

/* --- one bitmap in an image --- */

static int open_image(const struct dest_drive *drive, uint32_t image, struct bf_reader **ret_reader,
                      struct bf_error *err)
{
    return bf_reader_open_path(drive->images->items[image].path, 0, ret_reader, err);
}

static bool is_named(const struct dest_drive *drive, uint32_t bitmap,
                     struct bf_image_bitmap *ret_found)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    uint32_t image = dest_image_of(drive, bitmap);
    uint32_t at;

    if (image == DEST_NO_IMAGE || open_image(drive, image, &reader, NULL) < 0 ||
        bf_reader_find(reader, drive->offer.bitmaps[bitmap].name, &at, NULL) < 0)
        return false;
    bf_reader_bitmap(reader, at, ret_found);
    return true;
}

/* What must be in the image for the head @bitmap. */
static const struct bf_known *made(struct dest_drive *drive, uint32_t bitmap)
{
    struct bf_known *known = &drive->images->made[bitmap];
    struct dest_bits bits;

    if (known->known || dest_bits_open(drive, bitmap, &bits, NULL) < 0)
        return known;
    known->known = bf_bits_summarize(&bits.bits, NULL, &known->summary, NULL) == 0;
    dest_bits_close(&bits);
    return known;
}

static enum bf_drop compare(struct dest_drive *drive, uint32_t bitmap, struct bf_reader *reader,
                            struct bf_known *ret_found)
{
    const struct bf_known *known = made(drive, bitmap);
    struct bf_image_bitmap found;
    struct bf_bits bits;
    uint32_t at;

    if (bf_reader_find(reader, drive->offer.bitmaps[bitmap].name, &at, NULL) < 0)
        return BF_DROP_COMMIT_LOST;
    bf_reader_bitmap(reader, at, &found);
    if (found.unusable || found.recording != drive->offer.bitmaps[bitmap].recording ||
        bf_reader_bits(reader, at, &bits, NULL) < 0 ||
        bf_bits_summarize(&bits, NULL, &ret_found->summary, NULL) < 0)
        return BF_DROP_READ_BACK_FAILED;
    ret_found->known = true;
    return known->known && bf_summary_equal(&known->summary, &ret_found->summary)
               ? BF_DROP_NONE
               : BF_DROP_READ_BACK_FAILED;
}

bool dest_image_is_done(struct dest_drive *drive, uint32_t index)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;

    if (open_image(drive, index, &reader, NULL) < 0)
        return false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        struct bf_known found = {.known = false};

        if (dest_image_is_head(drive, i) && dest_image_of(drive, i) == index &&
            compare(drive, i, reader, &found) != BF_DROP_NONE)
            return false;
    }
    return true;
}

/* --- INSPECT --- */

static void note_carriers(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (dest_carrier_is_whole(drive, i))
            drive->found.bitmaps[i] |= BF_FOUND_SNAPSHOT;
    }
}

static void note_names(struct dest_drive *drive)
{
    struct bf_image_bitmap found;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (is_named(drive, i, &found))
            drive->found.bitmaps[i] |= BF_FOUND_FINAL;
    }
}

/* What must go beforehand: a bitmap of a name that is not carried, for it is of an earlier visit,
 * or was copied with the image; and one that QEMU cannot overwrite, as it does all others. */
static void note_stale(struct dest_drive *drive)
{
    struct bf_image_bitmap found;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        const struct bf_offer_bitmap *head;

        if (!is_named(drive, i, &found))
            continue;
        head = &drive->offer.bitmaps[dest_image_head(drive, i)];
        if (drive->images->dropped[i] != BF_DROP_NONE || found.unusable ||
            found.geometry.granularity_bytes != head->granularity_bytes)
            drive->found.bitmaps[i] |= BF_FOUND_FINAL;
    }
}

/* In doubt it is all or nothing: what is there of a part is found again when it is done again. */
static void look_for_commit(struct dest_drive *drive)
{
    bool done = true;

    dest_images_recover(drive);
    for (uint32_t i = 0; i < drive->images->nr_items; i++)
        done = done && dest_image_is_done(drive, i);
    if (done)
        note_names(drive);
    else
        note_carriers(drive);
}

static void look(struct dest_drive *drive)
{
    memset(drive->found.bitmaps, 0, drive->offer.nr_bitmaps);
    switch ((int)drive->machine.state) {
    case BF_DEST_DOUBTING_COMMIT:
        look_for_commit(drive);
        break;
    case BF_DEST_SURVEYING_UNDO:
        note_names(drive);
        break;
    case BF_DEST_SURVEYING:
        note_carriers(drive);
        note_stale(drive);
        break;
    default:
        note_carriers(drive);
    }
}

static void after_look(struct dest_drive *drive)
{
    if (drive->images->err.code != BF_E_NONE)
        dest_again(drive, dest_images_inspect);
    else
        dest_answer_inspected(drive);
}

void dest_images_inspect(struct dest_drive *drive)
{
    drive->found.trackers = drive->found.deltas = true; /* all that there are */
    drive->found.guest_runs = false;
    memset(drive->found.bitmaps, 0, drive->offer.nr_bitmaps);
    if (drive->machine.state == BF_DEST_SURVEYING_OFFER)
        dest_answer_inspected(drive);
    else
        dest_images_work(drive, look, after_look);
}

/* --- READ_BACK --- */

static void read_back(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
        struct bf_known found = {.known = false};
        uint32_t image = dest_image_of(drive, i);
        struct bf_error err = BF_ERROR_INIT;

        if (!drive->images->chosen[i])
            continue;
        if (open_image(drive, image, &reader, &err) < 0) {
            bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, err.text);
            drive->drops[i] = BF_DROP_READ_BACK_FAILED;
            continue;
        }
        drive->drops[i] = (uint8_t)compare(drive, dest_image_head(drive, i), reader, &found);
        drive->offer.bitmaps[i].published = found;
    }
}

static void after_read_back(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && drive->images->err.code != BF_E_NONE; i++)
        drive->drops[i] = BF_DROP_READ_BACK_FAILED;
    dest_answer(drive, BF_DEST_DONE);
}

void dest_images_read_back(struct dest_drive *drive)
{
    bf_fail_point("dest.commit_done");
    memset(drive->images->chosen, 0, drive->offer.nr_bitmaps);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        drive->images->chosen[i] =
            bf_dest_is_published(&drive->machine, i) && drive->offer.states[i].drop == BF_DROP_NONE;
    dest_images_work(drive, read_back, after_read_back);
}
