/** The images that a disk's image stands on. */
#ifndef CLI_IMAGES_BELOW_H
#define CLI_IMAGES_BELOW_H

#include "base/error.h"

#include <stdint.h>

/** @name: "vda[1]" and so on, see base/name.h; @path: as qemu-img has it.  Non-zero ends the walk.
 */
typedef int bf_image_below_fn(void *ctx, const char *name, const char *path, uint64_t size_bytes,
                              struct bf_error *err);

/** Call @each for every image below the one at @path, from the top down.  Errors: those of
 *  bf_image_chain() and of @each. */
int bf_images_below(const char *path, const char *disk, bf_image_below_fn *each, void *ctx,
                    struct bf_error *err);

#endif
