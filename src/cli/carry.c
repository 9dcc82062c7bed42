#include "carry.h"

#include "attach/install.h"
#include "attach/work_folder.h"
#include "base/math.h"
#include "base/name.h"
#include "base/text.h"
#include "carrier/reader.h"
#include "carrier/writer.h"
#include "carry_plan.h"
#include "interrupt.h"
#include "model/transform.h"
#include "outcome.h"
#include "output.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { INSTALL_DEADLINE_MS = 300000 }; /* of one step of a local QEMU, on a slow disk */

struct carry {
    const struct bf_arguments *args;
    const struct bf_carry_source *source;
    struct bf_plan_request request;
    struct bf_work_folder *folder;
    const struct bf_catalog_disk *disk;
    struct bf_outcomes outcomes;
    char *carrier_path;
    bool dry_run;
};

static int read_granularity(const struct bf_arguments *args, uint64_t *ret_bytes,
                            struct bf_error *err)
{
    const char *text = bf_option_value(args, BF_CARRY_GRANULARITY);

    if (!text)
        return 0;
    if (!bf_size_parse(text, ret_bytes) || !bf_is_power_of_two_u64(*ret_bytes) ||
        *ret_bytes < BF_GRANULARITY_MIN_BYTES || *ret_bytes > BF_GRANULARITY_MAX_BYTES)
        return bf_error_set(err, BF_E_USAGE,
                            "--granularity is a power of two from 512 to 2G, not '%.100s'", text);
    return 0;
}

static int read_request(const struct bf_arguments *args, struct bf_plan_request *ret_request,
                        struct bf_error *err)
{
    *ret_request = (struct bf_plan_request){
        .image_path = bf_option_value(args, BF_CARRY_INTO),
        .disk = bf_option_value(args, BF_CARRY_DISK),
        .bitmaps = &args->options[BF_CARRY_BITMAP],
        .as = bf_option_value(args, BF_CARRY_AS),
    };
    if (ret_request->as &&
        (ret_request->as[0] == '\0' || strlen(ret_request->as) > BF_BITMAP_NAME_MAX))
        return bf_error_set(err, BF_E_USAGE, "--as: a bitmap name has 1 to %d bytes",
                            BF_BITMAP_NAME_MAX);
    return read_granularity(args, &ret_request->granularity_bytes, err);
}

/* bf_install() checks this too, but only once the bits are here. */
static int check_names(const struct carry *carry, const struct bf_reader *image,
                       struct bf_error *err)
{
    for (size_t i = 0; i < carry->outcomes.nr_items; i++) {
        const struct bf_outcome *outcome = &carry->outcomes.items[i];
        uint32_t index;

        if (outcome->kind != BF_OUTCOME_DROPPED &&
            bf_reader_find(image, outcome->as, &index, NULL) == 0)
            return bf_error_set(
                err, BF_E_BITMAP_EXISTS,
                "%s already has a bitmap '%.255s': give --replace to overwrite it, or "
                "--as NAME for another name",
                carry->request.image_path, outcome->as);
    }
    return 0;
}

static int make_plan(struct carry *carry, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *image = NULL;
    int ret = bf_reader_open_path(carry->request.image_path, 0, &image, err);

    if (ret < 0)
        return ret;
    carry->request.image_size_bytes = bf_reader_image(image)->virtual_size_bytes;
    ret = bf_plan_choose_disk(carry->source->catalog, &carry->request, &carry->disk, err);
    if (ret == 0)
        ret = bf_plan_make(carry->disk, &carry->request, &carry->outcomes, err);
    if (ret == 0 && !bf_option_given(carry->args, BF_CARRY_REPLACE))
        ret = check_names(carry, image, err);
    if (ret == 0 && carry->request.image_size_bytes > carry->disk->virtual_size_bytes)
        bf_note(carry->args, "%s is larger than disk '%s': what lies past the disk's end is dirty",
                carry->request.image_path, carry->disk->name);
    return ret;
}

static int check_digest(const struct bf_outcome *outcome, const struct bf_summary *found,
                        struct bf_error *err)
{
    if (bf_summary_equal(found, &outcome->source->summary))
        return 0;
    return bf_error_set(
        err, BF_E_DIGEST_MISMATCH,
        "what came of bitmap '%.255s' is not what its source announced (count or "
        "SHA-256 differ): nothing was installed; try again, then look at the source",
        outcome->source->name);
}

/* Does it go into the image as it is? */
static bool is_copied(const struct carry *carry, const struct bf_outcome *outcome)
{
    return !carry->dry_run && outcome->kind != BF_OUTCOME_DROPPED &&
           !bf_plan_transforms(carry->disk, outcome);
}

/* Into the shape that the image needs, never covering less. */
static int add_transformed(struct bf_target *target, const char *disk, struct bf_writer *writer,
                           const struct bf_bitmap_spec *spec, struct bf_outcome *outcome,
                           struct bf_error *err)
{
    struct bf_regrain regrain;
    struct bf_resize resize;
    struct bf_summary summary;
    struct bf_bits bits;
    int ret = bf_target_bits(target, disk, outcome->source->name, &bits, err);

    if (ret == 0)
        ret = bf_bits_summarize(&bits, NULL, &summary, err);
    if (ret == 0)
        ret = check_digest(outcome, &summary, err);
    if (ret == 0)
        ret = bf_regrain_init(&regrain, &bits, outcome->geometry.granularity_bytes, &bits, err);
    if (ret == 0)
        ret = bf_resize_init(&resize, &bits, outcome->geometry.disk_size_bytes, &bits, err);
    if (ret == 0)
        ret = bf_writer_add(writer, spec, &bits, NULL, &outcome->summary, err);
    outcome->has_summary = ret == 0;
    return ret;
}

/* What the dry run lets bf_install() judge instead of the bits, which stay where they are. */
static int add_stand_in(struct bf_writer *writer, const struct bf_bitmap_spec *spec,
                        const struct bf_outcome *outcome, struct bf_summary *ret_summary,
                        struct bf_error *err)
{
    struct bf_bits clean = bf_bits_clean(&outcome->geometry);

    return bf_writer_add(writer, spec, &clean, NULL, ret_summary, err);
}

static struct bf_bitmap_spec spec_of(const struct bf_outcome *outcome)
{
    return (struct bf_bitmap_spec){
        .name = outcome->as,
        .granularity_bytes = outcome->geometry.granularity_bytes,
        .recording = outcome->source->recording,
    };
}

/* All that goes into the image as it is, in one go. */
static int add_copies(struct carry *carry, struct bf_target *target, const char *disk,
                      struct bf_writer *writer, struct bf_error *err)
{
    BF_CLEANUP(bf_freep)
    struct bf_target_copy *copies = calloc(carry->outcomes.nr_items, sizeof *copies);
    size_t nr_copies = 0;
    int ret;

    if (!copies)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < carry->outcomes.nr_items; i++) {
        const struct bf_outcome *outcome = &carry->outcomes.items[i];

        if (is_copied(carry, outcome))
            copies[nr_copies++] =
                (struct bf_target_copy){.bitmap = outcome->source->name, .spec = spec_of(outcome)};
    }
    ret = bf_target_copy(target, disk, writer, copies, nr_copies, err);
    for (size_t i = 0, at = 0; ret == 0 && i < carry->outcomes.nr_items; i++) {
        struct bf_outcome *outcome = &carry->outcomes.items[i];

        if (!is_copied(carry, outcome))
            continue;
        outcome->summary = copies[at++].summary;
        ret = check_digest(outcome, &outcome->summary, err);
    }
    return ret;
}

/* Say in @ret_install what is to become of it; what is not copied goes into the carrier now. */
static int add_bitmap(const struct carry *carry, struct bf_target *target, const char *disk,
                      struct bf_writer *writer, struct bf_outcome *outcome,
                      struct bf_install_bitmap *ret_install, struct bf_error *err)
{
    struct bf_bitmap_spec spec = spec_of(outcome);
    int ret = 0;

    *ret_install = (struct bf_install_bitmap){
        .carrier_name = spec.name,
        .name = spec.name,
        .granularity_bytes = spec.granularity_bytes,
        .recording = spec.recording,
    };
    if (carry->dry_run)
        return add_stand_in(writer, &spec, outcome, &ret_install->summary, err);
    if (!is_copied(carry, outcome))
        ret = add_transformed(target, disk, writer, &spec, outcome, err);
    ret_install->summary = outcome->summary;
    return ret;
}

static int fill_carrier(struct carry *carry, struct bf_writer *writer,
                        struct bf_install_bitmap *installs, struct bf_error *err)
{
    struct bf_target *target = NULL;
    const char *disk = NULL;
    size_t nr_installs = 0;
    int ret = carry->source->open(carry->source->ctx, carry->disk, &target, &disk, err);

    if (ret == 0)
        ret = add_copies(carry, target, disk, writer, err);
    for (size_t i = 0; ret == 0 && i < carry->outcomes.nr_items; i++) {
        struct bf_outcome *outcome = &carry->outcomes.items[i];

        if (outcome->kind != BF_OUTCOME_DROPPED)
            ret = add_bitmap(carry, target, disk, writer, outcome, &installs[nr_installs++], err);
    }
    return ret;
}

static int make_carrier(struct carry *carry, struct bf_install_bitmap *installs,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int ret;

    carry->carrier_path = bf_work_folder_file(carry->folder, "carrier.qcow2");
    if (!carry->carrier_path)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    fd = open(carry->carrier_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", carry->carrier_path);
    ret = bf_writer_new(fd, carry->carrier_path, carry->request.image_size_bytes, &writer, err);
    if (ret == 0)
        ret = fill_carrier(carry, writer, installs, err);
    return ret == 0 ? bf_writer_finish(writer, err) : ret;
}

static int on_step(void *ctx, enum bf_install_step step)
{
    static const char *const texts[] = {
        [BF_INSTALL_PREPARE] = "looking at the image",
        [BF_INSTALL_LOAD] = "loading the bitmaps into QEMU",
        [BF_INSTALL_PROVE] = "comparing QEMU's digests",
        [BF_INSTALL_PUBLISH] = "writing to the image",
        [BF_INSTALL_REREAD] = "reading the image again",
    };
    const struct carry *carry = ctx;

    bf_say_step(carry->args, "%s", texts[step]);
    return bf_interrupted() ? -1 : 0;
}

static int install(struct carry *carry, const struct bf_install_bitmap *installs,
                   size_t nr_installs, struct bf_error *err)
{
    struct bf_install_options options = {
        .image_path = carry->request.image_path,
        .carrier_path = carry->carrier_path,
        .bitmaps = installs,
        .nr_bitmaps = nr_installs,
        .replace = bf_option_given(carry->args, BF_CARRY_REPLACE),
        .dry_run = carry->dry_run,
        .key_file = bf_option_value(carry->args, BF_CARRY_KEY_FILE),
        .deadline_ms = INSTALL_DEADLINE_MS,
        .step = on_step,
        .ctx = carry,
    };

    return bf_install(carry->folder, &options, err);
}

static void mark_installed(struct carry *carry)
{
    for (size_t i = 0; i < carry->outcomes.nr_items; i++) {
        struct bf_outcome *outcome = &carry->outcomes.items[i];

        if (outcome->kind != BF_OUTCOME_DROPPED)
            outcome->kind = bf_plan_transforms(carry->disk, outcome) ? BF_OUTCOME_SUPERSET
                                                                     : BF_OUTCOME_INSTALLED;
    }
}

static int carry_kept(struct carry *carry, size_t nr_kept, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) struct bf_install_bitmap *installs = calloc(nr_kept, sizeof *installs);
    int ret;

    if (!installs)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = make_carrier(carry, installs, err);
    if (ret == 0)
        ret = install(carry, installs, nr_kept, err);
    if (ret == 0 && !carry->dry_run)
        mark_installed(carry);
    return ret;
}

static int report(const struct carry *carry, struct bf_error *err)
{
    int exit_code = bf_outcomes_exit(&carry->outcomes);
    BF_CLEANUP(bf_freep) char *image = bf_escape(carry->request.image_path);
    char size[BF_SIZE_TEXT_MAX];
    int ret;

    if (carry->args->json) {
        ret = bf_print_json(
            json_pack("{s:i, s:s, s:o, s:o, s:i}", "schema", 1, "disk", carry->disk->name, "image",
                      bf_text_to_json(carry->request.image_path), "bitmaps",
                      bf_outcomes_to_json(&carry->outcomes, false), "exit", exit_code),
            err);
        return ret < 0 ? ret : exit_code;
    }
    (void)printf("%s (%s) into %s%s\n\n", carry->disk->name,
                 bf_size_text(carry->disk->virtual_size_bytes, size), image ? image : "?",
                 carry->dry_run ? ": a dry run, nothing was changed" : "");
    ret = bf_outcomes_print(&carry->outcomes, false, err);
    return ret < 0 ? ret : exit_code;
}

static int run(struct carry *carry, struct bf_error *err)
{
    size_t nr_kept;
    int ret = read_request(carry->args, &carry->request, err);

    if (ret == 0)
        ret = bf_work_folder_open(carry->request.image_path, &carry->folder, err);
    if (ret == 0)
        ret = make_plan(carry, err);
    if (ret < 0)
        return ret;
    nr_kept = bf_outcomes_count_kept(&carry->outcomes);
    if (nr_kept > 0)
        ret = carry_kept(carry, nr_kept, err);
    return ret == 0 ? report(carry, err) : ret;
}

int bf_carry(const struct bf_arguments *args, const struct bf_carry_source *source,
             struct bf_error *err)
{
    struct carry carry = {
        .args = args,
        .source = source,
        .dry_run = bf_option_given(args, BF_CARRY_DRY_RUN),
    };
    int ret = run(&carry, err);

    free(carry.carrier_path);
    bf_outcomes_release(&carry.outcomes);
    if (carry.folder)
        bf_work_folder_close(carry.folder);
    return ret;
}
