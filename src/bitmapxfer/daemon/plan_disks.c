#include "plan_disks.h"

#include "base/cleanup.h"
#include "base/name.h"
#include "plan_text.h"

#include <stdlib.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static int check_disk(const struct bf_plan *plan, const struct bf_plan_disk *disk,
                      struct bf_error *err)
{
    if (strchr(disk->name, '/'))
        return bf_error_set(err, BF_E_INVALID, "the disk name '%s' holds a slash", disk->name);
    for (const struct bf_plan_disk *other = plan->disks; other < disk; other++) {
        if (strcmp(other->name, disk->name) == 0)
            return bf_error_set(err, BF_E_INVALID, "the disk '%s' is named twice", disk->name);
        if (same(other->node, disk->node) || same(other->image, disk->image))
            return bf_error_set(err, BF_E_INVALID, "'%s' is that of two disks",
                                disk->node ? disk->node : disk->image);
    }
    return 0;
}

static int read_disk(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    struct bf_plan_disk *disk = &plan->disks[plan->nr_disks++];
    int r;

    if (!json_is_object(object) || json_object_size(object) != 2)
        return bf_error_set(err, BF_E_INVALID,
                            "a disk is an object with 'name', and 'node' or 'image'");
    r = bf_plan_copy_text(object, "name", BF_DISK_NAME_MAX, &disk->name, err);
    if (r == 0 && json_object_get(object, "image"))
        r = bf_plan_read_path(object, "image", BF_PLAN_IMAGE_MAX_BYTES, &disk->image, err);
    else if (r == 0)
        r = bf_plan_copy_text(object, "node", BF_PLAN_NODE_MAX_BYTES, &disk->node, err);
    return r < 0 ? r : check_disk(plan, disk, err);
}

int bf_plan_read_disks(const json_t *object, struct bf_plan *plan, struct bf_error *err)
{
    const json_t *disks = json_object_get(object, "disks");
    const json_t *disk;
    size_t i;
    int r = 0;

    if (!disks)
        return 0;
    if (!json_is_array(disks))
        return bf_error_set(err, BF_E_INVALID, "'disks' must be an array");
    if (json_array_size(disks) > BF_PLAN_DISKS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "a move has at most %d disks", BF_PLAN_DISKS_MAX);
    plan->disks = calloc(json_array_size(disks) + 1, sizeof *plan->disks);
    if (!plan->disks)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    json_array_foreach(disks, i, disk)
    {
        r = read_disk(disk, plan, err);
        if (r < 0)
            break;
    }
    return r;
}

json_t *bf_plan_disks_to_json(const struct bf_plan *plan)
{
    BF_CLEANUP(json_decrefp) json_t *disks = json_array();

    for (size_t i = 0; disks && i < plan->nr_disks; i++) {
        if (json_array_append_new(disks, json_pack("{s:s, s:s*, s:s*}", "name", plan->disks[i].name,
                                                   "node", plan->disks[i].node, "image",
                                                   plan->disks[i].image)) < 0)
            return NULL;
    }
    return bf_steal_ptr(&disks);
}
