#include "verify_archive.h"

#include "archive_folder.h"
#include "base/text.h"
#include "output.h"
#include "target.h"

#include <stdio.h>

static int prove(const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *listed,
                 const struct bf_catalog *found, struct bf_error *err)
{
    const struct bf_catalog_disk *there = bf_catalog_find_disk(found, disk->name);
    const struct bf_catalog_bitmap *bitmap =
        there ? bf_catalog_find_bitmap(there, listed->name) : NULL;

    if (bitmap && bitmap->has_summary && bitmap->recording == listed->recording &&
        bitmap->granularity_bytes == listed->granularity_bytes &&
        bf_summary_equal(&bitmap->summary, &listed->summary))
        return 0;
    return bf_error_set(
        err, BF_E_DIGEST_MISMATCH,
        "the bitmap '%.255s' of disk '%.255s' is not the one that the manifest lists", listed->name,
        disk->name);
}

static int prove_all(const struct bf_manifest *manifest, const struct bf_catalog *found,
                     struct bf_error *err)
{
    int ret = 0;

    for (size_t i = 0; i < manifest->catalog.nr_disks; i++) {
        const struct bf_catalog_disk *disk = &manifest->catalog.disks[i];

        for (size_t j = 0; ret == 0 && j < disk->nr_bitmaps; j++) {
            if (disk->bitmaps[j].has_summary)
                ret = prove(disk, &disk->bitmaps[j], found, err);
        }
    }
    return ret;
}

static const char *result_of(const struct bf_catalog_bitmap *bitmap)
{
    return bitmap->has_summary ? "proven" : "not archived";
}

static int print(const struct bf_manifest *manifest, struct bf_error *err)
{
    for (size_t i = 0; i < manifest->catalog.nr_disks; i++) {
        const struct bf_catalog_disk *disk = &manifest->catalog.disks[i];

        for (size_t j = 0; j < disk->nr_bitmaps; j++) {
            BF_CLEANUP(bf_freep) char *name = bf_escape(disk->bitmaps[j].name);

            (void)printf("%s/%s  %s\n", disk->name, name ? name : "", result_of(&disk->bitmaps[j]));
        }
    }
    return bf_output_finish(err);
}

static json_t *to_json(const struct bf_manifest *manifest)
{
    json_t *bitmaps = json_array();

    for (size_t i = 0; i < manifest->catalog.nr_disks; i++) {
        const struct bf_catalog_disk *disk = &manifest->catalog.disks[i];

        for (size_t j = 0; j < disk->nr_bitmaps; j++)
            (void)json_array_append_new(bitmaps,
                                        json_pack("{s:s, s:o, s:s}", "disk", disk->name, "bitmap",
                                                  bf_text_to_json(disk->bitmaps[j].name), "result",
                                                  result_of(&disk->bitmaps[j])));
    }
    return json_pack("{s:i, s:o}", "schema", 1, "bitmaps", bitmaps);
}

int bf_verify_archive(const struct bf_arguments *args, const char *folder, struct bf_error *err)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;
    struct bf_target_options options = {.args = args};
    int ret = bf_archive_verify(folder, &manifest, err);

    if (ret == 0)
        ret = bf_target_open(folder, &options, &target, err);
    if (ret == 0)
        ret = bf_target_summarize(target, err);
    if (ret == 0)
        ret = prove_all(&manifest, bf_target_catalog(target), err);
    if (ret < 0)
        return ret;
    return args->json ? bf_print_json(to_json(&manifest), err) : print(&manifest, err);
}
