#include "archive_files.h"
#include "archive_folder.h"
#include "base/name.h"
#include "target_image.h"
#include "target_source.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static int is_carrier(const struct dirent *entry)
{
    return fnmatch("?*.qcow2", entry->d_name, FNM_PERIOD) == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_file(struct bf_image_set *set, const char *folder, const char *name,
                    bool force_share, struct bf_catalog *catalog, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *path = NULL;
    char disk[BF_DISK_NAME_MAX + 1];

    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    bf_disk_name_of_path(name, disk);
    return bf_image_set_add(set, path, disk, force_share, catalog, err);
}

static int add_all(struct bf_image_set *set, const char *folder, bool force_share,
                   struct bf_catalog *catalog, struct bf_error *err)
{
    struct dirent **entries = NULL;
    int nr_entries = scandir(folder, &entries, is_carrier, by_bytes);
    int ret = 0;

    if (nr_entries < 0)
        return bf_error_set_errno(err, errno, "cannot list the folder '%s'", folder);
    if (nr_entries == 0)
        ret = bf_error_set(err, BF_E_NOT_FOUND, "the folder '%s' holds no *.qcow2 files", folder);
    for (int i = 0; i < nr_entries; i++) {
        if (ret == 0)
            ret = add_file(set, folder, entries[i]->d_name, force_share, catalog, err);
        free(entries[i]);
    }
    free(entries);
    return ret;
}

/* What the archive knows of and could not carry: listed, with the reason. */
static int add_dropped(const struct bf_catalog_disk *listed, struct bf_catalog *catalog,
                       struct bf_error *err)
{
    struct bf_catalog_disk *disk = &catalog->disks[catalog->nr_disks - 1];
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < listed->nr_bitmaps; i++) {
        const struct bf_catalog_bitmap *bitmap = &listed->bitmaps[i];

        if (bf_catalog_find_bitmap(disk, bitmap->name))
            continue;
        if (bitmap->consistent)
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "the archive lacks the bitmap '%.255s' of disk '%.255s' that its "
                                "manifest lists",
                                bitmap->name, listed->name);
        ret = bf_catalog_add_bitmap(disk, bitmap, err);
    }
    return ret;
}

static int add_archive_file(struct bf_image_set *set, const char *folder,
                            const struct bf_manifest *manifest, size_t index,
                            struct bf_catalog *catalog, struct bf_error *err)
{
    const struct bf_manifest_file *file = &manifest->files[index];
    const struct bf_catalog_disk *listed = bf_catalog_find_disk(&manifest->catalog, file->disk);
    BF_CLEANUP(bf_freep) char *path = NULL;
    int ret;

    if (asprintf(&path, "%s/%s", folder, file->name) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = bf_image_set_add(set, path, file->disk, false, catalog, err);
    if (ret == 0 && listed)
        ret = add_dropped(listed, catalog, err);
    return ret;
}

/* Every file is checked against the manifest before it is believed. */
static int add_archive(struct bf_image_set *set, const char *folder, struct bf_catalog *catalog,
                       struct bf_error *err)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    int ret = bf_archive_verify(folder, &manifest, err);

    for (size_t i = 0; ret == 0 && i < manifest.nr_files; i++)
        ret = add_archive_file(set, folder, &manifest, i, catalog, err);
    return ret;
}

const struct bf_target_source_ops bf_folder_source_ops = {
    .kind = BF_TARGET_FOLDER,
    .bits = bf_image_set_bits,
    .append = bf_image_set_append,
    .free = bf_image_set_release,
};

int bf_folder_source_open(const char *text, const struct bf_target_options *options,
                          struct bf_catalog *catalog, void **ret_source, struct bf_error *err)
{
    BF_CLEANUP(bf_image_set_freep) struct bf_image_set *set = bf_image_set_new(options, err);
    int ret;

    if (!set)
        return -ENOMEM;
    if (bf_is_archive(text))
        ret = add_archive(set, text, catalog, err);
    else
        ret = add_all(set, text, options->force_share, catalog, err);
    if (ret < 0)
        return ret;
    *ret_source = bf_steal_ptr(&set);
    return 0;
}
