#include "images_below.h"

#include "attach/image_chain.h"
#include "base/name.h"

static int tell(const json_t *said, const char *disk, unsigned depth, bf_image_below_fn *each,
                void *ctx, struct bf_error *err)
{
    const char *path = json_string_value(json_object_get(said, "filename"));
    json_int_t size_bytes = json_integer_value(json_object_get(said, "virtual-size"));
    char name[BF_DISK_NAME_MAX + 1];
    int ret = bf_layer_name_encode(disk, depth, name, err);

    if (ret < 0)
        return ret;
    if (!path || size_bytes < 0)
        return bf_error_set(err, BF_E_CHILD_FAILED, "qemu-img does not describe '%s'", name);
    return each(ctx, name, path, (uint64_t)size_bytes, err);
}

int bf_images_below(const char *path, const char *disk, bf_image_below_fn *each, void *ctx,
                    struct bf_error *err)
{
    json_t *chain = NULL;
    int ret = bf_image_chain(path, &chain, err);

    for (size_t i = 1; ret == 0 && i < json_array_size(chain); i++)
        ret = tell(json_array_get(chain, i), disk, (unsigned)i, each, ctx, err);
    json_decref(chain);
    return ret;
}
