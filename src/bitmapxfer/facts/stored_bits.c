/* What bitmaps an image has, as one text: name, granularity and digest of each, in the order of
 * their names. */
#include "facts/facts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "carrier/describe.h"
#include "private.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The daemon waits for it: about a third of a second.  With more the image is just not known. */
enum { BITS_MAX_BYTES = 64 << 20 };

static void release_catalog(struct bf_catalog *catalog)
{
    bf_catalog_release(catalog);
}

/* All of them can be read, and in no time. */
static bool is_usable(const struct bf_reader *reader)
{
    uint64_t nr_bytes = 0;

    for (uint32_t i = 0; i < bf_reader_image(reader)->nr_bitmaps; i++) {
        struct bf_image_bitmap bitmap;

        bf_reader_bitmap(reader, i, &bitmap);
        if (bitmap.unusable)
            return false;
        nr_bytes += bf_geometry_packed_bytes(&bitmap.geometry);
    }
    return bf_reader_image(reader)->nr_bitmaps > 0 && nr_bytes <= BITS_MAX_BYTES;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct bf_catalog_bitmap *)a)->name,
                  ((const struct bf_catalog_bitmap *)b)->name);
}

static void add(struct sha256_ctx *ctx, const struct bf_catalog_bitmap *bitmap)
{
    char granularity[32];

    (void)snprintf(granularity, sizeof granularity, "%" PRIu64, bitmap->granularity_bytes);
    sha256_update(ctx, strlen(bitmap->name) + 1, (const uint8_t *)bitmap->name);
    sha256_update(ctx, strlen(granularity) + 1, (const uint8_t *)granularity);
    sha256_update(ctx, sizeof bitmap->summary.sha256, bitmap->summary.sha256);
}

void bf_image_bits(const char *path, char buf[BF_FACTS_IDENTITY_MAX_BYTES + 1])
{
    BF_CLEANUP(release_catalog) struct bf_catalog catalog = {0};
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_error err = BF_ERROR_INIT;
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct bf_catalog_disk *disk;
    char hex[BF_HEX_SHA256_MAX];
    struct sha256_ctx ctx;

    buf[0] = '\0';
    if (bf_reader_open_path(path, BF_BLOB_FORCE_SHARE, &reader, &err) < 0 || !is_usable(reader) ||
        bf_describe_image(reader, "image", true, NULL, &catalog, &err) < 0)
        return;
    disk = &catalog.disks[0];
    qsort(disk->bitmaps, disk->nr_bitmaps, sizeof disk->bitmaps[0], by_name);
    sha256_init(&ctx);
    for (size_t i = 0; i < disk->nr_bitmaps; i++)
        add(&ctx, &disk->bitmaps[i]);
    sha256_digest(&ctx, sizeof digest, digest);
    bf_hex_encode(digest, sizeof digest, hex);
    (void)snprintf(buf, BF_FACTS_IDENTITY_MAX_BYTES + 1, "%zu %s", disk->nr_bitmaps, hex);
}
