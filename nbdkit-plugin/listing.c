#include "listing.h"

#include "base/name.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A file chose the reason's words; a description is UTF-8. */
static void make_utf8(char *text)
{
    if (bf_utf8_valid(text, strlen(text)))
        return;
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            *text = '?';
    }
}

/* What is known of the bits, or why nothing is. */
static void describe_bits(struct bf_store *store, struct bf_served which, char *buf, size_t max)
{
    const struct bf_catalog_bitmap *bitmap = bf_store_bitmap(store, which);
    struct bf_geometry geometry = bf_catalog_geometry(bf_store_disk(store, which), bitmap);
    struct bf_error err = BF_ERROR_INIT;
    struct bf_summary summary;
    char sha256[BF_HEX_SHA256_MAX];

    if (!bitmap->consistent) {
        (void)snprintf(buf, max, "state inconsistent, problem %s",
                       bitmap->problem ? bitmap->problem : "unknown");
        return;
    }
    if (bf_store_summary(store, which, &summary, &err) < 0) {
        (void)snprintf(buf, max, "state unreadable, problem %s", err.text);
        return;
    }
    bf_hex_encode(summary.sha256, BF_SHA256_BYTES, sha256);
    (void)snprintf(buf, max,
                   "state %s, dirty %" PRIu64 ", sha256 %s (add .qcow2 to the name for an image "
                   "that QEMU can merge from)",
                   bitmap->recording ? "recording" : "frozen",
                   bf_summary_dirty_bytes(&summary, &geometry), sha256);
}

void bf_listing_describe(struct bf_store *store, struct bf_served which,
                         char buf[BF_DESCRIPTION_MAX + 1])
{
    const struct bf_catalog_disk *disk = bf_store_disk(store, which);
    const struct bf_catalog_bitmap *bitmap = bf_store_bitmap(store, which);
    size_t used;

    (void)snprintf(buf, BF_DESCRIPTION_MAX + 1,
                   "disk %s, size %" PRIu64 ", granularity %" PRIu64 ", ", disk->name,
                   disk->virtual_size_bytes, bitmap->granularity_bytes);
    used = strlen(buf);
    describe_bits(store, which, buf + used, BF_DESCRIPTION_MAX + 1 - used);
    make_utf8(buf);
}

static int check_number(const struct bf_store *store, struct bf_error *err)
{
    size_t nr_bitmaps = 0;

    for (size_t i = 0; i < store->catalog.nr_disks; i++)
        nr_bitmaps += store->catalog.disks[i].nr_bitmaps;
    if (nr_bitmaps > BF_LISTING_MAX)
        return bf_error_set(err, BF_E_LIMIT,
                            "an NBD list holds %d exports, here are %zu: read the index (the "
                            "default export), or choose bitmaps with bitmap=",
                            BF_LISTING_MAX, nr_bitmaps);
    return 0;
}

static int list_one(struct bf_store *store, struct bf_served which,
                    int (*function)(void *ctx, const char *name, const char *description),
                    void *ctx, struct bf_error *err)
{
    char name[BF_EXPORT_NAME_MAX + 1];
    char description[BF_DESCRIPTION_MAX + 1];
    int ret = bf_export_name_encode(bf_store_disk(store, which)->name,
                                    bf_store_bitmap(store, which)->name, BF_VIEW_BITS, name, err);

    if (ret < 0)
        return ret;
    bf_listing_describe(store, which, description);
    return function(ctx, name, description);
}

int bf_listing_each(struct bf_store *store,
                    int (*function)(void *ctx, const char *name, const char *description),
                    void *ctx, struct bf_error *err)
{
    struct bf_served which;
    int ret = check_number(store, err);

    for (which.disk = 0; ret == 0 && which.disk < store->catalog.nr_disks; which.disk++) {
        size_t nr_bitmaps = bf_store_disk(store, which)->nr_bitmaps;
        for (which.bitmap = 0; ret == 0 && which.bitmap < nr_bitmaps; which.bitmap++)
            ret = list_one(store, which, function, ctx, err);
    }
    return ret;
}
