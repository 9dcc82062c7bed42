#include "attach/install.h"

#include "attach/recover.h"
#include "base/fail_point.h"
#include "carrier/reader.h"
#include "install_load.h"
#include "model/transform.h"
#include "publish.h"
#include "target_image.h"

#include <string.h>

struct install {
    const struct bf_install_options *options;
    struct bf_work_folder *folder;
    struct bf_stage *stage;
    struct bf_target_image image;
    struct bf_load_item *items;
};

static int tell(const struct install *install, enum bf_install_step step, struct bf_error *err)
{
    const struct bf_install_options *options = install->options;

    if (options->step && options->step(options->ctx, step) != 0 && step < BF_INSTALL_PUBLISH)
        return bf_error_set(err, BF_E_INTERRUPTED, "interrupted; %s is as it was",
                            options->image_path);
    return 0;
}

/* What QEMU must have in the end.  Where the granularity stays, that is what the caller says: the
 * carrier's bits are not read for it, as QEMU digests what it loaded from there, in its memory and
 * again after a close, and both must be equal to it before anything is published.  At another
 * granularity only the carrier's bits tell, so they are checked first.  A dry run never comes to
 * QEMU, and checks here. */
static int expect_from_carrier(struct bf_reader *carrier, const struct bf_install_bitmap *bitmap,
                               bool dry_run, struct bf_load_item *item, struct bf_error *err)
{
    struct bf_regrain regrain;
    struct bf_summary summary;
    struct bf_bits bits;
    uint32_t index;
    int r = bf_reader_find(carrier, bitmap->carrier_name, &index, err);

    if (r == 0)
        r = bf_reader_bits(carrier, index, &bits, err);
    if (r < 0)
        return r;
    item->expected = bitmap->summary;
    if (bitmap->granularity_bytes == bits.geometry.granularity_bytes && !dry_run)
        return 0;
    r = bf_bits_summarize(&bits, NULL, &summary, err);
    if (r < 0)
        return r;
    if (!bf_summary_equal(&summary, &bitmap->summary))
        return bf_error_set(
            err, BF_E_DIGEST_MISMATCH,
            "bitmap '%s' in the carrier is not the one that was announced (count or "
            "SHA-256 differ)",
            bitmap->carrier_name);
    if (bitmap->granularity_bytes == bits.geometry.granularity_bytes)
        return 0;
    r = bf_regrain_init(&regrain, &bits, bitmap->granularity_bytes, &bits, err);
    return r < 0 ? r : bf_bits_summarize(&bits, NULL, &item->expected, err);
}

static int expect_all(struct install *install, struct bf_reader *carrier, struct bf_error *err)
{
    const struct bf_install_options *options = install->options;

    if (bf_reader_image(carrier)->virtual_size_bytes != install->image.virtual_size_bytes)
        return bf_error_set(
            err, BF_E_SIZE_MISMATCH, "the carrier is for a disk of %llu bytes, %s has %llu",
            (unsigned long long)bf_reader_image(carrier)->virtual_size_bytes, options->image_path,
            (unsigned long long)install->image.virtual_size_bytes);
    for (size_t i = 0; i < options->nr_bitmaps; i++) {
        const struct bf_install_bitmap *bitmap = &options->bitmaps[i];
        int r;

        install->items[i] = (struct bf_load_item){
            .carrier_name = bitmap->carrier_name,
            .name = bitmap->name,
            .granularity_bytes = bitmap->granularity_bytes,
            .recording = bitmap->recording,
        };
        r = expect_from_carrier(carrier, bitmap, options->dry_run, &install->items[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* An existing bitmap of the same name: QEMU can put new content into it, which is atomic with the
 * rest. One that would have to be removed first is left to the caller, as that could not be undone:
 * what is removed and made anew takes the same clusters, which cannot be published (change_plan.h).
 */
static int judge_existing(const struct install *install, const struct bf_image_bitmap *existing,
                          struct bf_load_item *item, struct bf_error *err)
{
    const struct bf_install_options *options = install->options;

    if (!options->replace)
        return bf_error_set(
            err, BF_E_BITMAP_EXISTS,
            "%s already has a bitmap '%s': give --replace to overwrite it, or --as NAME "
            "for another name",
            options->image_path, item->name);
    item->stale =
        existing->unusable || existing->geometry.granularity_bytes != item->granularity_bytes;
    if (item->stale && options->rehearse)
        return 0;
    if (item->stale)
        return bf_error_set(
            err, BF_E_BITMAP_EXISTS,
            "the bitmap '%s' of %s cannot be overwritten (%s): remove it first with "
            "`qemu-img bitmap --remove %s %s`",
            item->name, options->image_path,
            existing->unusable ? existing->unusable : "it has another granularity",
            options->image_path, item->name);
    item->exists = true;
    return 0;
}

static int look_for_existing(struct install *install, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    int r = bf_reader_open_path(install->options->image_path, 0, &reader, err);

    for (size_t i = 0; r == 0 && i < install->options->nr_bitmaps; i++) {
        struct bf_image_bitmap existing;
        uint32_t index;

        if (bf_reader_find(reader, install->items[i].name, &index, NULL) < 0)
            continue;
        bf_reader_bitmap(reader, index, &existing);
        r = judge_existing(install, &existing, &install->items[i], err);
    }
    return r;
}

static int prepare(struct install *install, struct bf_error *err)
{
    const struct bf_install_options *options = install->options;
    BF_CLEANUP(bf_reader_freep) struct bf_reader *carrier = NULL;
    int r = tell(install, BF_INSTALL_PREPARE, err);

    if (r == 0)
        r = bf_recover(install->folder, err);
    if (r == 0)
        r = bf_reader_open_path(options->carrier_path, 0, &carrier, err);
    if (r == 0)
        r = bf_target_image_look(options->image_path, options->key_file, options->bitmaps,
                                 options->nr_bitmaps, &install->image, err);
    if (r == 0)
        r = expect_all(install, carrier, err);
    if (r == 0)
        r = look_for_existing(install, err);
    if (r == 0)
        r = bf_stage_open(install->folder, install->image.growth_bytes, options->deadline_ms,
                          &install->stage, err);
    return r;
}

static json_t *target_node(const struct install *install, bool read_only)
{
    return bf_stage_target(install->stage, install->image.encryption,
                           install->image.external_data_bytes, read_only);
}

static int load(const struct install *install, struct bf_storage_daemon *daemon,
                struct bf_error *err)
{
    const struct bf_install_options *options = install->options;
    int r = bf_load_open_carrier(daemon, options->carrier_path, err);

    if (r == 0)
        r = bf_load_open_target(daemon, target_node(install, false), err);
    if (r == 0)
        r = bf_load_purge(daemon, install->items, options->nr_bitmaps, err);
    if (r == 0)
        r = bf_load_merge(daemon, install->items, options->nr_bitmaps, err);
    bf_fail_point("install.loaded");
    return r;
}

/* When QEMU cannot store a bitmap on close, it says so on its standard error only (measured
 * on 7.2). */
static int explain_loss(const struct bf_storage_daemon *daemon, const struct bf_error *why,
                        struct bf_error *err)
{
    char words[512];
    bool no_space;

    bf_child_last_words(daemon->child.log_path, words, sizeof words);
    no_space = strstr(words, "No space left") != NULL;
    return bf_error_set(err, no_space ? BF_E_NO_SPACE : why->code, "%s%s%s", why->text,
                        words[0] ? "; QEMU says: " : "", words);
}

/* What QEMU stored is there when it opens the image again. */
static int prove_stored(const struct install *install, struct bf_storage_daemon *daemon,
                        struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int r = bf_load_close(daemon, "target", &why);

    if (r == 0)
        r = bf_load_open_target(daemon, target_node(install, true), &why);
    if (r == 0)
        r = bf_load_prove(daemon, install->items, install->options->nr_bitmaps, &why);
    if (r < 0)
        return explain_loss(daemon, &why, err);
    return bf_load_close(daemon, "target", err);
}

/* The digests in QEMU's memory, then those of what it stored and reads again. */
static int prove(const struct install *install, struct bf_storage_daemon *daemon,
                 struct bf_error *err)
{
    const struct bf_install_options *options = install->options;
    int r = bf_load_prove(daemon, install->items, options->nr_bitmaps, err);

    if (r == 0)
        r = prove_stored(install, daemon, err);
    bf_fail_point("install.proven");
    return r;
}

static int load_and_prove(const struct install *install, struct bf_error *err)
{
    const struct bf_install_options *options = install->options;
    BF_CLEANUP(bf_freep) char *log_path = bf_work_folder_file(install->folder, "qemu.log");
    BF_CLEANUP(bf_storage_daemon_freep) struct bf_storage_daemon *daemon = NULL;
    struct bf_storage_daemon_options daemon_options = {
        .program = options->qsd_path,
        .log_path = log_path,
        .key_file = options->key_file,
        .deadline_ms = options->deadline_ms,
    };
    int r = tell(install, BF_INSTALL_LOAD, err);

    if (r == 0 && !log_path)
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    if (r == 0)
        r = bf_storage_daemon_start(&daemon_options, &daemon, err);
    if (r == 0)
        r = load(install, daemon, err);
    if (r == 0)
        r = tell(install, BF_INSTALL_PROVE, err);
    if (r == 0)
        r = prove(install, daemon, err);
    return r < 0 ? r : bf_storage_daemon_quit(daemon, err);
}

static int reread_one(struct bf_reader *reader, const struct bf_load_item *item,
                      struct bf_error *err)
{
    struct bf_image_bitmap bitmap;
    struct bf_summary summary;
    struct bf_bits bits;
    uint32_t index;
    int r = bf_reader_find(reader, item->name, &index, err);

    if (r == 0)
        r = bf_reader_bits(reader, index, &bits, err);
    if (r == 0)
        r = bf_bits_summarize(&bits, NULL, &summary, err);
    if (r < 0)
        return r;
    bf_reader_bitmap(reader, index, &bitmap);
    if (!bf_summary_equal(&summary, &item->expected) || bitmap.recording != item->recording)
        return bf_error_set(err, BF_E_DIGEST_MISMATCH, "bitmap '%s' is another in the image",
                            item->name);
    return 0;
}

static int reread(const struct install *install, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    int r;

    (void)tell(install, BF_INSTALL_REREAD, NULL);
    /* shared: the lock that keeps others away is the stage's */
    r = bf_reader_open_path(install->options->image_path, BF_BLOB_FORCE_SHARE, &reader, err);
    for (size_t i = 0; r == 0 && i < install->options->nr_bitmaps; i++)
        r = reread_one(reader, &install->items[i], err);
    if (r < 0)
        return bf_error_prefix(
            err,
            "the bitmaps were written to %s but are not there as they should be; do "
            "not use them",
            install->options->image_path);
    return 0;
}

static int run(struct install *install, struct bf_error *err)
{
    int r = prepare(install, err);

    if (r < 0 || install->options->dry_run)
        return r;
    r = load_and_prove(install, err);
    if (r < 0 || install->options->rehearse)
        return r;
    r = tell(install, BF_INSTALL_PUBLISH, err);
    if (r == 0)
        r = bf_publish(install->stage, err);
    return r < 0 ? r : reread(install, err);
}

int bf_install(struct bf_work_folder *folder, const struct bf_install_options *options,
               struct bf_error *err)
{
    struct install install = {.options = options, .folder = folder};
    int r;

    if (options->nr_bitmaps == 0)
        return bf_error_set(err, BF_E_INVALID, "there is no bitmap to install");
    install.items = calloc(options->nr_bitmaps, sizeof *install.items);
    if (!install.items)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    r = run(&install, err);
    if (install.stage)
        bf_stage_close(install.stage);
    free(install.items);
    return r;
}
