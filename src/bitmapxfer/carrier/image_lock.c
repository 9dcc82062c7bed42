#include "carrier/image_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

enum {
    PERM_BASE = 100,
    SHARED_BASE = 200,
    NR_PERMISSIONS = 8, /* more than QEMU has; the bytes in between are free */

    CONSISTENT_READ = 1 << 0,
    WRITE = 1 << 1,
    WRITE_UNCHANGED = 1 << 2,
    RESIZE = 1 << 3,
};

/* What we do with the image, and what nobody else may do meanwhile.  READ is what QEMU's qcow2
 * driver takes for an image that it opens read-only. */
static const struct {
    unsigned used;
    unsigned unshared;
} permissions[] = {
    [BF_IMAGE_LOCK_READ] = {CONSISTENT_READ, WRITE | RESIZE},
    [BF_IMAGE_LOCK_WRITE] = {CONSISTENT_READ | WRITE | RESIZE,
                             CONSISTENT_READ | WRITE | WRITE_UNCHANGED | RESIZE},
};

static struct flock one_byte(int start, unsigned bit, short type)
{
    return (struct flock){
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = start + (int)bit,
        .l_len = 1,
    };
}

static bool locks_unsupported(int errnum)
{
    return errnum == EINVAL || errnum == ENOSYS || errnum == ENOLCK || errnum == EOPNOTSUPP;
}

/* Say what we do.  Shared locks, so this only fails where there are no locks at all.
 * Returns 1 for that. */
static int announce(int fd, int start, unsigned mask, struct bf_error *err)
{
    for (unsigned bit = 0; bit < NR_PERMISSIONS; bit++) {
        struct flock lock = one_byte(start, bit, F_RDLCK);

        if (!(mask & 1U << bit) || fcntl(fd, F_OFD_SETLK, &lock) == 0)
            continue;
        if (locks_unsupported(errno))
            return 1;
        return bf_error_set_errno(err, errno, "cannot lock");
    }
    return 0;
}

/* Has anybody else announced one of @mask?  A lock for writing would clash with it. */
static int find_others(int fd, int start, unsigned mask, bool *ret_found, struct bf_error *err)
{
    for (unsigned bit = 0; bit < NR_PERMISSIONS && !*ret_found; bit++) {
        struct flock lock = one_byte(start, bit, F_WRLCK);

        if (!(mask & 1U << bit))
            continue;
        if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
            return bf_error_set_errno(err, errno, "cannot look for locks");
        *ret_found = lock.l_type != F_UNLCK;
    }
    return 0;
}

/* Announce first and look afterwards: of two that begin at once both may give up, but never go on.
 */
static int take(int fd, enum bf_image_lock lock, struct bf_error *err)
{
    unsigned used = permissions[lock].used;
    unsigned unshared = permissions[lock].unshared;
    bool writer = false;
    bool denied = false;
    int r = announce(fd, PERM_BASE, used, err);

    if (r == 0)
        r = announce(fd, SHARED_BASE, unshared, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = find_others(fd, PERM_BASE, unshared, &writer, err);
    if (r == 0)
        r = find_others(fd, SHARED_BASE, used, &denied, err);
    if (r < 0)
        return r;
    if (!writer && !denied)
        return 0;
    if (lock == BF_IMAGE_LOCK_READ)
        return bf_error_set(err, BF_E_IMAGE_IN_USE,
                            "in use: a running VM or another program has it open for writing; shut "
                            "that down first");
    return bf_error_set(
        err, BF_E_IMAGE_IN_USE,
        "in use: a running VM or another program has it open; shut that down first");
}

static void let_go(int fd)
{
    for (int start = PERM_BASE; start <= SHARED_BASE; start += SHARED_BASE - PERM_BASE) {
        struct flock lock = one_byte(start, 0, F_UNLCK);

        lock.l_len = NR_PERMISSIONS;
        (void)fcntl(fd, F_OFD_SETLK, &lock);
    }
}

int bf_image_lock(int fd, const char *path, enum bf_image_lock lock, struct bf_error *err)
{
    int r = take(fd, lock, err);

    if (r < 0) {
        let_go(fd);
        if (err)
            return bf_error_prefix(err, "%s", path);
    }
    return r;
}
