#include "reader_private.h"

#include <string.h>

/* Put the name of the image before the message of @r. */
static int named(const struct bf_blob *blob, int r, struct bf_error *err)
{
    if (r < 0 && err)
        return bf_error_prefix(err, "%s", blob->name);
    return r;
}

static int load(struct bf_reader *reader, struct bf_error *err)
{
    int r = bf_reader_load_header(reader, err);

    if (r == 0)
        r = bf_reader_load_directory(reader, err);
    if (r == 0)
        r = bf_reader_check_map(reader, err);
    if (r == 0)
        r = reader->blob->ops->check_unchanged(reader->blob, err);
    return r;
}

int bf_reader_open(struct bf_blob *blob, struct bf_reader **ret_reader, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = calloc(1, sizeof *reader);
    int r;

    if (!reader) {
        bf_blob_free(blob);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to read an image");
    }
    reader->blob = blob;
    r = load(reader, err);
    if (r < 0)
        return named(blob, r, err);
    *ret_reader = bf_steal_ptr(&reader);
    return 0;
}

int bf_reader_open_path(const char *path, unsigned blob_flags, struct bf_reader **ret_reader,
                        struct bf_error *err)
{
    struct bf_blob *blob;
    int r = bf_blob_open_file(path, blob_flags, &blob, err);

    if (r < 0)
        return r;
    return bf_reader_open(blob, ret_reader, err);
}

void bf_reader_free(struct bf_reader *reader)
{
    if (!reader)
        return;
    bf_blob_free(reader->blob);
    free(reader->names);
    free(reader->bitmaps);
    free(reader->by_name);
    free(reader);
}

const struct bf_image_info *bf_reader_image(const struct bf_reader *reader)
{
    return &reader->image;
}

struct bf_geometry bf_reader_geometry(const struct bf_reader_bitmap *bitmap)
{
    return (struct bf_geometry){
        .disk_size_bytes = bitmap->reader->image.virtual_size_bytes,
        .granularity_bytes = UINT64_C(1) << bitmap->entry.granularity_bits,
    };
}

void bf_reader_bitmap(const struct bf_reader *reader, uint32_t index,
                      struct bf_image_bitmap *ret_bitmap)
{
    const struct bf_reader_bitmap *bitmap = &reader->bitmaps[index];

    *ret_bitmap = (struct bf_image_bitmap){
        .name = bitmap->name,
        .geometry = bf_reader_geometry(bitmap),
        .recording = (bitmap->entry.flags & BF_QCOW2_ENTRY_AUTO) != 0,
        .in_use = (bitmap->entry.flags & BF_QCOW2_ENTRY_IN_USE) != 0,
        .unusable = bitmap->unusable,
    };
}

int bf_reader_find(const struct bf_reader *reader, const char *name, uint32_t *ret_index,
                   struct bf_error *err)
{
    uint32_t low = 0;
    uint32_t high = reader->image.nr_bitmaps;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, reader->bitmaps[reader->by_name[middle]].name);

        if (order == 0) {
            *ret_index = reader->by_name[middle];
            return 0;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "%s: there is no bitmap \"%.255s\"",
                        reader->blob->name, name);
}

int bf_reader_check_unchanged(struct bf_reader *reader, struct bf_error *err)
{
    return named(reader->blob, reader->blob->ops->check_unchanged(reader->blob, err), err);
}
