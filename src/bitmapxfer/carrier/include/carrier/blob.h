/** Bytes that a qcow2 image is read from: a file, memory (tests, fuzzing), or an NBD export.
 *
 * Messages of `ops` and of bf_blob_read() leave the name out: the reader puts it in front of them.
 */
#ifndef CARRIER_BLOB_H
#define CARRIER_BLOB_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_blob;

struct bf_blob_ops {
    /** All of the range, which the caller keeps within the size.  Safe from several threads. */
    int (*read)(struct bf_blob *blob, uint64_t offset_bytes, void *buf, uint64_t nr_bytes,
                struct bf_error *err);
    /** Errors: IMAGE_CHANGED if the bytes are not those that were opened; 0 if they are, or if that
     *  cannot be told. */
    int (*check_unchanged)(struct bf_blob *blob, struct bf_error *err);
    void (*free)(struct bf_blob *blob);
};

struct bf_blob {
    const struct bf_blob_ops *ops;
    uint64_t size_bytes;
    char *name; /* owned; for messages */
};

enum bf_blob_flags {
    /** Read although another process may be writing (`qemu-img -U`).  What is read may be stale or
     *  torn, and a change is not noticed: for looking only, never for carrying. */
    BF_BLOB_FORCE_SHARE = 1 << 0,
};

/** A regular file or block device, read-only, with the locks that QEMU's own tools take: as long as
 *  the blob lives QEMU cannot open it for writing, and while a VM has it open for writing it is
 *  refused.  Errors: IMAGE_IN_USE, NOT_FOUND, PERMISSION, INVALID (a folder, a socket...), IO.
 *  A change is noticed by device, inode, size, mtime and ctime of the path and the open file. */
int bf_blob_open_file(const char *path, unsigned flags, struct bf_blob **ret_blob,
                      struct bf_error *err);

/** Borrows @bytes for the life of the blob. */
int bf_blob_open_memory(const void *bytes, uint64_t size_bytes, struct bf_blob **ret_blob,
                        struct bf_error *err);

/** Range-checked: IMAGE_CORRUPT past the end, with @what named. */
int bf_blob_read(struct bf_blob *blob, uint64_t offset_bytes, void *buf, uint64_t nr_bytes,
                 const char *what, struct bf_error *err);

void bf_blob_free(struct bf_blob *blob);
BF_DEFINE_CLEANUP(struct bf_blob *, bf_blob_free)

#endif
