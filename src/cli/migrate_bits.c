#include "migrate_bits.h"

#include "attach/child.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEADLINE_MS = 24 * 3600 * 1000 }; /* reading and proving the bitmaps of a very large disk */

static char *archive_path(const char *folder, const char *target)
{
    char *path = NULL;

    return asprintf(&path, "%s/bitmaps-%s", folder, target) < 0 ? NULL : path;
}

/* The commands `archive` and `restore` are what does it, with all their checks. */
static int run(const char *const argv[], struct bf_error *err)
{
    return bf_child_ask(argv, DEADLINE_MS, NULL, err);
}

static void remove_archive(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0); /* it has no folders but . and .. */
    (void)closedir(dir);
    (void)rmdir(path);
}

static int keep_disk(const char *folder, const struct bf_look_disk *disk, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *path = archive_path(folder, disk->target);
    const char *argv[] = {"/proc/self/exe", "archive", "--quiet", "--to", path, "--", NULL, NULL};

    if (!path)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    argv[6] = disk->layers[0].path;
    remove_archive(path);
    return run(argv, err) < 0 ? bf_error_prefix(err, "bitmaps of disk %s", disk->target) : 0;
}

static bool has_bits(const struct bf_look_disk *disk)
{
    for (size_t i = 0; disk->seen && i < disk->layers[0].nr_bitmaps; i++) {
        if (disk->layers[0].bitmaps[i].consistent)
            return true;
    }
    return false;
}

int bf_bits_keep(const char *folder, const struct bf_look *look, struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < look->nr_disks; i++) {
        if (has_bits(&look->disks[i]))
            r = keep_disk(folder, &look->disks[i], err);
    }
    return r;
}

int bf_bits_put(const char *folder, const char *target, const char *image, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *path = archive_path(folder, target);
    const char *argv[] = {
        "/proc/self/exe", "restore", "--quiet", "--replace", "--into", image, "--", path, NULL};

    if (!path)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (access(path, F_OK) < 0)
        return bf_error_set(err, BF_E_NOT_FOUND, "%s is not there", path);
    return run(argv, err);
}

void bf_bits_remove(const char *folder, const struct bf_look *look)
{
    for (size_t i = 0; i < look->nr_disks; i++) {
        BF_CLEANUP(bf_freep) char *path = archive_path(folder, look->disks[i].target);

        if (path)
            remove_archive(path);
    }
}
