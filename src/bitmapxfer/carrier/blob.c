#include "carrier/blob.h"

#include "carrier/image_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct file_blob {
    struct bf_blob blob;
    int fd;
    char *path; /* absolute: a daemon may change its folder */
    struct stat opened;
    bool may_change; /* BF_BLOB_FORCE_SHARE */
};

struct memory_blob {
    struct bf_blob blob;
    const uint8_t *bytes;
};

static struct file_blob *file_of(struct bf_blob *blob)
{
    return (struct file_blob *)blob;
}

static int file_read(struct bf_blob *blob, uint64_t offset_bytes, void *buf, uint64_t nr_bytes,
                     struct bf_error *err)
{
    uint8_t *to = buf;

    while (nr_bytes > 0) {
        ssize_t nr = pread(file_of(blob)->fd, to, nr_bytes, (off_t)offset_bytes);

        if (nr < 0 && errno == EINTR)
            continue;
        if (nr < 0)
            return bf_error_set_errno(err, errno, "cannot read at byte %" PRIu64, offset_bytes);
        if (nr == 0)
            return bf_error_set(err, BF_E_IMAGE_CHANGED,
                                "the file was cut to %" PRIu64 " bytes while it was read",
                                offset_bytes);
        to += nr;
        offset_bytes += (uint64_t)nr;
        nr_bytes -= (uint64_t)nr;
    }
    return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static int file_check_unchanged(struct bf_blob *blob, struct bf_error *err)
{
    struct file_blob *file = file_of(blob);
    struct stat now;

    if (file->may_change)
        return 0;
    if (fstat(file->fd, &now) < 0)
        return bf_error_set_errno(err, errno, "cannot look at the open file");
    if (!same_file(&now, &file->opened))
        return bf_error_set(err, BF_E_IMAGE_CHANGED,
                            "the file was changed while it was read; open it again");
    if (stat(file->path, &now) < 0 || !same_file(&now, &file->opened))
        return bf_error_set(err, BF_E_IMAGE_CHANGED,
                            "another file has taken its place, or it was removed; open it again");
    return 0;
}

static void file_free(struct bf_blob *blob)
{
    struct file_blob *file = file_of(blob);

    bf_fd_closep(&file->fd);
    free(file->path);
    free(file);
}

static const struct bf_blob_ops file_ops = {
    .read = file_read,
    .check_unchanged = file_check_unchanged,
    .free = file_free,
};

static char *absolute_path(const char *path)
{
    BF_CLEANUP(bf_freep) char *folder = NULL;
    char *absolute = NULL;

    if (path[0] == '/')
        return strdup(path);
    folder = getcwd(NULL, 0);
    if (!folder || asprintf(&absolute, "%s/%s", folder, path) < 0)
        return NULL;
    return absolute;
}

/* O_NONBLOCK: to open a FIFO must not wait for its writer. */
static int open_image_file(const char *path, int *ret_fd, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat found;

    if (fd < 0 && errno == ENXIO)
        return bf_error_set(err, BF_E_INVALID, "%s: not a regular file or block device", path);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &found) < 0)
        return bf_error_set_errno(err, errno, "cannot look at %s", path);
    if (S_ISDIR(found.st_mode))
        return bf_error_set(err, BF_E_INVALID, "%s: a folder, not an image", path);
    if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode))
        return bf_error_set(err, BF_E_INVALID, "%s: not a regular file or block device", path);
    *ret_fd = bf_steal_fd(&fd);
    return 0;
}

/* After the lock is held, so that what a writer did before it let go is not taken for a change. */
static int measure(struct file_blob *file, struct bf_error *err)
{
    off_t size = lseek(file->fd, 0, SEEK_END); /* st_size of a block device is 0 */

    if (size < 0 || fstat(file->fd, &file->opened) < 0)
        return bf_error_set_errno(err, errno, "cannot tell the size of %s", file->blob.name);
    file->blob.size_bytes = (uint64_t)size;
    return 0;
}

int bf_blob_open_file(const char *path, unsigned flags, struct bf_blob **ret_blob,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_blob_freep) struct bf_blob *blob = NULL;
    struct file_blob *file = calloc(1, sizeof *file);
    int r;

    if (!file)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to open %s", path);
    blob = &file->blob;
    *file = (struct file_blob){
        .blob = {.ops = &file_ops, .name = strdup(path)},
        .fd = -1,
        .path = absolute_path(path),
        .may_change = (flags & BF_BLOB_FORCE_SHARE) != 0,
    };
    if (!blob->name || !file->path)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to open %s", path);
    r = open_image_file(path, &file->fd, err);
    if (r == 0 && !file->may_change)
        r = bf_image_lock(file->fd, path, BF_IMAGE_LOCK_READ, err);
    if (r == 0)
        r = measure(file, err);
    if (r < 0)
        return r;
    *ret_blob = bf_steal_ptr(&blob);
    return 0;
}

static int memory_read(struct bf_blob *blob, uint64_t offset_bytes, void *buf, uint64_t nr_bytes,
                       struct bf_error *err)
{
    (void)err;
    if (nr_bytes > 0)
        memcpy(buf, ((struct memory_blob *)blob)->bytes + offset_bytes, nr_bytes);
    return 0;
}

static int memory_check_unchanged(struct bf_blob *blob, struct bf_error *err)
{
    (void)blob;
    (void)err;
    return 0;
}

static void memory_free(struct bf_blob *blob)
{
    free(blob);
}

static const struct bf_blob_ops memory_ops = {
    .read = memory_read,
    .check_unchanged = memory_check_unchanged,
    .free = memory_free,
};

int bf_blob_open_memory(const void *bytes, uint64_t size_bytes, struct bf_blob **ret_blob,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_blob_freep) struct bf_blob *blob = NULL;
    struct memory_blob *memory = calloc(1, sizeof *memory);

    if (!memory)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for an image in memory");
    blob = &memory->blob;
    *memory = (struct memory_blob){
        .blob = {.ops = &memory_ops, .size_bytes = size_bytes, .name = strdup("image in memory")},
        .bytes = bytes,
    };
    if (!blob->name)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for an image in memory");
    *ret_blob = bf_steal_ptr(&blob);
    return 0;
}

int bf_blob_read(struct bf_blob *blob, uint64_t offset_bytes, void *buf, uint64_t nr_bytes,
                 const char *what, struct bf_error *err)
{
    int r;

    if (offset_bytes > blob->size_bytes || nr_bytes > blob->size_bytes - offset_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "%s at byte %" PRIu64 " (%" PRIu64 " bytes) lies past the end of the "
                            "file (%" PRIu64 " bytes)",
                            what, offset_bytes, nr_bytes, blob->size_bytes);
    r = blob->ops->read(blob, offset_bytes, buf, nr_bytes, err);
    if (r < 0 && err)
        return bf_error_prefix(err, "%s", what);
    return r;
}

void bf_blob_free(struct bf_blob *blob)
{
    if (!blob)
        return;
    free(blob->name);
    blob->ops->free(blob);
}
