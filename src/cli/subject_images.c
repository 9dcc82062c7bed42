/* What is at rest: images of a VM that is shut off, archives, and what a bitferry server offers. */
#include "archive_folder.h"
#include "attach/image_chain.h"
#include "base/name.h"
#include "carrier/describe.h"
#include "carrier/reader.h"
#include "nbd/endpoint.h"
#include "subject_build.h"
#include "target.h"
#include "target_image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int copy_bitmaps(const struct bf_catalog_disk *from, struct bf_catalog_disk *layer,
                        struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < from->nr_bitmaps; i++) {
        struct bf_catalog_bitmap bitmap = from->bitmaps[i];

        bitmap.counted = bitmap.has_summary;
        r = bf_catalog_add_bitmap(layer, &bitmap, err);
    }
    return r;
}

/* --- images --- */

static int read_image(const char *path, struct bf_subject_disk *disk, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(bf_catalog_release) struct bf_catalog catalog = {.nr_disks = 0};
    struct bf_catalog_disk *layer;
    int r = bf_reader_open_path(path, 0, &reader, err);

    if (r == 0)
        r = bf_describe_image(reader, "disk", true, NULL, &catalog, err);
    if (r == 0)
        r = bf_subject_add_layer(disk, "", path, catalog.disks[0].virtual_size_bytes, &layer, err);
    if (r < 0)
        return r;
    disk->images[disk->layers.nr_disks - 1].can_store = true;
    return copy_bitmaps(&catalog.disks[0], layer, err);
}

/* An image that cannot hold bitmaps, which is no failure. */
static int add_bare(const char *file, const json_t *image, bool is_old,
                    struct bf_subject_disk *disk, struct bf_error *err)
{
    json_int_t size_bytes = json_integer_value(json_object_get(image, "virtual-size"));
    struct bf_catalog_disk *layer;
    int r = bf_subject_add_layer(disk, "", file, size_bytes > 0 ? (uint64_t)size_bytes : 0, &layer,
                                 err);

    if (r == 0)
        disk->images[disk->layers.nr_disks - 1].is_old = is_old;
    return r;
}

static int read_chained(const json_t *image, struct bf_subject_disk *disk, struct bf_error *err)
{
    const char *file = json_string_value(json_object_get(image, "filename"));
    const char *format = json_string_value(json_object_get(image, "format"));
    struct bf_error image_err = BF_ERROR_INIT;
    int r;

    if (!file || !format || strcmp(format, "qcow2") != 0)
        return add_bare(file ? file : "", image, false, disk, err);
    r = read_image(file, disk, &image_err);
    if (r < 0 && image_err.code == BF_E_QCOW2_V2)
        return add_bare(file, image, true, disk, err);
    if (r < 0)
        (void)bf_error_set(err, image_err.code, "%s", image_err.text);
    return r;
}

int bf_subject_image_chain(const char *path, struct bf_subject_disk *disk, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *chain = NULL;
    size_t i;
    json_t *image;
    int r = bf_image_chain(path, &chain, err);

    json_array_foreach(chain, i, image)
    {
        if (r == 0)
            r = read_chained(image, disk, err);
    }
    return r;
}

/* "vda=disk.qcow2", or "disk.qcow2"; a file that is named with an equals sign is itself. */
static int subject_image(const char *text, struct bf_subject *subject, struct bf_error *err)
{
    const char *equals = strchr(text, '=');
    char name[BF_DISK_NAME_MAX + 1];
    struct bf_subject_disk *disk;
    int r;

    if (!equals || equals == text || access(text, F_OK) == 0 ||
        (size_t)(equals - text) > BF_DISK_NAME_MAX) {
        bf_disk_name_of_path(text, name);
    } else {
        memcpy(name, text, (size_t)(equals - text));
        name[equals - text] = '\0';
        text = equals + 1;
    }
    r = bf_subject_add_disk(subject, name, &disk, err);
    return r < 0 ? r : bf_subject_image_chain(text, disk, err);
}

/* --- archives and servers --- */

static struct bf_subject_disk *find_disk(struct bf_subject *subject, const char *name)
{
    for (size_t i = 0; i < subject->nr_disks; i++) {
        if (strcmp(subject->disks[i].name, name) == 0)
            return &subject->disks[i];
    }
    return NULL;
}

/* "vda[1]" is the image below "vda" (base/name.h).  One without bitmaps may not be listed, but
 * stands in the chain. */
static int target_disk(const char *text, const struct bf_catalog_disk *from,
                       struct bf_subject *subject, struct bf_error *err)
{
    char name[BF_DISK_NAME_MAX + 1];
    size_t depth = bf_layer_name_decode(from->name, name);
    struct bf_subject_disk *disk = depth > 0 ? find_disk(subject, name) : NULL;
    struct bf_catalog_disk *layer = NULL;
    int r = disk ? 0 : bf_subject_add_disk(subject, name, &disk, err);

    while (r == 0 && disk->layers.nr_disks <= depth)
        r = bf_subject_add_layer(disk, "", text, from->virtual_size_bytes, &layer, err);
    if (r == 0 && layer)
        r = copy_bitmaps(from, layer, err);
    for (size_t i = 0; r == 0 && i < disk->layers.nr_disks; i++)
        disk->images[i].can_store = true;
    return r;
}

static int target_checkpoints(const char *folder, struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    int r = bf_archive_verify(folder, &manifest, err);

    if (r < 0 || manifest.checkpoints.nr_items == 0)
        return r;
    bf_checkpoints_release(&subject->checkpoints);
    subject->checkpoints = manifest.checkpoints;
    manifest.checkpoints = (struct bf_checkpoints){.nr_items = 0};
    subject->origin = BF_SUBJECT_BY_FILE;
    return 0;
}

static int subject_target(const struct bf_subject_request *request, const char *text,
                          struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(bf_target_freep) struct bf_target *target = NULL;
    struct bf_target_options options = {
        .args = request->args,
        .tls_certificates = request->tls_certificates,
        .deadline_ms = request->deadline_ms,
    };
    int r = bf_target_open(text, &options, &target, err);

    if (r == 0)
        r = bf_target_summarize(target, err);
    for (size_t i = 0; r == 0 && i < bf_target_catalog(target)->nr_disks; i++)
        r = target_disk(text, &bf_target_catalog(target)->disks[i], subject, err);
    if (r == 0 && bf_is_archive(text))
        r = target_checkpoints(text, subject, err);
    return r;
}

/* "disk.qcow2", "disk.qcow2 and 2 more"; an archive may have no disk. */
static int add_title(struct bf_subject *subject, const struct bf_arguments *args,
                     struct bf_error *err)
{
    bool named = subject->nr_disks > 0 && subject->disks[0].layers.nr_disks > 0;
    const char *first = named ? subject->disks[0].images[0].file : args->operands[0];

    if (args->nr_operands == 1)
        return bf_subject_set(&subject->title, first, err);
    if (asprintf(&subject->title, "%s and %zu more", first, args->nr_operands - 1) >= 0)
        return 0;
    subject->title = NULL;
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

int bf_subject_targets(const struct bf_subject_request *request, struct bf_subject *subject,
                       struct bf_error *err)
{
    const struct bf_arguments *args = request->args;
    int r = 0;

    subject->kind = BF_SUBJECT_OF_IMAGES;
    for (size_t i = 0; r == 0 && i < args->nr_operands; i++) {
        const char *text = args->operands[i];
        struct stat status;
        bool archive = bf_nbd_is_uri(text) || (stat(text, &status) == 0 && S_ISDIR(status.st_mode));

        if (archive)
            subject->kind = BF_SUBJECT_OF_ARCHIVE;
        r = archive ? subject_target(request, text, subject, err)
                    : subject_image(text, subject, err);
    }
    return r < 0 ? r : add_title(subject, args, err);
}
