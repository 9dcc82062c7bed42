/** qcow2 files as the source of bitmaps: one image, or the carriers of a folder. */
#ifndef CLI_TARGET_IMAGE_H
#define CLI_TARGET_IMAGE_H

#include "carrier/reader.h"
#include "target.h"

/** Open readers, one a disk. */
struct bf_image_set {
    struct bf_image {
        char *disk;
        struct bf_reader *reader;
    } * images;
    size_t nr_images;
    const struct bf_arguments *args; /* borrowed */
};

struct bf_image_set *bf_image_set_new(const struct bf_target_options *options,
                                      struct bf_error *err);
void bf_image_set_free(struct bf_image_set *set);
BF_DEFINE_CLEANUP(struct bf_image_set *, bf_image_set_free)

/** Open @path as disk @disk and append it to @catalog, without count and digest. */
int bf_image_set_add(struct bf_image_set *set, const char *path, const char *disk, bool force_share,
                     struct bf_catalog *catalog, struct bf_error *err);

/** Operations of a source (target_source.h) that is a struct bf_image_set. */
int bf_image_set_bits(void *source, const struct bf_catalog_disk *disk,
                      const struct bf_catalog_bitmap *bitmap, struct bf_bits *ret_bits,
                      struct bf_error *err);
int bf_image_set_append(void *source, const struct bf_catalog_disk *disk,
                        const struct bf_catalog_bitmap *bitmap, struct bf_writer *writer,
                        struct bf_error *err);
void bf_image_set_release(void *source);

/** The name of the disk that the image at @path is: its file name, without ".qcow2" or
 *  ".carrier.qcow2", and with what a disk name cannot hold replaced by '_'. */
void bf_disk_name_of_path(const char *path, char buf[256]);

#endif
