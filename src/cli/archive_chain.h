/** What an archive is made of: images, each with all that it stands on. */
#ifndef CLI_ARCHIVE_CHAIN_H
#define CLI_ARCHIVE_CHAIN_H

#include "target.h"

/** One image, open (and so locked) until the archive is made. */
struct bf_archive_image {
    struct bf_target *target;    /* NULL: an image below, of a format without bitmaps */
    char *name;                  /* "vda"; "vda[1]" below it */
    struct bf_catalog_disk disk; /* the target's, under that name; borrowed */
    size_t first_outcome;        /* the archive's own, as the next */
    size_t nr_outcomes;
};

struct bf_archive_images {
    struct bf_archive_image **items;
    size_t nr_items;
};

/** Append the image at @path and those below it.  A checkpoint needs the bitmaps of all of them,
 * and must be seen to lack one.  Errors: USAGE (not an image; a name that is there), and those of
 * opening each. */
int bf_archive_images_add(struct bf_archive_images *images, const struct bf_arguments *args,
                          const char *path, struct bf_error *err);
void bf_archive_images_release(struct bf_archive_images *images);

#endif
