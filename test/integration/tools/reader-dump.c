/* reader-dump [-U] [-w] [-m] IMAGE: what the carrier library reads from an image, one bitmap a
 * line:
 *
 *     GRANULARITY <tab> recording|frozen|unusable <tab> COUNT <tab> SHA256 <tab> NAME
 *
 * with COUNT in bytes as QEMU tells it, or "- -" and the reason if unusable.  -U: although it may
 * be in use.  -w: say "open" when the image is, and go on when stdin ends.  -m: end with the peak
 * of resident memory in KiB.  Exit codes are those of bitferry. */
#include "base/text.h"
#include "carrier/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void release_catalog(struct bf_catalog *catalog)
{
    bf_catalog_release(catalog);
}

static void print_bitmap(const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap)
{
    struct bf_geometry geometry = bf_catalog_geometry(disk, bitmap);
    char hex[BF_HEX_SHA256_MAX];

    if (!bitmap->consistent) {
        printf("%" PRIu64 "\tunusable\t-\t-\t%s\t%s\n", bitmap->granularity_bytes, bitmap->name,
               bitmap->problem);
        return;
    }
    bf_hex_encode(bitmap->summary.sha256, BF_SHA256_BYTES, hex);
    printf("%" PRIu64 "\t%s\t%" PRIu64 "\t%s\t%s\n", bitmap->granularity_bytes,
           bitmap->recording ? "recording" : "frozen",
           bf_summary_dirty_bytes(&bitmap->summary, &geometry), hex, bitmap->name);
}

static int dump(const char *path, unsigned flags, bool wait, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(release_catalog) struct bf_catalog catalog = {0};
    int r = bf_reader_open_path(path, flags, &reader, err);

    if (r < 0)
        return r;
    if (wait) {
        puts("open");
        (void)fflush(stdout);
        while (getchar() != EOF)
            continue;
    }
    r = bf_describe_image(reader, "disk", true, NULL, &catalog, err);
    if (r < 0)
        return r;
    if (catalog.disks[0].note)
        printf("note\t%s\n", catalog.disks[0].note);
    for (size_t i = 0; i < catalog.disks[0].nr_bitmaps; i++)
        print_bitmap(&catalog.disks[0], &catalog.disks[0].bitmaps[i]);
    return 0;
}

int main(int argc, char **argv)
{
    struct bf_error err = BF_ERROR_INIT;
    struct rusage usage;
    unsigned flags = 0;
    bool memory = false;
    bool wait = false;
    int option;

    while ((option = getopt(argc, argv, "Uwm")) != -1) {
        flags |= option == 'U' ? BF_BLOB_FORCE_SHARE : 0U;
        wait = wait || option == 'w';
        memory = memory || option == 'm';
    }
    if (optind + 1 != argc)
        return BF_EXIT_USAGE;
    if (dump(argv[optind], flags, wait, &err) < 0) {
        (void)fprintf(stderr, "%s: %s\n", bf_code_name(err.code), err.text);
        return bf_code_exit(err.code);
    }
    if (memory && getrusage(RUSAGE_SELF, &usage) == 0)
        printf("%ld\n", usage.ru_maxrss);
    return BF_EXIT_OK;
}
