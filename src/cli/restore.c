/* `bitferry restore`: bitmaps from an archive folder into an image. */
#include "archive_folder.h"
#include "carry.h"

#include <inttypes.h>
#include <stdio.h>

static const struct bf_option options[BF_NR_CARRY_OPTIONS] = {BF_CARRY_OPTIONS};

struct restore {
    const struct bf_arguments *args;
    const char *folder;
    struct bf_manifest manifest;
    struct bf_target *carrier; /* of the chosen disk */
};

static void release(struct restore *restore)
{
    if (restore->carrier)
        bf_target_free(restore->carrier);
    bf_manifest_release(&restore->manifest);
}

/* The digests cover the bits; that they are bits of this disk is said by carrier and manifest
 * alike. */
static int check_carrier(const struct bf_catalog_disk *disk, const struct bf_catalog_disk *carrier,
                         const char *path, struct bf_error *err)
{
    if (carrier->virtual_size_bytes != disk->virtual_size_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "%s is for a disk of %" PRIu64 " bytes, the manifest says %" PRIu64,
                            path, carrier->virtual_size_bytes, disk->virtual_size_bytes);
    for (size_t i = 0; i < disk->nr_bitmaps; i++) {
        const struct bf_catalog_bitmap *wanted = &disk->bitmaps[i];
        const struct bf_catalog_bitmap *found = bf_catalog_find_bitmap(carrier, wanted->name);

        if (wanted->consistent && (!found || found->granularity_bytes != wanted->granularity_bytes))
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "%s does not hold the bitmap '%.255s' that the manifest lists",
                                path, wanted->name);
    }
    return 0;
}

static int open_carrier(void *ctx, const struct bf_catalog_disk *disk,
                        struct bf_target **ret_target, const char **ret_disk, struct bf_error *err)
{
    struct restore *restore = ctx;
    struct bf_target_options target_options = {.args = restore->args};
    const struct bf_manifest_file *file = bf_manifest_find_file(&restore->manifest, disk->name);
    BF_CLEANUP(bf_freep) char *path = NULL;
    const struct bf_catalog *catalog;
    int ret;

    if (!file)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "archive '%s' lists no file for disk '%s'",
                            restore->folder, disk->name);
    if (asprintf(&path, "%s/%s", restore->folder, file->name) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = bf_target_open(path, &target_options, &restore->carrier, err);
    if (ret < 0)
        return ret;
    catalog = bf_target_catalog(restore->carrier);
    *ret_target = restore->carrier;
    *ret_disk = catalog->disks[0].name;
    return check_carrier(disk, &catalog->disks[0], path, err);
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(release) struct restore restore = {.args = args, .folder = args->operands[0]};
    struct bf_carry_source source = {
        .catalog = &restore.manifest.catalog, .open = open_carrier, .ctx = &restore};
    int ret = bf_archive_verify(restore.folder, &restore.manifest, err);

    return ret < 0 ? ret : bf_carry(args, &source, err);
}

const struct bf_command bf_restore_command = {
    .name = "restore",
    .summary = "Install the bitmaps of an archive in an image",
    .operands = "FOLDER",
    .operand_kind = BF_ARGUMENT_FOLDER,
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .nr_options = BF_NR_CARRY_OPTIONS,
    .description =
        "Checks the archive in _FOLDER_ (see *archive*) against its checksums, the bitmaps against "
        "their digests, and installs the bitmaps of one disk in _IMAGE_ as *pull* does: all of "
        "them "
        "or none, proven by QEMU.  A damaged archive is refused (exit code 14) with the file "
        "named, "
        "and nothing is changed.\n"
        "\n"
        "_IMAGE_ must hold the disk's data as it was when the archive was made, or newer data that "
        "the bitmaps there have followed: bitferry cannot see which data a bitmap belongs to.  "
        "Without bitferry, _qemu-img bitmap --merge_ takes single bitmaps from the carriers.",
    .examples = "bitferry restore /backup/monday --into vda.qcow2\n"
                "all bitmaps of the disk vda\n",
    .run = run,
};
