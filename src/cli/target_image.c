#include "target_image.h"

#include "base/name.h"
#include "base/text.h"
#include "carrier/describe.h"
#include "images_below.h"
#include "output.h"
#include "progress.h"
#include "target_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct bf_image_set *bf_image_set_new(const struct bf_target_options *options, struct bf_error *err)
{
    struct bf_image_set *set = calloc(1, sizeof *set);

    if (!set)
        (void)bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    else
        set->args = options->args;
    return set;
}

void bf_image_set_free(struct bf_image_set *set)
{
    for (size_t i = 0; i < set->nr_images; i++) {
        free(set->images[i].disk);
        if (set->images[i].reader)
            bf_reader_free(set->images[i].reader);
    }
    free(set->images);
    free(set);
}

int bf_image_set_add(struct bf_image_set *set, const char *path, const char *disk, bool force_share,
                     struct bf_catalog *catalog, struct bf_error *err)
{
    struct bf_image *images = realloc(set->images, (set->nr_images + 1) * sizeof *images);
    struct bf_image *image;
    int ret;

    if (!images)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    set->images = images;
    image = &images[set->nr_images++];
    *image = (struct bf_image){.disk = strdup(disk)};
    if (!image->disk)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret = bf_reader_open_path(path, force_share ? BF_BLOB_FORCE_SHARE : 0, &image->reader, err);
    if (ret < 0)
        return ret;
    return bf_describe_image(image->reader, disk, false, NULL, catalog, err);
}

static struct bf_reader *find_reader(const struct bf_image_set *set, const char *disk)
{
    for (size_t i = 0; i < set->nr_images; i++) {
        if (strcmp(set->images[i].disk, disk) == 0)
            return set->images[i].reader;
    }
    return NULL;
}

int bf_image_set_bits(void *source, const struct bf_catalog_disk *disk,
                      const struct bf_catalog_bitmap *bitmap, struct bf_bits *ret_bits,
                      struct bf_error *err)
{
    struct bf_reader *reader = find_reader(source, disk->name);
    uint32_t index = 0;
    int ret = bf_reader_find(reader, bitmap->name, &index, err);

    if (ret < 0)
        return ret;
    return bf_reader_bits(reader, index, ret_bits, err);
}

/* Like bf_writer_add() between begin and end. */
static int append_run(const struct bf_bits *bits, uint64_t offset_bytes, uint64_t max_bytes,
                      uint8_t *window, struct bf_writer *writer, uint64_t *ret_nr_bytes,
                      struct bf_error *err)
{
    enum bf_run_kind kind;
    int ret = bf_bits_run(bits, offset_bytes, max_bytes, &kind, ret_nr_bytes, err);

    if (ret < 0)
        return ret;
    if (kind == BF_RUN_CLEAN)
        return bf_writer_append_clean(writer, *ret_nr_bytes, err);
    if (kind == BF_RUN_DIRTY)
        return bf_writer_append_dirty(writer, *ret_nr_bytes, err);
    if (*ret_nr_bytes > BF_WINDOW_BYTES)
        *ret_nr_bytes = BF_WINDOW_BYTES;
    ret = bf_bits_read(bits, offset_bytes, window, *ret_nr_bytes, err);
    return ret < 0 ? ret : bf_writer_append(writer, window, *ret_nr_bytes, err);
}

int bf_image_set_append(void *source, const struct bf_catalog_disk *disk,
                        const struct bf_catalog_bitmap *bitmap, struct bf_writer *writer,
                        struct bf_error *err)
{
    const struct bf_image_set *set = source;
    BF_CLEANUP(bf_freep) uint8_t *window = malloc(BF_WINDOW_BYTES);
    struct bf_meter meter;
    struct bf_bits bits;
    uint64_t packed_bytes;
    int ret = bf_image_set_bits(source, disk, bitmap, &bits, err);

    if (ret < 0)
        return ret;
    if (!window)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    packed_bytes = bf_geometry_packed_bytes(&bits.geometry);
    bf_meter_begin_bitmap(&meter, set->args, "copying", disk->name, bitmap->name);
    for (uint64_t at = 0, nr_bytes; ret == 0 && at < packed_bytes; at += nr_bytes) {
        ret = append_run(&bits, at, packed_bytes - at, window, writer, &nr_bytes, err);
        if (ret == 0)
            ret = bf_meter_update(&meter, at, packed_bytes, err);
    }
    bf_meter_end(&meter);
    return ret;
}

void bf_image_set_release(void *source)
{
    bf_image_set_free(source);
}

static bool strip_suffix(char *text, const char *suffix)
{
    size_t length = strlen(text);
    size_t suffix_length = strlen(suffix);

    if (length <= suffix_length || strcmp(text + length - suffix_length, suffix) != 0)
        return false;
    text[length - suffix_length] = '\0';
    return true;
}

void bf_disk_name_of_path(const char *path, char buf[256])
{
    const char *slash = strrchr(path, '/');

    (void)snprintf(buf, BF_DISK_NAME_MAX + 1, "%s", slash ? slash + 1 : path);
    if (!strip_suffix(buf, ".carrier.qcow2"))
        (void)strip_suffix(buf, ".qcow2");
    /* '=' would be taken for the end of the name by `nbdkit bitferry image=NAME=FILE`. */
    for (char *at = buf; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f || c == '=' || (c >= 0x80 && !bf_utf8_valid(buf, strlen(buf))))
            *at = '_';
    }
}

const struct bf_target_source_ops bf_image_source_ops = {
    .kind = BF_TARGET_IMAGE,
    .bits = bf_image_set_bits,
    .append = bf_image_set_append,
    .free = bf_image_set_release,
};

struct below {
    struct bf_image_set *set;
    struct bf_catalog *catalog;
    bool force_share;
};

static int add_below(void *ctx, const char *name, const char *path, uint64_t size_bytes,
                     struct bf_error *err)
{
    const struct below *below = ctx;
    struct bf_error why = BF_ERROR_INIT;

    (void)size_bytes;
    if (bf_image_set_add(below->set, path, name, below->force_share, below->catalog, &why) == 0 ||
        why.code == BF_E_NOT_QCOW2 || why.code == BF_E_QCOW2_V2)
        return 0; /* the latter cannot have bitmaps */
    return bf_error_set(err, why.code, "%s", why.text);
}

/* The image itself is what was asked for. */
static void add_chain(struct bf_image_set *set, const char *path, const char *disk,
                      const struct bf_target_options *options, struct bf_catalog *catalog)
{
    struct below below = {set, catalog, options->force_share};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_reader_image(set->images[0].reader)->has_backing &&
        bf_images_below(path, disk, add_below, &below, &err) < 0)
        bf_note(options->args, "not all images below '%.300s' are there: %s", path, err.text);
}

int bf_image_source_open(const char *text, const struct bf_target_options *options,
                         struct bf_catalog *catalog, void **ret_source, struct bf_error *err)
{
    BF_CLEANUP(bf_image_set_freep) struct bf_image_set *set = bf_image_set_new(options, err);
    char disk[BF_DISK_NAME_MAX + 1];
    int ret;

    if (!set)
        return -ENOMEM;
    bf_disk_name_of_path(text, disk);
    ret = bf_image_set_add(set, text, disk, options->force_share, catalog, err);
    if (ret < 0)
        return ret;
    if (options->chain)
        add_chain(set, text, disk, options, catalog);
    *ret_source = bf_steal_ptr(&set);
    return 0;
}
