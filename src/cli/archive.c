/* `bitferry archive`: the bitmaps of images into a folder with checksums. */
#include "archive_chain.h"
#include "archive_files.h"
#include "archive_folder.h"
#include "base/name.h"
#include "base/text.h"
#include "carrier/writer.h"
#include "catalog/checkpoints.h"
#include "command.h"
#include "options.h"
#include "outcome.h"
#include "output.h"
#include "target.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OPT_TO, OPT_BITMAP, OPT_CHECKPOINTS, NR_OPTIONS };

static const struct bf_option options[NR_OPTIONS] = {
    [OPT_TO] = {.name = "to",
                .letter = 't',
                .placeholder = "FOLDER",
                .kind = BF_ARGUMENT_FOLDER,
                .required = true,
                .help = "the folder to make; it must not exist, or be empty"},
    [OPT_BITMAP] = BF_OPTION_BITMAP,
    [OPT_CHECKPOINTS] = {.name = "checkpoints",
                         .placeholder = "FILE",
                         .kind = BF_ARGUMENT_FILE,
                         .help =
                             "which checkpoints the bitmaps are for, in JSON (the manual says how "
                             "under *doctor*): kept in the archive, for *serve --since*"},
};

struct work {
    const struct bf_arguments *args;
    struct bf_archive_images images;
    struct bf_outcomes outcomes;
    struct bf_archive *archive;
    struct bf_manifest manifest;
};

static void release(struct work *work)
{
    bf_archive_images_release(&work->images);
    bf_outcomes_release(&work->outcomes);
    bf_manifest_release(&work->manifest);
    if (work->archive)
        bf_archive_free(work->archive);
}

static int choose_bitmaps(struct work *work, struct bf_archive_image *image, struct bf_error *err)
{
    int ret = 0;

    image->first_outcome = work->outcomes.nr_items;
    for (size_t i = 0; ret == 0 && i < image->disk.nr_bitmaps; i++) {
        const struct bf_catalog_bitmap *bitmap = &image->disk.bitmaps[i];
        struct bf_outcome *outcome;

        if (!bf_option_selects(work->args, OPT_BITMAP, bitmap->name))
            continue;
        ret = bf_outcomes_add(&work->outcomes, &image->disk, bitmap, &outcome, err);
        if (ret == 0)
            ret = bf_outcome_drop_unusable(outcome, err);
    }
    image->nr_outcomes = work->outcomes.nr_items - image->first_outcome;
    return ret;
}

static int check_choice(const struct work *work, struct bf_error *err)
{
    const struct bf_option_values *names = &work->args->options[OPT_BITMAP];
    size_t nr_found = 0;

    for (size_t i = 0; i < names->nr_values; i++) {
        nr_found = 0;
        for (size_t j = 0; j < work->outcomes.nr_items; j++)
            nr_found += strcmp(work->outcomes.items[j].source->name, names->values[i]) == 0;
        if (nr_found == 0)
            return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "no image has a bitmap '%.255s'",
                                names->values[i]);
    }
    if (work->outcomes.nr_items == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND, "there is no bitmap to archive");
    return 0;
}

static int open_images(struct work *work, struct bf_error *err)
{
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < work->args->nr_operands; i++)
        ret = bf_archive_images_add(&work->images, work->args, work->args->operands[i], err);
    for (size_t i = 0; ret == 0 && i < work->images.nr_items; i++)
        ret = choose_bitmaps(work, work->images.items[i], err);
    return ret == 0 ? check_choice(work, err) : ret;
}

static int read_checkpoints(struct work *work, struct bf_error *err)
{
    const char *path = bf_option_value(work->args, OPT_CHECKPOINTS);
    BF_CLEANUP(bf_freep) char *text = NULL;
    size_t nr_bytes = 0;
    int ret;

    if (!path)
        return 0;
    ret = bf_file_read(AT_FDCWD, path, BF_CHECKPOINTS_JSON_MAX_BYTES, &text, &nr_bytes, err);
    if (ret < 0)
        return ret;
    ret = bf_checkpoints_parse(text, nr_bytes, &work->manifest.checkpoints, err);
    return ret < 0 ? bf_error_prefix(err, "%.300s", path) : 0;
}

/* The name that the target itself has for it. */
static const char *there(const struct bf_archive_image *image)
{
    return bf_target_catalog(image->target)->disks[0].name;
}

static int copy_bitmap(struct bf_archive_image *image, struct bf_writer *writer,
                       struct bf_outcome *outcome, struct bf_error *err)
{
    struct bf_target_copy copy = {
        .bitmap = outcome->source->name,
        .spec = {.name = outcome->source->name,
                 .granularity_bytes = outcome->source->granularity_bytes,
                 .recording = outcome->source->recording},
    };
    int ret = bf_target_copy(image->target, there(image), writer, &copy, 1, err);

    outcome->summary = copy.summary;
    outcome->has_summary = ret == 0;
    if (ret == 0)
        outcome->kind = BF_OUTCOME_ARCHIVED;
    return ret;
}

static int fill_carrier(struct work *work, struct bf_archive_image *image, struct bf_writer *writer,
                        struct bf_error *err)
{
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < image->nr_outcomes; i++) {
        struct bf_outcome *outcome = &work->outcomes.items[image->first_outcome + i];

        if (outcome->kind != BF_OUTCOME_DROPPED)
            ret = copy_bitmap(image, writer, outcome, err);
    }
    return ret == 0 ? bf_writer_finish(writer, err) : ret;
}

static int write_carrier(struct work *work, struct bf_archive_image *image, struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    BF_CLEANUP(bf_freep) char *name = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int ret;

    if (asprintf(&name, "%s.carrier.qcow2", image->name) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (strlen(name) > NAME_MAX)
        return bf_error_set(err, BF_E_LIMIT, "the name of disk '%s' is too long for a file",
                            image->name);
    ret = bf_archive_create(work->archive, name, &fd, err);
    if (ret == 0)
        ret = bf_writer_new(fd, name, image->disk.virtual_size_bytes, &writer, err);
    if (ret == 0)
        ret = fill_carrier(work, image, writer, err);
    if (ret == 0)
        ret = bf_archive_enter(work->archive, name, image->name, &work->manifest, err);
    return ret;
}

/* Into the manifest: what was archived, with its digest, and what was not, with the reason. */
static int enter_bitmaps(struct work *work, const struct bf_archive_image *image,
                         struct bf_error *err)
{
    struct bf_catalog_disk *disk =
        &work->manifest.catalog.disks[work->manifest.catalog.nr_disks - 1];
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < image->nr_outcomes; i++) {
        const struct bf_outcome *outcome = &work->outcomes.items[image->first_outcome + i];
        struct bf_catalog_bitmap bitmap = *outcome->source;

        bitmap.has_summary = outcome->has_summary;
        bitmap.summary = outcome->summary;
        ret = bf_catalog_add_bitmap(disk, &bitmap, err);
    }
    return ret;
}

static bool has_kept(const struct work *work, const struct bf_archive_image *image)
{
    for (size_t i = 0; i < image->nr_outcomes; i++) {
        if (work->outcomes.items[image->first_outcome + i].kind != BF_OUTCOME_DROPPED)
            return true;
    }
    return false;
}

static int archive_image(struct work *work, struct bf_archive_image *image, struct bf_error *err)
{
    struct bf_catalog_disk *disk;
    int ret = bf_catalog_add_disk(&work->manifest.catalog, image->name,
                                  image->disk.virtual_size_bytes, &disk, err);

    if (ret == 0 && image->disk.note) {
        disk->note = strdup(image->disk.note);
        if (!disk->note)
            ret = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    if (ret == 0 && has_kept(work, image))
        ret = write_carrier(work, image, err);
    return ret == 0 ? enter_bitmaps(work, image, err) : ret;
}

static int describe_origin(struct bf_manifest *manifest, struct bf_error *err)
{
    char host[HOST_NAME_MAX + 1] = "";

    (void)gethostname(host, sizeof host - 1);
    manifest->created_unix_s = (int64_t)time(NULL);
    manifest->creator = strdup("bitferry " BF_VERSION);
    manifest->host = strdup(host);
    if (!manifest->creator || !manifest->host)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return 0;
}

static int make_archive(struct work *work, struct bf_error *err)
{
    int ret = describe_origin(&work->manifest, err);

    for (size_t i = 0; ret == 0 && i < work->images.nr_items; i++)
        ret = archive_image(work, work->images.items[i], err);
    return ret == 0 ? bf_archive_publish(work->archive, &work->manifest, err) : ret;
}

static int report(const struct work *work, struct bf_error *err)
{
    const char *folder = bf_option_value(work->args, OPT_TO);
    int exit_code = bf_outcomes_exit(&work->outcomes);
    int ret;

    if (work->args->json) {
        ret = bf_print_json(
            json_pack("{s:i, s:o, s:o, s:i}", "schema", 1, "folder", bf_text_to_json(folder),
                      "bitmaps", bf_outcomes_to_json(&work->outcomes, true), "exit", exit_code),
            err);
        return ret < 0 ? ret : exit_code;
    }
    ret = bf_outcomes_print(&work->outcomes, true, err);
    return ret < 0 ? ret : exit_code;
}

static int run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(release) struct work work = {.args = args};
    int ret = open_images(&work, err);

    if (ret == 0)
        ret = read_checkpoints(&work, err);
    if (ret == 0)
        ret = bf_archive_new(bf_option_value(args, OPT_TO), &work.archive, err);
    if (ret == 0 && bf_outcomes_count_kept(&work.outcomes) > 0)
        ret = make_archive(&work, err);
    return ret == 0 ? report(&work, err) : ret;
}

const struct bf_command bf_archive_command = {
    .name = "archive",
    .summary = "Keep the bitmaps of images in a folder with checksums",
    .operands = "IMAGE...",
    .operand_kind = BF_ARGUMENT_FILE,
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .options = options,
    .nr_options = NR_OPTIONS,
    .description =
        "Copies the bitmaps of shut-off images, each known by its file name without _.qcow2_, into "
        "a "
        "new folder: a carrier for each image (_NAME.carrier.qcow2_: a qcow2 file without data "
        "that "
        "only holds bitmaps), a manifest (_manifest.pb_, and for people _manifest.json_) and "
        "_SHA256SUMS_ for all of them.  The folder is there as a whole or not at all.\n"
        "\n"
        "Where an image stands on others, theirs are archived too: _NAME[1]_ is the image below, "
        "and "
        "so on.  A checkpoint needs the bitmaps of all images that were written since.\n"
        "\n"
        "An image in use is refused (exit code 11).  Inconsistent bitmaps are dropped: listed with "
        "the reason, the consequence and the remedy, and told by the exit code (3: some, 4: none "
        "is "
        "left, and no folder is made).",
    .examples = "bitferry archive vda.qcow2 vdb.qcow2 --to /backup/monday\n"
                "the bitmaps of two disks\n"
                "cd /backup/monday && sha256sum -c SHA256SUMS\n"
                "check the archive without bitferry\n",
    .run = run,
};
