#include "target_image.h"

#include "base/math.h"
#include "carrier/reader.h"

/* Clusters that one bitmap takes at most: its bits and its table. */
static uint64_t stored_bytes(uint64_t packed_bytes, uint64_t cluster_bytes)
{
    uint64_t nr_clusters = bf_div_round_up_u64(packed_bytes, cluster_bytes);
    uint64_t table_clusters = bf_div_round_up_u64(nr_clusters * sizeof(uint64_t), cluster_bytes);

    return (nr_clusters + table_clusters) * cluster_bytes;
}

/* QEMU stores every bitmap anew when it closes an image, before it frees the old copies.  Refcounts
 * take at most one bit in 64 on top (8 bytes for a cluster of 512); the spare is for the directory
 * (at most 64 MiB), the refcount table (at most 8 MiB) and what is rounded. */
static uint64_t growth(const struct bf_reader *reader, const struct bf_install_bitmap *bitmaps,
                       size_t nr_bitmaps)
{
    const struct bf_image_info *info = bf_reader_image(reader);
    const uint64_t spare_bytes = UINT64_C(1) << 28;
    uint64_t sum_bytes = 0;

    for (uint32_t i = 0; i < info->nr_bitmaps; i++) {
        struct bf_image_bitmap bitmap;

        bf_reader_bitmap(reader, i, &bitmap);
        sum_bytes +=
            stored_bytes(bf_geometry_packed_bytes(&bitmap.geometry), info->cluster_size_bytes);
    }
    for (size_t i = 0; i < nr_bitmaps; i++) {
        struct bf_geometry geometry = {info->virtual_size_bytes, bitmaps[i].granularity_bytes};

        sum_bytes += stored_bytes(bf_geometry_packed_bytes(&geometry), info->cluster_size_bytes);
    }
    return sum_bytes + sum_bytes / 32 + spare_bytes;
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

int bf_target_image_look(const char *path, const char *key_file,
                         const struct bf_install_bitmap *bitmaps, size_t nr_bitmaps,
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
        .growth_bytes = growth(reader, bitmaps, nr_bitmaps),
        .encryption = info->encryption,
    };
    return 0;
}
