#include "target.h"

#include "nbd/endpoint.h"
#include "progress.h"
#include "target_source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct bf_target {
    const struct bf_target_source_ops *ops;
    void *source;
    struct bf_target_options options;
    struct bf_catalog catalog;
    bool narrowed; /* to a choice of what the source has */
};

static int open_source(struct bf_target *target, const char *text, struct bf_error *err)
{
    struct stat status;

    if (bf_nbd_is_uri(text)) {
        target->ops = &bf_server_source_ops;
        return bf_server_source_open(text, &target->options, &target->catalog, &target->source,
                                     err);
    }
    if (stat(text, &status) == 0 && S_ISDIR(status.st_mode)) {
        target->ops = &bf_folder_source_ops;
        return bf_folder_source_open(text, &target->options, &target->catalog, &target->source,
                                     err);
    }
    target->ops = &bf_image_source_ops;
    return bf_image_source_open(text, &target->options, &target->catalog, &target->source, err);
}

int bf_target_open(const char *text, const struct bf_target_options *options,
                   struct bf_target **ret_target, struct bf_error *err)
{
    BF_CLEANUP(bf_target_freep) struct bf_target *target = calloc(1, sizeof *target);
    int ret;

    if (!target)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    target->options = *options;
    if (target->options.deadline_ms == 0)
        target->options.deadline_ms = BF_TARGET_DEADLINE_MS;
    ret = open_source(target, text, err);
    if (ret < 0)
        return ret;
    *ret_target = bf_steal_ptr(&target);
    return 0;
}

void bf_target_free(struct bf_target *target)
{
    if (target->source)
        target->ops->free(target->source);
    bf_catalog_release(&target->catalog);
    free(target);
}

enum bf_target_kind bf_target_kind(const struct bf_target *target)
{
    return target->ops->kind;
}

const struct bf_catalog *bf_target_catalog(const struct bf_target *target)
{
    return &target->catalog;
}

static bool chosen(const struct bf_option_values *choice, const char *name)
{
    for (size_t i = 0; i < choice->nr_values; i++) {
        if (strcmp(choice->values[i], name) == 0)
            return true;
    }
    return !choice->given;
}

static int copy_chosen(const struct bf_catalog_disk *from, const struct bf_option_values *bitmaps,
                       struct bf_catalog *catalog, struct bf_error *err)
{
    struct bf_catalog_disk *disk = NULL;
    int ret = bf_catalog_add_disk(catalog, from->name, from->virtual_size_bytes, &disk, err);

    if (ret == 0 && from->note) {
        disk->note = strdup(from->note);
        if (!disk->note)
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; ret == 0 && i < from->nr_bitmaps; i++) {
        if (chosen(bitmaps, from->bitmaps[i].name))
            ret = bf_catalog_add_bitmap(disk, &from->bitmaps[i], err);
    }
    return ret;
}

static bool has_bitmap(const struct bf_catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->nr_disks; i++) {
        if (bf_catalog_find_bitmap(&catalog->disks[i], name))
            return true;
    }
    return false;
}

static int check_found(const struct bf_catalog *catalog, const struct bf_option_values *disks,
                       const struct bf_option_values *bitmaps, struct bf_error *err)
{
    for (size_t i = 0; i < disks->nr_values; i++) {
        if (!bf_catalog_find_disk(catalog, disks->values[i]))
            return bf_error_set(
                err, BF_E_NOT_FOUND,
                "there is no disk '%.255s'; 'bitferry inspect' shows which there are",
                disks->values[i]);
    }
    for (size_t i = 0; i < bitmaps->nr_values; i++) {
        if (!has_bitmap(catalog, bitmaps->values[i]))
            return bf_error_set(
                err, BF_E_BITMAP_NOT_FOUND,
                "there is no bitmap '%.255s'; 'bitferry inspect' shows which there are",
                bitmaps->values[i]);
    }
    return 0;
}

int bf_target_select(struct bf_target *target, const struct bf_option_values *disks,
                     const struct bf_option_values *bitmaps, struct bf_error *err)
{
    struct bf_catalog catalog = {0};
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < target->catalog.nr_disks; i++) {
        if (chosen(disks, target->catalog.disks[i].name))
            ret = copy_chosen(&target->catalog.disks[i], bitmaps, &catalog, err);
    }
    if (ret == 0)
        ret = check_found(&catalog, disks, bitmaps, err);
    if (ret < 0) {
        bf_catalog_release(&catalog);
        return ret;
    }
    bf_catalog_release(&target->catalog);
    target->catalog = catalog;
    target->narrowed = true;
    return 0;
}

static int summarize(struct bf_target *target, const struct bf_catalog_disk *disk,
                     struct bf_catalog_bitmap *bitmap, struct bf_error *err)
{
    struct bf_meter meter;
    struct bf_progress progress = bf_meter_progress(&meter);
    struct bf_bits bits;
    int ret = target->ops->bits(target->source, disk, bitmap, &bits, err);

    if (ret < 0)
        return ret;
    bf_meter_begin_bitmap(&meter, target->options.args, "reading", disk->name, bitmap->name);
    ret = bf_bits_summarize(&bits, &progress, &bitmap->summary, err);
    bf_meter_end(&meter);
    bitmap->has_summary = ret == 0;
    return ret;
}

int bf_target_summarize(struct bf_target *target, struct bf_error *err)
{
    int ret = 0;

    for (size_t i = 0; i < target->catalog.nr_disks; i++) {
        struct bf_catalog_disk *disk = &target->catalog.disks[i];

        for (size_t j = 0; ret == 0 && j < disk->nr_bitmaps; j++) {
            if (disk->bitmaps[j].consistent && !disk->bitmaps[j].has_summary)
                ret = summarize(target, disk, &disk->bitmaps[j], err);
        }
    }
    return ret;
}

static int find(const struct bf_target *target, const char *disk_name, const char *bitmap_name,
                const struct bf_catalog_disk **ret_disk,
                const struct bf_catalog_bitmap **ret_bitmap, struct bf_error *err)
{
    const struct bf_catalog_disk *disk = bf_catalog_find_disk(&target->catalog, disk_name);
    const struct bf_catalog_bitmap *bitmap =
        disk ? bf_catalog_find_bitmap(disk, bitmap_name) : NULL;

    if (!bitmap)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "disk '%.255s' has no bitmap '%.255s'",
                            disk_name, bitmap_name);
    if (!bitmap->consistent)
        return bf_error_set(err, BF_E_BITMAP_INCONSISTENT,
                            "bitmap '%.255s' of disk '%.255s' cannot be used: %.300s", bitmap_name,
                            disk_name, bitmap->problem ? bitmap->problem : "it is inconsistent");
    *ret_disk = disk;
    *ret_bitmap = bitmap;
    return 0;
}

int bf_target_bits(struct bf_target *target, const char *disk, const char *bitmap,
                   struct bf_bits *ret_bits, struct bf_error *err)
{
    const struct bf_catalog_disk *found_disk;
    const struct bf_catalog_bitmap *found;
    int ret = find(target, disk, bitmap, &found_disk, &found, err);

    if (ret < 0)
        return ret;
    return target->ops->bits(target->source, found_disk, found, ret_bits, err);
}

int bf_target_copy_end(const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                       struct bf_writer *writer, struct bf_target_copy *copy, struct bf_error *err)
{
    int ret = bf_writer_end(writer, &copy->summary, err);

    if (ret == 0 && bitmap->has_summary && !bf_summary_equal(&copy->summary, &bitmap->summary))
        ret =
            bf_error_set(err, BF_E_DIGEST_MISMATCH,
                         "bitmap '%.255s' of disk '%.255s' is not what its source says it is: the "
                         "digests differ; it changed, or was damaged on the way",
                         bitmap->name, disk->name);
    return ret;
}

static int copy_one(struct bf_target *target, const char *disk_name, struct bf_writer *writer,
                    struct bf_target_copy *copy, struct bf_error *err)
{
    const struct bf_catalog_disk *disk;
    const struct bf_catalog_bitmap *bitmap;
    int ret = find(target, disk_name, copy->bitmap, &disk, &bitmap, err);

    if (ret == 0)
        ret = bf_writer_begin(writer, &copy->spec, err);
    if (ret == 0)
        ret = target->ops->append(target->source, disk, bitmap, writer, err);
    return ret == 0 ? bf_target_copy_end(disk, bitmap, writer, copy, err) : ret;
}

int bf_target_copy(struct bf_target *target, const char *disk, struct bf_writer *writer,
                   struct bf_target_copy *copies, size_t nr_copies, struct bf_error *err)
{
    const struct bf_catalog_disk *found = bf_catalog_find_disk(&target->catalog, disk);
    bool done = false;
    int ret = 0;

    if (nr_copies > 1 && found && !target->narrowed && target->ops->append_together)
        ret = target->ops->append_together(target->source, found, writer, copies, nr_copies, &done,
                                           err);
    for (size_t i = 0; ret == 0 && !done && i < nr_copies; i++)
        ret = copy_one(target, disk, writer, &copies[i], err);
    return ret;
}
