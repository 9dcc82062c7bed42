/** What has to be known of an image to stage it. */
#ifndef TARGET_IMAGE_H
#define TARGET_IMAGE_H

#include "attach/install.h"

#include <stdint.h>

struct bf_target_image {
    uint64_t virtual_size_bytes;
    uint64_t external_data_bytes; /* 0: no external data file */
    uint64_t growth_bytes;        /* what the image file may grow by, at most */
    const char *encryption;       /* NULL, "aes" or "luks" */
};

/** Look at the image (which must not be in use) and see that it can be staged at all, when @bitmaps
 * are to come into it.  Errors: as bf_reader_open_path(); IMAGE_CORRUPT if it is marked dirty or
 * corrupt; USAGE if it is encrypted and @key_file is NULL. */
int bf_target_image_look(const char *path, const char *key_file,
                         const struct bf_install_bitmap *bitmaps, size_t nr_bitmaps,
                         struct bf_target_image *ret_image, struct bf_error *err);

#endif
