/* Images are opened, and followed through the move. */
#include "images.h"

#include "attach/content.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

/* --- opened --- */

static int open_disk(struct source_images *images, size_t index, struct bf_error *err)
{
    const struct bf_plan_disk *disk = &images->drive->move->plan.disks[index];
    struct bf_error why = BF_ERROR_INIT;
    int r = bf_layers_open(disk->image, &images->disks[index], &why);

    if (r == 0)
        r = bf_image_stamp(disk->image, images->stamps[index].sha256, &why);
    if (r < 0)
        return bf_error_set(err, why.code, "disk %s: %s", disk->name, why.text);
    images->stamps[index].known = true;
    return 0;
}

static void open_all(uv_work_t *work)
{
    struct source_images *images = work->data;
    int r = 0;

    for (size_t i = 0; r == 0 && i < images->drive->move->plan.nr_disks; i++)
        r = open_disk(images, i, &images->err);
}

static int note_stamps(struct source_drive *drive, struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < drive->move->plan.nr_disks; i++)
        r = bf_ledger_put_stamp(drive->move->folder, (uint8_t)i, drive->images->stamps[i].sha256,
                                err);
    return r;
}

static void begin(struct source_drive *drive)
{
    struct bf_error err = drive->images->err;
    int r = err.code == BF_E_NONE ? source_images_offer(drive, &err) : -1;

    if (r == 0)
        r = note_stamps(drive, &err);
    if (r < 0)
        source_end(drive, BF_MOVE_FAILED, &err);
    else
        source_begin(drive);
}

static bool is_same(const struct source_images *images)
{
    const struct bf_ledger *ledger = &images->drive->ledger;

    for (size_t i = 0; i < images->drive->move->plan.nr_disks; i++) {
        if (!ledger->stamps[i].known || memcmp(ledger->stamps[i].sha256, images->stamps[i].sha256,
                                               sizeof images->stamps[i].sha256) != 0)
            return false;
    }
    return source_images_layer(images, images->drive->offer.nr_disks - 1) != NULL;
}

/* Once the destination has confirmed, nothing depends on the images any more. */
static void resume(struct source_drive *drive)
{
    struct source_images *images = drive->images;
    bool confirmed = drive->ledger.record.mark == BF_MARK_COMMITTED;

    images->lost = !confirmed && (images->err.code != BF_E_NONE || !is_same(images));
    if (images->lost && images->err.code != BF_E_NONE)
        (void)bf_error_set(&drive->why, images->err.code, "%s", images->err.text);
    else if (images->lost)
        (void)bf_error_set(&drive->why, BF_E_IMAGE_CHANGED,
                           "an image was written to while bitferry-source was away: has the "
                           "machine run here?");
    source_try_wish(drive);
    source_images_follow(drive);
}

static void after_open(uv_work_t *work, int status)
{
    struct source_images *images = work->data;
    struct source_drive *drive = images->drive;

    (void)status; /* never cancelled */
    images->known = true;
    if (!drive->freed && !drive->ended) {
        if (drive->begun)
            resume(drive);
        else
            begin(drive);
    }
    source_closed_one(drive);
}

/* What can be seen at once is said at once. */
static int glance(const struct bf_plan *plan, struct bf_error *err)
{
    bool any = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->nr_disks; i++) {
        BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;

        r = bf_reader_open_path(plan->disks[i].image, 0, &reader, err);
        any = any || (r == 0 && (bf_reader_image(reader)->nr_bitmaps > 0 ||
                                 bf_reader_image(reader)->has_backing));
    }
    if (r == 0 && !any)
        r = bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                         "the images have no bitmaps: there is nothing to carry");
    return r;
}

int source_images_open(struct source_drive *drive, struct bf_error *err)
{
    const struct bf_plan *plan = &drive->move->plan;
    struct source_images *images = calloc(1, sizeof *images);

    drive->images = images;
    if (images) {
        images->drive = drive;
        images->work.data = images;
        images->nr_disks = plan->nr_disks;
        images->disks = calloc(plan->nr_disks + 1, sizeof *images->disks);
        images->stamps = calloc(plan->nr_disks + 1, sizeof *images->stamps);
    }
    if (!images || !images->disks || !images->stamps)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    if (!drive->ledger.has_offer && glance(plan, err) < 0)
        return -1;
    drive->nr_open++;
    (void)uv_queue_work(drive->loop, &images->work, open_all, after_open);
    return 0;
}

/* --- closed --- */

void source_images_close(struct source_images *images)
{
    for (size_t i = 0; i < images->nr_disks; i++)
        bf_layers_release(&images->disks[i]);
}

void source_images_free(struct source_images *images)
{
    if (!images)
        return;
    if (images->disks)
        source_images_close(images);
    free(images->disks);
    free(images->stamps);
    free(images);
}

/* --- followed --- */

bool source_images_known(const struct source_drive *drive)
{
    return drive->images->known;
}

static bool carries_any(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].drop == BF_DROP_NONE)
            return true;
    }
    return false;
}

static void leave(struct source_drive *drive)
{
    if (carries_any(drive)) {
        source_tell(drive, BF_SOURCE_SWITCHED);
        return;
    }
    (void)bf_error_set(&drive->why, BF_E_BITMAP_NOT_FOUND,
                       "none of the bitmaps can be put into the copies, so all are left here as "
                       "they are");
    source_tell(drive, BF_SOURCE_KEPT);
}

void source_images_follow(struct source_drive *drive)
{
    struct source_images *images = drive->images;

    if (!images->known || drive->ended)
        return;
    if (!images->paused) {
        images->paused = true;
        source_tell(drive, images->lost ? BF_SOURCE_KEPT : BF_SOURCE_PAUSED);
    } else if (drive->machine.state == BF_SOURCE_STOPPED) {
        leave(drive);
    }
}
