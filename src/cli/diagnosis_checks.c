/* Each check by itself, counted; and what shows beside the answers of model/coverage.h. */
#include "diagnosis_build.h"
#include "handoff/names.h"

#include <string.h>

static void count(struct bf_diagnosis *diagnosis, enum bf_check check, bool good)
{
    diagnosis->checks[check].nr_done++;
    diagnosis->checks[check].nr_failed += !good;
}

/* --- the bitmaps of checkpoints --- */

static bool is_there(const struct bf_subject_disk *disk, const char *bitmap)
{
    for (size_t i = 0; i < disk->layers.nr_disks; i++) {
        if (bf_catalog_find_bitmap(&disk->layers.disks[i], bitmap))
            return true;
    }
    return false;
}

static void check_bits(struct bf_diagnosis *diagnosis, const struct bf_subject_disk *disk,
                       size_t checkpoint, const char *bitmap)
{
    const struct bf_checkpoints *checkpoints = &diagnosis->subject->checkpoints;
    bool newest = checkpoint + 1 == checkpoints->nr_items;

    for (size_t i = 0; i < disk->layers.nr_disks; i++) {
        const struct bf_catalog_bitmap *found =
            bf_catalog_find_bitmap(&disk->layers.disks[i], bitmap);

        if (!found)
            continue;
        count(diagnosis, BF_CHECK_BITMAP_CONSISTENT, found->consistent);
        count(diagnosis, BF_CHECK_BITMAP_PERSISTENT, found->persistent);
        if (diagnosis->subject->kind == BF_SUBJECT_OF_QEMU)
            count(diagnosis, BF_CHECK_BITMAP_FREE, !found->busy);
        if (checkpoints->style == BF_CHAIN_NESTED || (newest && i == 0))
            count(diagnosis, BF_CHECK_BITMAP_RECORDING, found->recording);
    }
}

static void check_pair(struct bf_diagnosis *diagnosis, size_t index, size_t checkpoint)
{
    const struct bf_checkpoints *checkpoints = &diagnosis->subject->checkpoints;
    const struct bf_subject_disk *disk = &diagnosis->subject->disks[index];
    const char *bitmap = bf_checkpoint_bitmap(&checkpoints->items[checkpoint], disk->name);
    const struct bf_coverage *cell = bf_diagnosis_cell(diagnosis, index, checkpoint);
    bool its_own = cell->checkpoint == checkpoint;

    count(diagnosis, BF_CHECK_DISK_IN_CHECKPOINT, bitmap != NULL);
    if (!bitmap || disk->unusable != BF_COVERAGE_NONE)
        return;
    count(diagnosis, BF_CHECK_BITMAP_THERE, is_there(disk, bitmap));
    if (checkpoints->style == BF_CHAIN_LINKS)
        count(diagnosis, BF_CHECK_CHAIN_WHOLE,
              !its_own || cell->reason != BF_COVERAGE_CHECKPOINT_GONE);
    if (!is_there(disk, bitmap))
        return;
    count(diagnosis, BF_CHECK_BITMAP_GAPLESS, !its_own || cell->reason != BF_COVERAGE_LAYER_GAP);
    check_bits(diagnosis, disk, checkpoint, bitmap);
}

/* A link that is not persistent serves until QEMU ends; libvirt's must be, which coverage says. */
static int warn_transient(struct bf_diagnosis *diagnosis, const struct bf_subject_disk *disk,
                          struct bf_error *err)
{
    const struct bf_checkpoints *checkpoints = &diagnosis->subject->checkpoints;
    int r = 0;

    for (size_t i = 0; r == 0 && i < checkpoints->nr_items; i++) {
        const char *bitmap = bf_checkpoint_bitmap(&checkpoints->items[i], disk->name);
        const struct bf_catalog_bitmap *found =
            bitmap ? bf_catalog_find_bitmap(&disk->layers.disks[0], bitmap) : NULL;
        struct bf_finding finding = {
            .check = BF_CHECK_BITMAP_PERSISTENT,
            .severity = BF_SEVERITY_WARNING,
            .code = "BITMAP_TRANSIENT",
            .text = bf_coverage_reason_text(BF_COVERAGE_BITMAP_TRANSIENT),
            .disk = disk,
            .checkpoint = checkpoints->items[i].name,
            .bitmap = bitmap,
        };

        if (found && !found->persistent)
            r = bf_diagnosis_add(diagnosis, &finding, err);
    }
    return r;
}

/* --- what nobody owns --- */

static bool is_known(const struct bf_checkpoints *checkpoints, const char *disk, const char *name)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        const char *bitmap = bf_checkpoint_bitmap(&checkpoints->items[i], disk);

        if (bitmap && strcmp(bitmap, name) == 0)
            return true;
    }
    return false;
}

static int check_known(struct bf_diagnosis *diagnosis, const struct bf_subject_disk *disk,
                       size_t layer, const struct bf_catalog_bitmap *bitmap, struct bf_error *err)
{
    bool temporary = bf_temporary_name_reserved(bitmap->name);
    bool known = is_known(&diagnosis->subject->checkpoints, disk->name, bitmap->name);
    struct bf_finding finding = {
        .check = BF_CHECK_BITMAP_KNOWN,
        .severity = BF_SEVERITY_NOTE,
        .code = temporary ? "BITMAP_TEMPORARY" : "BITMAP_UNKNOWN",
        .text = temporary ? "a move of bitferry put it there, and is under way or was left behind"
                          : "the bitmap is there, but no checkpoint says since when",
        .disk = disk,
        .bitmap = bitmap->name,
        .layer = layer,
    };

    if (!temporary && (!bitmap->persistent || diagnosis->subject->origin == BF_SUBJECT_BY_NAMES))
        return 0;
    count(diagnosis, BF_CHECK_BITMAP_KNOWN, known);
    return known ? 0 : bf_diagnosis_add(diagnosis, &finding, err);
}

static int check_all_known(struct bf_diagnosis *diagnosis, const struct bf_subject_disk *disk,
                           struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; i < disk->layers.nr_disks; i++) {
        const struct bf_catalog_disk *layer = &disk->layers.disks[i];

        for (size_t j = 0; r == 0 && j < layer->nr_bitmaps; j++)
            r = check_known(diagnosis, disk, i, &layer->bitmaps[j], err);
    }
    return r;
}

static int check_stores(struct bf_diagnosis *diagnosis, const struct bf_subject_disk *disk,
                        struct bf_error *err)
{
    struct bf_finding finding = {
        .check = BF_CHECK_DISK_STORES,
        .severity = BF_SEVERITY_WARNING,
        .code = "IMAGE_CANNOT_STORE",
        .text = "only qcow2 of version 3 stores bitmaps: those of this image go when QEMU ends",
        .disk = disk,
    };

    count(diagnosis, BF_CHECK_DISK_STORES, disk->images[0].can_store);
    return disk->images[0].can_store ? 0 : bf_diagnosis_add(diagnosis, &finding, err);
}

int bf_diagnosis_check_disk(struct bf_diagnosis *diagnosis, size_t index, struct bf_error *err)
{
    const struct bf_subject *subject = diagnosis->subject;
    const struct bf_subject_disk *disk = &subject->disks[index];
    bool links = subject->checkpoints.style == BF_CHAIN_LINKS;
    int r;

    count(diagnosis, BF_CHECK_DISK_SEEN, disk->unusable != BF_COVERAGE_DISK_UNSEEN);
    if (subject->kind == BF_SUBJECT_OF_QEMU && disk->unusable != BF_COVERAGE_DISK_UNSEEN)
        count(diagnosis, BF_CHECK_DISK_ACTIVE, disk->unusable != BF_COVERAGE_DISK_INACTIVE);
    for (size_t i = 0; i < subject->checkpoints.nr_items; i++)
        check_pair(diagnosis, index, i);
    if (disk->unusable != BF_COVERAGE_NONE || disk->layers.nr_disks == 0)
        return 0;
    r = check_stores(diagnosis, disk, err);
    if (r == 0 && links)
        r = warn_transient(diagnosis, disk, err);
    return r < 0 ? r : check_all_known(diagnosis, disk, err);
}

/* --- the VM --- */

static bool has_disk(const struct bf_subject *subject, const char *name)
{
    for (size_t i = 0; i < subject->nr_disks; i++) {
        if (strcmp(subject->disks[i].name, name) == 0)
            return true;
    }
    return false;
}

static int check_still_there(struct bf_diagnosis *diagnosis, const struct bf_checkpoint *checkpoint,
                             struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < checkpoint->nr_disks; i++) {
        bool there = has_disk(diagnosis->subject, checkpoint->disks[i].disk);
        struct bf_finding finding = {
            .check = BF_CHECK_DISK_STILL_THERE,
            .severity = BF_SEVERITY_NOTE,
            .code = "DISK_GONE",
            .text = "the disk was part of the checkpoint, and is not there now",
            .checkpoint = checkpoint->name,
            .bitmap = checkpoint->disks[i].bitmap,
            .detail = checkpoint->disks[i].disk,
        };

        count(diagnosis, BF_CHECK_DISK_STILL_THERE, there);
        if (!there)
            r = bf_diagnosis_add(diagnosis, &finding, err);
    }
    return r;
}

static int check_migration(struct bf_diagnosis *diagnosis, struct bf_error *err)
{
    const char *migration = diagnosis->subject->migration;
    struct bf_finding finding = {
        .check = BF_CHECK_MIGRATION_CLEAN,
        .severity = BF_SEVERITY_WARNING,
        .code = "MAY_NOT_BE_STORED",
        .text = "after a migration with `dirty-bitmaps` that did not succeed, QEMU shows its "
                "bitmaps as persistent and does not store them when it ends",
        .detail = migration,
    };

    if (diagnosis->subject->kind != BF_SUBJECT_OF_QEMU)
        return 0;
    count(diagnosis, BF_CHECK_MIGRATION_CLEAN, !migration);
    return migration ? bf_diagnosis_add(diagnosis, &finding, err) : 0;
}

int bf_diagnosis_check_whole(struct bf_diagnosis *diagnosis, struct bf_error *err)
{
    const struct bf_checkpoints *checkpoints = &diagnosis->subject->checkpoints;
    int r = 0;

    for (size_t i = 0; r == 0 && i < checkpoints->nr_items; i++)
        r = check_still_there(diagnosis, &checkpoints->items[i], err);
    return r < 0 ? r : check_migration(diagnosis, err);
}
