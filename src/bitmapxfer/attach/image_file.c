#include "image_file.h"

#include "carrier/image_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

static int refuse_read_only(const char *path, int errnum, struct bf_error *err)
{
    if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
        return bf_error_set(
            err, BF_E_READ_ONLY,
            "%s cannot be written (%s): bitmaps can only be installed in an image that "
            "can",
            path, strerror(errnum));
    return bf_error_set_errno(err, errnum, "cannot open %s for writing", path);
}

static int open_and_lock(const char *path, struct bf_image_file *file, struct bf_error *err)
{
    struct stat st;

    file->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file->fd < 0)
        return refuse_read_only(path, errno, err);
    if (fstat(file->fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot look at %s", path);
    /* root may write to a file that nobody may write to; who took the rights away meant it */
    if ((st.st_mode & 0222) == 0)
        return refuse_read_only(path, EACCES, err);
    file->block_device = S_ISBLK(st.st_mode);
    file->file_bytes = (uint64_t)st.st_size;
    if (file->block_device && ioctl(file->fd, BLKGETSIZE64, &file->file_bytes) < 0)
        return bf_error_set_errno(err, errno, "cannot get the size of %s", path);
    return bf_image_lock(file->fd, path, BF_IMAGE_LOCK_WRITE, err);
}

int bf_image_file_open(const char *path, struct bf_image_file *ret_file, struct bf_error *err)
{
    struct bf_image_file file = {.fd = -1};
    int r = open_and_lock(path, &file, err);

    if (r < 0 && file.fd >= 0) {
        (void)close(file.fd);
        file.fd = -1;
    }
    *ret_file = file;
    return r;
}
