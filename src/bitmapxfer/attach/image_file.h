/** The file or block device of an image, open for writing under QEMU's lock. */
#ifndef IMAGE_FILE_H
#define IMAGE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_image_file {
    int fd; /* holds the lock */
    bool block_device;
    uint64_t file_bytes;
};

/** @path is canonical.  On failure ret_file->fd is -1.  Errors: READ_ONLY, IMAGE_IN_USE, IO. */
int bf_image_file_open(const char *path, struct bf_image_file *ret_file, struct bf_error *err);

#endif
