/** What the files of the reader share.  Messages leave out the name of the image; the public
 * functions put it in front. */
#ifndef CARRIER_READER_PRIVATE_H
#define CARRIER_READER_PRIVATE_H

#include "carrier/reader.h"
#include "format.h"

struct bf_reader_bitmap {
    struct bf_reader *reader;
    const char *name;     /* within reader->names */
    const char *unusable; /* static text, or NULL */
    struct bf_qcow2_entry entry;
};

struct bf_reader {
    struct bf_blob *blob;
    struct bf_qcow2_header header;
    struct bf_qcow2_bitmaps extension;
    struct bf_image_info image;
    char *names; /* NUL-terminated, one behind the other */
    struct bf_reader_bitmap *bitmaps;
    uint32_t *by_name; /* indices in the order of the names */
};

/** Header and extensions: fills in header, extension and image. */
int bf_reader_load_header(struct bf_reader *reader, struct bf_error *err);

/** Bitmap directory: fills in names, bitmaps and by_name. */
int bf_reader_load_directory(struct bf_reader *reader, struct bf_error *err);

/** Does everything that the bitmaps stand on lie within the image and in a place of its own? */
int bf_reader_check_map(struct bf_reader *reader, struct bf_error *err);

struct bf_geometry bf_reader_geometry(const struct bf_reader_bitmap *bitmap);

/** Read @nr_entries of the bitmap's table from entry @first on. */
int bf_reader_table(const struct bf_reader_bitmap *bitmap, uint64_t first, uint64_t nr_entries,
                    uint8_t *buf, struct bf_error *err);

/** Decode an entry and check it by itself: reserved bits, alignment, end of the file. */
int bf_reader_cluster(const struct bf_reader_bitmap *bitmap, uint64_t index, const uint8_t *from,
                      struct bf_qcow2_cluster *ret_cluster, struct bf_error *err);

#endif
