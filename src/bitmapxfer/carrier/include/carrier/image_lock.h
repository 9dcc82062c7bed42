/** QEMU's image locks, taken the way QEMU takes them, so that bitferry and QEMU exclude each other.
 *
 * QEMU holds open file description locks on single bytes of the image: byte 100 + i for a
 * permission it uses, byte 200 + i for one it does not share with others. Source:
 * block/file-posix.c, RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE; permissions in
 * include/block/block-common.h: CONSISTENT_READ 1, WRITE 2, WRITE_UNCHANGED 4, RESIZE 8.
 */
#ifndef CARRIER_IMAGE_LOCK_H
#define CARRIER_IMAGE_LOCK_H

#include "base/error.h"

enum bf_image_lock {
    BF_IMAGE_LOCK_READ,  /* others may read, not write */
    BF_IMAGE_LOCK_WRITE, /* we write; others may neither read nor write */
};

/** Lock the image open as @fd until that open file description is closed.  @path is for the
 * message. Errors: IMAGE_IN_USE if another process uses it in a way that does not fit; IO.  A file
 * system without OFD locks: 0, as QEMU goes on there too. */
int bf_image_lock(int fd, const char *path, enum bf_image_lock lock, struct bf_error *err);

#endif
