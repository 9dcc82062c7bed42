#include "archive_chain.h"

#include "base/name.h"
#include "images_below.h"
#include "target_image.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

static void free_image(struct bf_archive_image *image)
{
    if (image->target)
        bf_target_free(image->target);
    free(image->name);
    free(image);
}

void bf_archive_images_release(struct bf_archive_images *images)
{
    for (size_t i = 0; i < images->nr_items; i++)
        free_image(images->items[i]);
    free(images->items);
    *images = (struct bf_archive_images){.nr_items = 0};
}

static int check_name(const struct bf_archive_images *images, const char *name,
                      struct bf_error *err)
{
    for (size_t i = 0; i < images->nr_items; i++) {
        if (strcmp(images->items[i]->name, name) == 0)
            return bf_error_set(err, BF_E_USAGE,
                                "two images are named '%s': archive them in two folders", name);
    }
    return 0;
}

static int add(struct bf_archive_images *images, const char *name,
               struct bf_archive_image **ret_image, struct bf_error *err)
{
    struct bf_archive_image **items =
        reallocarray(images->items, images->nr_items + 1, sizeof(struct bf_archive_image *));
    struct bf_archive_image *image = calloc(1, sizeof *image);

    if (items)
        images->items = items;
    if (image)
        image->name = strdup(name);
    if (!items || !image || !image->name) {
        if (image)
            free_image(image);
        return no_memory(err);
    }
    image->disk.name = image->name;
    items[images->nr_items++] = image;
    *ret_image = image;
    return 0;
}

static int open_image(struct bf_archive_image *image, const struct bf_arguments *args,
                      const char *path, struct bf_error *err)
{
    struct bf_target_options options = {.args = args};
    int ret = bf_target_open(path, &options, &image->target, err);

    if (ret < 0)
        return ret;
    if (bf_target_kind(image->target) != BF_TARGET_IMAGE)
        return bf_error_set(err, BF_E_USAGE, "'%s' is not a qcow2 image", path);
    image->disk = bf_target_catalog(image->target)->disks[0];
    image->disk.name = image->name;
    return 0;
}

struct below {
    struct bf_archive_images *images;
    const struct bf_arguments *args;
};

/* One of a format that cannot store bitmaps is entered without any: nobody can say that it has. */
static int add_below(void *ctx, const char *name, const char *path, uint64_t size_bytes,
                     struct bf_error *err)
{
    const struct below *below = ctx;
    struct bf_archive_image *image = NULL;
    struct bf_error why = BF_ERROR_INIT;
    int ret = check_name(below->images, name, err);

    if (ret == 0)
        ret = add(below->images, name, &image, err);
    if (ret < 0)
        return ret;
    if (open_image(image, below->args, path, &why) == 0)
        return 0;
    if (why.code != BF_E_NOT_QCOW2 && why.code != BF_E_QCOW2_V2)
        return bf_error_set(err, why.code, "%s", why.text);
    image->disk.virtual_size_bytes = size_bytes;
    return 0;
}

int bf_archive_images_add(struct bf_archive_images *images, const struct bf_arguments *args,
                          const char *path, struct bf_error *err)
{
    struct below below = {images, args};
    struct bf_archive_image *image = NULL;
    char name[BF_DISK_NAME_MAX + 1];
    int ret;

    bf_disk_name_of_path(path, name);
    ret = add(images, name, &image, err);
    if (ret == 0)
        ret = open_image(image, args, path, err);
    if (ret < 0)
        return ret;
    images->nr_items--; /* it is no other than itself */
    ret = check_name(images, name, err);
    images->nr_items++;
    return ret == 0 ? bf_images_below(path, name, add_below, &below, err) : ret;
}
