#include "target_image.h"

#include "carrier/reader.h"

/* QEMU stores every bitmap anew when it closes an image, before it frees the old copies; tables,
 * directory and refcounts come on top. */
static uint64_t growth(const struct bf_reader *reader, uint64_t new_packed_bytes)
{
    uint64_t packed_bytes = new_packed_bytes;
    const uint64_t spare_bytes = UINT64_C(1) << 30;

    for (uint32_t i = 0; i < bf_reader_image(reader)->nr_bitmaps; i++) {
        struct bf_image_bitmap bitmap;

        bf_reader_bitmap(reader, i, &bitmap);
        packed_bytes += bf_geometry_packed_bytes(&bitmap.geometry);
    }
    return 2 * packed_bytes + spare_bytes;
}

static int judge(const char *path, const struct bf_image_info *info, const char *key_file,
                 struct bf_error *err)
{
    if (info->corrupt)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "%s is marked corrupt: repair it with `qemu-img check -r all` first",
                            path);
    if (info->dirty)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "%s was not closed cleanly (its refcounts may be wrong): run `qemu-img "
                            "check -r all` on it first",
                            path);
    if (info->encryption && !key_file)
        return bf_error_set(err, BF_E_USAGE,
                            "%s is encrypted (%s): QEMU needs its passphrase to open it, give "
                            "--key-file FILE",
                            path, info->encryption);
    return 0;
}

int bf_target_image_look(const char *path, const char *key_file, uint64_t new_packed_bytes,
                         struct bf_target_image *ret_image, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const struct bf_image_info *info;
    int r = bf_reader_open_path(path, 0, &reader, err);

    if (r < 0)
        return r;
    info = bf_reader_image(reader);
    r = judge(path, info, key_file, err);
    if (r < 0)
        return r;
    *ret_image = (struct bf_target_image){
        .virtual_size_bytes = info->virtual_size_bytes,
        .external_data_bytes = info->external_data ? info->virtual_size_bytes : 0,
        .growth_bytes = growth(reader, new_packed_bytes),
        .encryption = info->encryption,
    };
    return 0;
}
