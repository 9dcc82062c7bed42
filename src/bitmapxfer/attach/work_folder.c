#include "attach/work_folder.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* A name for a folder away from the image: FNV-1a of the canonical path, which only has to keep
 * images apart that are worked on at the same time. */
static uint64_t hash_path(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
    return hash;
}

static char *path_beside(const char *image_path)
{
    char directory[PATH_MAX];
    char name[PATH_MAX];
    char *path = NULL;

    (void)snprintf(directory, sizeof directory, "%s", image_path);
    (void)snprintf(name, sizeof name, "%s", image_path);
    if (asprintf(&path, "%s/.%s.bitferry", dirname(directory), basename(name)) < 0)
        return NULL;
    return path;
}

static char *path_elsewhere(const char *image_path)
{
    const char *directory = getenv("TMPDIR");
    char *path = NULL;

    if (!directory || directory[0] != '/')
        directory = "/var/tmp";
    if (asprintf(&path, "%s/bitferry-%016llx", directory,
                 (unsigned long long)hash_path(image_path)) < 0)
        return NULL;
    return path;
}

/* Make and open the folder; nothing but a folder of our own that is closed to others will do. */
static int open_own(const char *path, int *ret_fd, struct bf_error *err)
{
    struct stat st;
    BF_CLEANUP(bf_fd_closep) int fd = -1;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bf_error_set_errno(err, errno, "cannot make the work folder %s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the work folder %s", path);
    if (fstat(fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the work folder %s", path);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return bf_error_set(
            err, BF_E_PERMISSION,
            "the work folder %s is not ours alone (owner %u, mode %03o): remove it if "
            "nobody works on the image",
            path, (unsigned)st.st_uid, (unsigned)(st.st_mode & 0777));
    *ret_fd = bf_steal_fd(&fd);
    return 0;
}

/* Is the locked folder still the one at @path, or did its last user remove it meanwhile? */
static bool still_there(int fd, const char *path)
{
    struct stat open_st;
    struct stat path_st;

    return fstat(fd, &open_st) == 0 && lstat(path, &path_st) == 0 &&
           open_st.st_ino == path_st.st_ino && open_st.st_dev == path_st.st_dev;
}

static int lock_own(const char *path, int *ret_fd, struct bf_error *err)
{
    for (;;) {
        BF_CLEANUP(bf_fd_closep) int fd = -1;
        int r = open_own(path, &fd, err);

        if (r < 0)
            return r;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return bf_error_set(
                err, BF_E_WORK_IN_PROGRESS,
                "another bitferry works on this image now (it holds %s): wait for it "
                "to end",
                path);
        if (still_there(fd, path)) {
            *ret_fd = bf_steal_fd(&fd);
            return 0;
        }
    }
}

static void remove_files(const struct bf_work_folder *folder)
{
    int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!directory) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, BF_WORK_JOURNAL) != 0)
            (void)unlinkat(folder->fd, entry->d_name, 0); /* "." and ".." fail, as they should */
    }
    (void)closedir(directory);
}

static bool may_try_elsewhere(const struct bf_error *err, const char *image_path)
{
    return err->code == BF_E_READ_ONLY || strncmp(image_path, "/dev/", 5) == 0 ||
           (err->code == BF_E_PERMISSION && geteuid() != 0);
}

static int open_somewhere(struct bf_work_folder *folder, struct bf_error *err)
{
    struct bf_error first = BF_ERROR_INIT;
    int r = -ENODEV;

    if (strncmp(folder->image_path, "/dev/", 5) != 0) {
        folder->path = path_beside(folder->image_path);
        if (!folder->path)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
        r = lock_own(folder->path, &folder->fd, &first);
    }
    if (r < 0 && may_try_elsewhere(&first, folder->image_path)) {
        free(folder->path);
        folder->path = path_elsewhere(folder->image_path);
        if (!folder->path)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
        return lock_own(folder->path, &folder->fd, err);
    }
    return r < 0 ? bf_error_set(err, first.code, "%s", first.text) : 0;
}

int bf_work_folder_open(const char *image_path, struct bf_work_folder **ret_folder,
                        struct bf_error *err)
{
    struct bf_work_folder *folder = calloc(1, sizeof *folder);
    int r;

    if (!folder)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    folder->fd = -1;
    folder->image_path = realpath(image_path, NULL);
    if (!folder->image_path) {
        r = bf_error_set_errno(err, errno, "%s", image_path);
        free(folder);
        return r;
    }
    r = open_somewhere(folder, err);
    if (r < 0) {
        free(folder->image_path);
        free(folder->path);
        free(folder);
        return r;
    }
    folder->interrupted = faccessat(folder->fd, BF_WORK_JOURNAL, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    remove_files(folder);
    *ret_folder = folder;
    return 0;
}

void bf_work_folder_close(struct bf_work_folder *folder)
{
    remove_files(folder);
    (void)rmdir(folder->path); /* stays if there is a journal */
    (void)close(folder->fd);
    free(folder->image_path);
    free(folder->path);
    free(folder);
}

char *bf_work_folder_file(const struct bf_work_folder *folder, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", folder->path, name) < 0 ? NULL : path;
}

int bf_work_folder_unmark(struct bf_work_folder *folder, struct bf_error *err)
{
    if (unlinkat(folder->fd, BF_WORK_JOURNAL, 0) < 0 && errno != ENOENT)
        return bf_error_set_errno(err, errno, "cannot write to the work folder %s", folder->path);
    folder->interrupted = false;
    return 0;
}
