#include "attach/image_chain.h"
#include "base/name.h"
#include "carrier/describe.h"
#include "carrier/reader.h"
#include "migrate_look.h"

#include <stdio.h>
#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

static int copy_bitmap(struct bf_look_layer *layer, const struct bf_catalog_disk *disk,
                       const struct bf_catalog_bitmap *from, struct bf_error *err)
{
    struct bf_look_bitmap *bitmap = bf_look_add_bitmap(layer, from->name);
    struct bf_geometry geometry = bf_catalog_geometry(disk, from);

    if (!bitmap)
        return no_memory(err);
    bitmap->granularity_bytes = from->granularity_bytes;
    bitmap->recording = from->recording;
    bitmap->persistent = from->persistent;
    bitmap->consistent = from->consistent;
    bitmap->digested = from->has_summary;
    if (from->has_summary) {
        bitmap->dirty_bytes = bf_summary_dirty_bytes(&from->summary, &geometry);
        memcpy(bitmap->sha256, from->summary.sha256, BF_SHA256_BYTES);
    }
    return 0;
}

static int read_image(struct bf_look_layer *layer, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(bf_catalog_release) struct bf_catalog catalog = {.nr_disks = 0};
    int r = bf_reader_open_path(layer->path, 0, &reader, err);

    if (r == 0)
        r = bf_describe_image(reader, "disk", true, NULL, &catalog, err);
    if (r < 0)
        return r;
    layer->size_bytes = catalog.disks[0].virtual_size_bytes;
    for (size_t i = 0; r == 0 && i < catalog.disks[0].nr_bitmaps; i++)
        r = copy_bitmap(layer, &catalog.disks[0], &catalog.disks[0].bitmaps[i], err);
    return r;
}

static int not_seen(struct bf_look_disk *disk, const char *problem, struct bf_error *err)
{
    disk->seen = false;
    free(disk->problem);
    disk->problem = strdup(problem);
    return disk->problem ? 0 : no_memory(err);
}

/* A shut-off domain's XML names the top layer only; the images name those below. */
static int read_chain(struct bf_look_disk *disk, const char *path, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *chain = NULL;
    size_t i;
    json_t *image;
    int r = bf_image_chain(path, &chain, err);

    json_array_foreach(chain, i, image)
    {
        const char *file = json_string_value(json_object_get(image, "filename"));
        const char *format = json_string_value(json_object_get(image, "format"));
        struct bf_look_layer *layer = bf_look_add_layer(disk, "", file ? file : "");

        if (!layer)
            return no_memory(err);
        if (file && format && strcmp(format, "qcow2") == 0)
            r = read_image(layer, err);
        if (r < 0)
            break;
    }
    return r;
}

static int read_disk(struct bf_look *look, const struct bf_virt_disk *from, const char *problem,
                     struct bf_error *err)
{
    struct bf_look_disk *disk = bf_look_add_disk(look, from->target);
    struct bf_error image_err = BF_ERROR_INIT;

    if (!disk)
        return no_memory(err);
    if (!problem && !from->layers[0].local)
        problem = "its image is not a file or device of this host";
    if (!problem && read_chain(disk, from->layers[0].path, &image_err) < 0)
        problem = image_err.text;
    if (disk->nr_layers == 0 && !bf_look_add_layer(disk, "", from->layers[0].path))
        return no_memory(err);
    if (problem)
        return not_seen(disk, problem, err);
    disk->seen = true;
    return 0;
}

static int look(struct bf_virt_domain *domain, const char *problem, struct bf_look *ret_look,
                struct bf_error *err)
{
    BF_CLEANUP(bf_virt_description_release)
    struct bf_virt_description description = {.name = NULL};
    int r = bf_virt_domain_describe(domain, &description, err);

    *ret_look = (struct bf_look){.quiet = true};
    for (size_t i = 0; r == 0 && i < description.nr_disks; i++) {
        if (!description.disks[i].read_only)
            r = read_disk(ret_look, &description.disks[i], problem, err);
    }
    if (r < 0)
        bf_look_release(ret_look);
    return r;
}

int bf_look_images(struct bf_virt_domain *domain, struct bf_look *ret_look, struct bf_error *err)
{
    return look(domain, NULL, ret_look, err);
}

int bf_look_at_none(struct bf_virt_domain *domain, const char *problem, struct bf_look *ret_look,
                    struct bf_error *err)
{
    return look(domain, problem, ret_look, err);
}
