#include "stage.h"

#include "attach/child.h"
#include "base/math.h"

#include <errno.h>
#include <stdio.h>

enum { SECTOR_BYTES = 512 };

/* Small clusters copy least; but QEMU's limit of 32 MiB for an L1 table ends them at 8 TiB. */
#define SMALL_CLUSTERS_MAX_BYTES (UINT64_C(1) << 40)

static int make_overlay(struct bf_stage *stage, uint64_t growth_bytes, struct bf_error *err)
{
    char size[32];
    uint64_t size_bytes = stage->image.file_bytes + growth_bytes;
    const char *cluster_size =
        size_bytes <= SMALL_CLUSTERS_MAX_BYTES ? "cluster_size=4k" : "cluster_size=64k";
    const char *const argv[] = {"qemu-img", "create", "-q",         "-f",
                                "qcow2",    "-o",     cluster_size, stage->overlay_path,
                                size,       NULL};

    size_bytes = bf_div_round_up_u64(size_bytes, SECTOR_BYTES) * SECTOR_BYTES;
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)size_bytes);
    if (bf_child_run(argv, stage->log_path, stage->deadline_ms, err) < 0)
        return bf_error_prefix(err, "cannot prepare %s", stage->folder->path);
    return 0;
}

int bf_stage_open(struct bf_work_folder *folder, uint64_t growth_bytes, uint64_t deadline_ms,
                  struct bf_stage **ret_stage, struct bf_error *err)
{
    BF_CLEANUP(bf_stage_closep) struct bf_stage *stage = calloc(1, sizeof *stage);
    int r;

    if (!stage)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    stage->folder = folder;
    stage->image.fd = -1;
    stage->deadline_ms = deadline_ms;
    stage->overlay_path = bf_work_folder_file(folder, "image.stage");
    stage->log_path = bf_work_folder_file(folder, "stage.log");
    if (!stage->overlay_path || !stage->log_path)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    r = bf_image_file_open(folder->image_path, &stage->image, err);
    if (r < 0)
        return r;
    r = make_overlay(stage, growth_bytes, err);
    if (r < 0)
        return r;
    *ret_stage = bf_steal_ptr(&stage);
    return 0;
}

void bf_stage_close(struct bf_stage *stage)
{
    if (stage->overlay_path)
        (void)unlink(stage->overlay_path);
    if (stage->image.fd >= 0)
        (void)close(stage->image.fd);
    free(stage->overlay_path);
    free(stage->log_path);
    free(stage);
}

/* Nothing in the overlay has to outlive a crash, so its flushes need not reach the disk; and the
 * image below it is locked by us, so QEMU must not try to. */
static json_t *overlay_node(const struct bf_stage *stage)
{
    return json_pack("{s:s, s:{s:s, s:s, s:{s:b}}, s:{s:s, s:b, s:{s:s, s:s, s:s, s:b}}}", "driver",
                     "qcow2", "file", "driver", "file", "filename", stage->overlay_path, "cache",
                     "no-flush", 1, "backing", "driver", "raw", "read-only", 1, "file", "driver",
                     stage->image.block_device ? "host_device" : "file", "filename",
                     stage->folder->image_path, "locking", "off", "read-only", 1);
}

json_t *bf_stage_target(const struct bf_stage *stage, const char *encryption,
                        uint64_t external_data_bytes, bool read_only)
{
    json_t *overlay = overlay_node(stage);
    json_t *target = NULL;

    if (overlay)
        target = json_pack("{s:s, s:b, s:n, s:o}", "driver", "qcow2", "read-only", read_only,
                           "backing", "file", overlay);
    if (target && encryption)
        (void)json_object_set_new(
            target, "encrypt", json_pack("{s:s, s:s}", "format", encryption, "key-secret", "key"));
    if (target && external_data_bytes > 0)
        (void)json_object_set_new(
            target, "data-file",
            json_pack("{s:s, s:I}", "driver", "null-co", "size", (json_int_t)external_data_bytes));
    return target;
}

/* The overlay's name for qemu-img: opened by itself, so that only what it holds is listed. */
static char *overlay_alone(const struct bf_stage *stage)
{
    json_t *node = json_pack("{s:s, s:n, s:{s:s, s:s}}", "driver", "qcow2", "backing", "file",
                             "driver", "file", "filename", stage->overlay_path);
    char *json = node ? json_dumps(node, JSON_COMPACT) : NULL;
    char *name = NULL;

    if (json && asprintf(&name, "json:%s", json) < 0)
        name = NULL;
    free(json);
    json_decref(node);
    return name;
}

static int extent_of_json(json_t *item, struct bf_staged_extent *ret_extent, bool *ret_present)
{
    json_int_t start = 0;
    json_int_t length = 0;
    json_int_t offset = -1;
    int present = 0;
    int zero = 0;

    if (json_unpack(item, "{s:I, s:I, s:b, s:b, s?I}", "start", &start, "length", &length,
                    "present", &present, "zero", &zero, "offset", &offset) < 0 ||
        start < 0 || length <= 0 || (present && !zero && offset < 0))
        return -EPROTO;
    *ret_extent = (struct bf_staged_extent){
        .image_offset_bytes = (uint64_t)start,
        .length_bytes = (uint64_t)length,
        .overlay_offset_bytes = zero ? 0 : (uint64_t)offset,
        .zero = zero,
    };
    *ret_present = present;
    return 0;
}

static int extents_of_json(json_t *map, struct bf_staged_extent *extents, size_t *ret_nr_extents)
{
    size_t index;
    json_t *item;

    *ret_nr_extents = 0;
    json_array_foreach(map, index, item)
    {
        bool present;

        if (extent_of_json(item, &extents[*ret_nr_extents], &present) < 0)
            return -EPROTO;
        if (present)
            (*ret_nr_extents)++;
    }
    return 0;
}

int bf_stage_extents(const struct bf_stage *stage, struct bf_staged_extent **ret_extents,
                     size_t *ret_nr_extents, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = overlay_alone(stage);
    const char *const argv[] = {"qemu-img", "map", "--output=json", name, NULL};
    BF_CLEANUP(bf_freep) struct bf_staged_extent *extents = NULL;
    json_t *map;
    int r;

    if (!name)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    r = bf_child_run(argv, stage->log_path, stage->deadline_ms, err);
    if (r < 0)
        return r;
    map = json_load_file(stage->log_path, JSON_REJECT_DUPLICATES, NULL);
    extents = calloc(json_array_size(map) + 1, sizeof *extents);
    if (!extents)
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    else if (!json_is_array(map) || extents_of_json(map, extents, ret_nr_extents) < 0)
        r = bf_error_set(err, BF_E_CHILD_FAILED, "cannot understand what `qemu-img map` says (%s)",
                         stage->log_path);
    json_decref(map);
    if (r == 0)
        *ret_extents = bf_steal_ptr(&extents);
    return r;
}
