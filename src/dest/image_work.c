/* LOAD and COMMIT: bitmaps into images, all of one image or none; see images.h. */
#include "images.h"

#include "attach/install.h"
#include "attach/recover.h"
#include "base/fail_point.h"
#include "carrier/writer.h"
#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { STEP_DEADLINE_MS = 120000 };

struct job {
    struct dest_drive *drive;
    uint32_t image;
    struct bf_work_folder *folder;
    struct bf_install_bitmap *bitmaps;
    size_t nr_bitmaps;
    bool rehearse;
    struct bf_error changed; /* the image was touched before it was locked */
};

static bool concerns(const struct job *job, uint32_t bitmap)
{
    return dest_image_is_head(job->drive, bitmap) &&
           dest_image_of(job->drive, bitmap) == job->image;
}

static bool has_any(const struct job *job)
{
    for (uint32_t i = 0; i < job->drive->offer.nr_bitmaps; i++) {
        if (concerns(job, i))
            return true;
    }
    return false;
}

/* --- one image --- */

static int add_bitmap(struct job *job, uint32_t bitmap, struct bf_writer *writer,
                      struct bf_error *err)
{
    const struct bf_offer_bitmap *offered = &job->drive->offer.bitmaps[bitmap];
    struct bf_known *made = &job->drive->images->made[bitmap];
    struct bf_bitmap_spec spec = {offered->name, offered->granularity_bytes, offered->recording};
    struct dest_bits bits;
    int r = dest_bits_open(job->drive, bitmap, &bits, err);

    if (r < 0)
        return r;
    r = bf_writer_add(writer, &spec, &bits.bits, NULL, &made->summary, err);
    made->known = r == 0;
    dest_bits_close(&bits);
    if (r == 0)
        job->bitmaps[job->nr_bitmaps++] = (struct bf_install_bitmap){
            .carrier_name = offered->name,
            .name = offered->name,
            .granularity_bytes = offered->granularity_bytes,
            .recording = offered->recording,
            .summary = made->summary,
        };
    return r;
}

/* All bitmaps of the image in one file, in its own size. */
static int make_carrier(struct job *job, const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    const struct dest_image *image = &job->drive->images->items[job->image];
    int r;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", path);
    r = bf_writer_new(fd, path, image->size_bytes, &writer, err);
    for (uint32_t i = 0; r == 0 && i < job->drive->offer.nr_bitmaps; i++) {
        if (concerns(job, i))
            r = add_bitmap(job, i, writer, err);
    }
    return r < 0 ? r : bf_writer_finish(writer, err);
}

/* When LOAD begins the image is locked: nobody can touch it from here on. */
static int may_go_on(void *ctx, enum bf_install_step step)
{
    struct job *job = ctx;
    uint32_t plan_disk = job->drive->images->items[job->image].plan_disk;

    if (step == BF_INSTALL_LOAD && plan_disk != DEST_NO_IMAGE &&
        dest_images_check_stamp(job->drive, plan_disk, &job->changed) < 0)
        return 1;
    return atomic_load(&job->drive->images->stop) ? 1 : 0;
}

static int run_install(struct job *job, const struct bf_install_options *options,
                       struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int r = bf_install(job->folder, options, &why);

    if (r < 0 && job->changed.code != BF_E_NONE)
        return bf_error_set(err, job->changed.code, "%s", job->changed.text);
    return r < 0 ? bf_error_set(err, why.code, "%s", why.text) : 0;
}

static int run(struct job *job, const char *carrier_path, struct bf_error *err)
{
    struct bf_install_options options = {
        .image_path = job->drive->images->items[job->image].path,
        .carrier_path = carrier_path,
        .bitmaps = job->bitmaps,
        .replace = true,
        .rehearse = job->rehearse,
        .deadline_ms = STEP_DEADLINE_MS,
        .step = may_go_on,
        .ctx = job,
    };
    int r = make_carrier(job, carrier_path, err);

    options.nr_bitmaps = job->nr_bitmaps;
    return r < 0 ? r : run_install(job, &options, err);
}

static int install(struct job *job, struct bf_error *err)
{
    const struct dest_image *image = &job->drive->images->items[job->image];
    BF_CLEANUP(bf_work_folder_closep) struct bf_work_folder *folder = NULL;
    BF_CLEANUP(bf_freep) char *carrier_path = NULL;
    int r = bf_work_folder_open(image->path, &folder, err);

    if (r < 0)
        return r;
    job->folder = folder;
    carrier_path = bf_work_folder_file(folder, "all.carrier.qcow2");
    job->bitmaps = calloc(job->drive->offer.nr_bitmaps + 1U, sizeof *job->bitmaps);
    if (carrier_path && job->bitmaps)
        r = run(job, carrier_path, err);
    else
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory to install bitmaps");
    free(job->bitmaps);
    return r;
}

/* --- LOAD: image by image --- */

static enum bf_drop drop_of(enum bf_code code)
{
    return code == BF_E_DIGEST_MISMATCH ? BF_DROP_DIGEST_MISMATCH : BF_DROP_LOAD_REFUSED;
}

static void rehearse(struct dest_drive *drive, uint32_t image)
{
    struct job job = {.drive = drive, .image = image, .rehearse = true};
    struct bf_error err = BF_ERROR_INIT;

    if (!has_any(&job) || install(&job, &err) == 0)
        return;
    bf_log(BF_LOG_WARNING, "move %s: %s: %s", drive->move->id, drive->images->items[image].path,
           err.text);
    (void)bf_error_set(&drive->images->err, err.code, "%s", err.text);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->images->dropped[i] == BF_DROP_NONE && dest_image_of(drive, i) == image &&
            drive->drops[i] == BF_DROP_NONE)
            drive->drops[i] = (uint8_t)drop_of(err.code);
    }
}

static void rehearse_all(struct dest_drive *drive)
{
    dest_images_drop_together(drive);
    for (uint32_t i = 0; i < drive->images->nr_items; i++)
        rehearse(drive, i);
}

/* If the source has nothing left to seal, the first reason is the one to tell. */
static void after_rehearsal(struct dest_drive *drive)
{
    const struct bf_error *err = &drive->images->err;

    bf_fail_point("dest.loaded");
    if (err->code != BF_E_NONE && drive->why.code == BF_E_NONE)
        (void)bf_error_set(&drive->why, err->code, "%s", err->text);
    dest_answer(drive, BF_DEST_DONE);
}

void dest_images_load(struct dest_drive *drive)
{
    bf_fail_point("dest.pulled");
    dest_images_work(drive, rehearse_all, after_rehearsal);
}

/* --- COMMIT: all images, or the move is given up and taken back --- */

static int commit(struct dest_drive *drive, uint32_t image, struct bf_error *err)
{
    struct job job = {.drive = drive, .image = image};
    int r;

    if (!has_any(&job) || dest_image_is_done(drive, image))
        return 0; /* the latter: by a run that was killed */
    r = install(&job, err);
    bf_fail_point("dest.commit_image");
    return r;
}

static void commit_all(struct dest_drive *drive)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < drive->images->nr_items; i++)
        r = commit(drive, i, &drive->images->err);
}

static void after_commit(struct dest_drive *drive)
{
    bf_fail_point("dest.commit_sent");
    if (drive->images->err.code == BF_E_NONE) {
        dest_answer(drive, BF_DEST_DONE);
        return;
    }
    dest_images_fail(drive); /* heeded when the answer is there */
    dest_answer(drive, BF_DEST_REFUSED);
}

void dest_images_commit(struct dest_drive *drive)
{
    dest_images_work(drive, commit_all, after_commit);
}

/* --- what a killed run left --- */

void dest_images_recover(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->images->nr_items; i++) {
        BF_CLEANUP(bf_work_folder_closep) struct bf_work_folder *folder = NULL;
        const char *path = drive->images->items[i].path;
        struct bf_error err = BF_ERROR_INIT;
        int r = bf_work_folder_open(path, &folder, &err);

        if (r == 0)
            r = bf_recover(folder, &err);
        if (r < 0)
            bf_log(BF_LOG_WARNING, "move %s: %s: %s", drive->move->id, path, err.text);
    }
}
