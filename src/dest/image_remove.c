/* REMOVE_STALE, UNPUBLISH, CLEAN and UNDO: bitmaps out of images, carriers off the disk. */
#include "images.h"

#include "attach/child.h"
#include "daemon/log.h"

#include <stdio.h>
#include <string.h>

enum { STEP_DEADLINE_MS = 120000 };

static int remove_bitmap(const struct dest_drive *drive, uint32_t bitmap, struct bf_error *err)
{
    const char *path = drive->images->items[dest_image_of(drive, bitmap)].path;
    const char *name = drive->offer.bitmaps[bitmap].name;
    const char *argv[] = {"qemu-img", "bitmap", "--remove", path, name, NULL};
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(bf_freep) char *log_path = NULL;
    uint32_t at;
    int r = bf_reader_open_path(path, 0, &reader, err);

    if (r < 0)
        return r;
    if (bf_reader_find(reader, name, &at, NULL) < 0)
        return 0;                          /* gone already */
    bf_reader_free(bf_steal_ptr(&reader)); /* and its lock with it */
    if (asprintf(&log_path, "%s/qemu-img.log", drive->move->folder->path) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to remove a bitmap");
    return bf_child_run(argv, log_path, STEP_DEADLINE_MS, err);
}

static int check_stamps(const struct dest_drive *drive, struct bf_error *err)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < drive->move->plan.nr_disks; i++)
        r = dest_images_check_stamp(drive, i, err);
    return r;
}

static void remove_chosen(struct dest_drive *drive)
{
    int r = 0;

    if (drive->wish.kind == BF_DEST_REMOVE_STALE)
        r = check_stamps(drive, &drive->images->err);
    for (uint32_t i = 0; r == 0 && i < drive->offer.nr_bitmaps; i++) {
        if (drive->images->chosen[i] && dest_image_of(drive, i) != DEST_NO_IMAGE)
            r = remove_bitmap(drive, i, &drive->images->err);
    }
}

static bool is_to_go(const struct dest_drive *drive, uint32_t bitmap)
{
    bool published = bf_dest_is_published(&drive->machine, bitmap);
    bool stale = bf_dest_is_stale(&drive->machine, bitmap);

    if (drive->wish.kind == BF_DEST_REMOVE_STALE)
        return stale;
    if (drive->wish.kind == BF_DEST_UNPUBLISH)
        return published && drive->offer.states[bitmap].drop != BF_DROP_NONE;
    return drive->wish.kind == BF_DEST_UNDO && (published || stale);
}

static bool choose(struct dest_drive *drive)
{
    bool any = false;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        drive->images->chosen[i] = is_to_go(drive, i);
        any = any || drive->images->chosen[i];
    }
    return any;
}

/* Whatever is in the way may go away: what is not right must not stay. */
static void after_removal(struct dest_drive *drive)
{
    if (drive->wish.kind == BF_DEST_REMOVE_STALE && drive->images->err.code == BF_E_NONE)
        (void)dest_images_note_stamps(drive, &drive->images->err);
    if (drive->images->err.code == BF_E_NONE) {
        dest_answer(drive, BF_DEST_DONE);
    } else if (drive->wish.kind == BF_DEST_REMOVE_STALE) {
        dest_images_fail(drive); /* nothing of ours is there yet */
        dest_answer(drive, BF_DEST_REFUSED);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: removing bitmaps: %s", drive->move->id,
               drive->images->err.text);
        dest_again(drive, dest_images_carry_out);
    }
}

void dest_images_remove(struct dest_drive *drive)
{
    (void)choose(drive);
    dest_images_work(drive, remove_chosen, after_removal);
}

static void sweep(struct dest_drive *drive)
{
    dest_images_recover(drive);
    remove_chosen(drive);
}

void dest_images_remove_carriers(struct dest_drive *drive)
{
    bf_carrier_folder_remove(drive->config, drive->move->id, drive->offer.nr_bitmaps,
                             drive->offer.nr_disks);
}

/* Until it is written down that all went well only the carriers can prove, after a restart, what is
 * in the images: then they go at the end. */
void dest_images_clean(struct dest_drive *drive)
{
    dest_stop_pull(drive);
    if (drive->machine.state != BF_DEST_TIDYING)
        dest_images_remove_carriers(drive);
    if (!drive->images->placed) {
        dest_answer(drive, BF_DEST_DONE); /* nothing was done to any image */
        return;
    }
    (void)choose(drive);
    dest_images_work(drive, sweep, after_removal);
}
