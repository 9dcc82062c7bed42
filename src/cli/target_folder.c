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
    ret = add_all(set, text, options->force_share, catalog, err);
    if (ret < 0)
        return ret;
    *ret_source = bf_steal_ptr(&set);
    return 0;
}
