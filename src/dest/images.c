/* Images are opened for a move, and its wishes go to whoever carries them out. */
#include "images.h"

#include "attach/content.h"
#include "daemon/log.h"
#include "drive/errand.h"

#include <stdlib.h>
#include <string.h>

/* --- opened --- */

static int glance(const struct bf_plan_disk *disk, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const struct bf_image_info *info;
    int r = bf_reader_open_path(disk->image, 0, &reader, err);

    if (r < 0)
        return r;
    info = bf_reader_image(reader);
    if (info->encryption)
        return bf_error_set(err, BF_E_UNSUPPORTED,
                            "%s is encrypted: bring its bitmaps with 'bitferry archive' and "
                            "'bitferry restore --key-file'",
                            disk->image);
    return 0;
}

/* From here on a write is noticed. */
static int note_stamp(struct dest_drive *drive, size_t index, struct bf_error *err)
{
    struct bf_stamp *stamp = &drive->ledger.stamps[index];
    int r = bf_image_stamp(drive->move->plan.disks[index].image, stamp->sha256, err);

    stamp->known = r == 0;
    return r < 0 ? r : bf_ledger_put_stamp(drive->move->folder, (uint8_t)index, stamp->sha256, err);
}

int dest_images_note_stamps(struct dest_drive *drive, struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < drive->move->plan.nr_disks; i++)
        r = note_stamp(drive, i, err);
    return r;
}

int dest_images_open(struct dest_drive *drive, struct bf_error *err)
{
    const struct bf_plan *plan = &drive->move->plan;
    int r = 0;

    drive->images = calloc(1, sizeof *drive->images);
    if (!drive->images)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    for (size_t i = 0; r == 0 && i < plan->nr_disks; i++) {
        if (drive->ledger.stamps[i].known)
            continue;
        r = glance(&plan->disks[i], err);
        if (r == 0)
            r = note_stamp(drive, i, err);
    }
    return r;
}

int dest_images_check_stamp(const struct dest_drive *drive, uint32_t plan_disk,
                            struct bf_error *err)
{
    const struct bf_plan_disk *disk = &drive->move->plan.disks[plan_disk];
    uint8_t now[BF_SHA256_BYTES];
    int r = bf_image_stamp(disk->image, now, err);

    if (r < 0)
        return r;
    if (memcmp(now, drive->ledger.stamps[plan_disk].sha256, sizeof now) != 0)
        return bf_error_set(err, BF_E_IMAGE_CHANGED,
                            "%s was written to since 'bitferry expect': has the machine run here? "
                            "Copy it again, then begin again",
                            disk->image);
    return 0;
}

static void forget_places(struct dest_images *images)
{
    for (uint32_t i = 0; i < images->nr_items; i++)
        free(images->items[i].path);
    free(images->items);
    free(images->image_of);
    images->items = NULL;
    images->image_of = NULL;
    images->nr_items = 0;
    images->placed = false;
}

void dest_images_free(struct dest_images *images)
{
    if (!images)
        return;
    forget_places(images);
    free(images->made);
    free(images->dropped);
    free(images->chosen);
    free(images);
}

/* --- work --- */

void dest_images_stop(struct dest_images *images)
{
    atomic_store(&images->stop, true);
}

static void do_work(void *ctx)
{
    struct dest_drive *drive = ctx;

    drive->images->work(drive);
}

static void after_work(void *ctx)
{
    struct dest_drive *drive = ctx;

    if (dest_op_ended(drive))
        drive->images->then(drive);
    dest_closed_one(drive);
}

/* The machine may change while a thread works. */
static int prepare(struct dest_drive *drive, struct bf_error *err)
{
    struct dest_images *images = drive->images;
    const struct bf_offer *offer = &drive->offer;

    if (!images->made) {
        images->made = calloc(offer->nr_bitmaps + 1U, sizeof *images->made);
        images->dropped = calloc(offer->nr_bitmaps + 1U, 1);
        images->chosen = calloc(offer->nr_bitmaps + 1U, 1);
    }
    if (!images->made || !images->dropped || !images->chosen)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        images->dropped[i] = offer->states[i].drop;
    return 0;
}

void dest_images_work(struct dest_drive *drive, void (*work)(struct dest_drive *drive),
                      void (*then)(struct dest_drive *drive))
{
    struct dest_images *images = drive->images;

    images->work = work;
    images->then = then;
    bf_error_clear(&images->err);
    atomic_store(&images->stop, false);
    dest_op_began(drive);
    drive->nr_open++;
    if (prepare(drive, &images->err) < 0 ||
        bf_errand_run(drive->loop, do_work, after_work, drive, &images->err) < 0)
        after_work(drive);
}

void dest_images_fail(struct dest_drive *drive)
{
    const struct bf_error *err = &drive->images->err;

    bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, err->text);
    if (drive->why.code == BF_E_NONE)
        (void)bf_error_set(&drive->why, err->code, "%s", err->text);
    dest_tell(drive, BF_DEST_MIGRATION_FAILED);
}

/* --- wishes --- */

static void carry_out(struct dest_drive *drive)
{
    switch ((int)drive->wish.kind) {
    case BF_DEST_LOAD:
        dest_images_load(drive);
        break;
    case BF_DEST_INSPECT:
        dest_images_inspect(drive);
        break;
    case BF_DEST_COMMIT:
        dest_images_commit(drive);
        break;
    case BF_DEST_READ_BACK:
        dest_images_read_back(drive);
        break;
    default:
        dest_images_remove(drive);
    }
}

/* What was published must be found again; else the move can only be given up. */
static void on_placed(struct dest_drive *drive)
{
    if (drive->images->err.code == BF_E_NONE) {
        drive->images->placed = true;
        carry_out(drive);
    } else if (drive->machine.published && drive->images->err.code != BF_E_NOT_FOUND) {
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, drive->images->err.text);
        dest_again(drive, dest_images_carry_out);
    } else {
        dest_images_fail(drive);
        memset(drive->found.bitmaps, 0, drive->offer.nr_bitmaps);
        if (drive->wish.kind == BF_DEST_INSPECT)
            dest_answer_inspected(drive);
        else
            dest_answer(drive, drive->wish.kind == BF_DEST_LOAD ? BF_DEST_REFUSED : BF_DEST_DONE);
    }
}

void dest_images_carry_out(struct dest_drive *drive)
{
    struct dest_images *images = drive->images;

    if (drive->wish.kind == BF_DEST_PULL) {
        dest_pull(drive);
    } else if (drive->wish.kind == BF_DEST_CLEAN || drive->wish.kind == BF_DEST_UNDO) {
        dest_images_clean(drive);
    } else if (images->placed && drive->machine.state != BF_DEST_SURVEYING_OFFER) {
        carry_out(drive);
    } else {
        forget_places(images);
        dest_images_work(drive, dest_images_place, on_placed);
    }
}
