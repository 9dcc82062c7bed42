#include "model/checkpoints.h"

#include "base/name.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for checkpoints");
}

static int check_name(const char *name, size_t max_bytes, const char *what, struct bf_error *err)
{
    size_t length = strlen(name);

    if (length > 0 && length <= max_bytes)
        return 0;
    return bf_error_set(err, BF_E_INVALID, "the name of a %s has 1 to %zu bytes, this one has %zu",
                        what, max_bytes, length);
}

static int check_checkpoint(const struct bf_checkpoints *checkpoints, const char *name,
                            const char *parent, struct bf_error *err)
{
    int r = check_name(name, BF_CHECKPOINT_NAME_MAX, "checkpoint", err);

    if (r == 0 && parent)
        r = check_name(parent, BF_CHECKPOINT_NAME_MAX, "parent", err);
    if (r < 0)
        return r;
    if (bf_checkpoints_find(checkpoints, name) != BF_NO_CHECKPOINT)
        return bf_error_set(err, BF_E_EXISTS, "there are two checkpoints named '%.200s'", name);
    if (checkpoints->nr_items == BF_CHECKPOINTS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "there are more than %d checkpoints",
                            BF_CHECKPOINTS_MAX);
    return 0;
}

static void release_checkpoint(struct bf_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        free(checkpoint->disks[i].disk);
        free(checkpoint->disks[i].bitmap);
    }
    free(checkpoint->disks);
    free(checkpoint->name);
    free(checkpoint->parent);
}

int bf_checkpoints_add(struct bf_checkpoints *checkpoints, const char *name, const char *parent,
                       int64_t time_unix_s, struct bf_checkpoint **ret_checkpoint,
                       struct bf_error *err)
{
    struct bf_checkpoint checkpoint = {
        .time_unix_s = time_unix_s,
        .parent_index = BF_NO_CHECKPOINT,
        .next_index = BF_NO_CHECKPOINT,
    };
    struct bf_checkpoint *items;
    int r = check_checkpoint(checkpoints, name, parent, err);

    if (r < 0)
        return r;
    items = reallocarray(checkpoints->items, checkpoints->nr_items + 1, sizeof *items);
    if (items)
        checkpoints->items = items;
    checkpoint.name = strdup(name);
    checkpoint.parent = parent ? strdup(parent) : NULL;
    if (!items || !checkpoint.name || (parent && !checkpoint.parent)) {
        release_checkpoint(&checkpoint);
        return no_memory(err);
    }
    items[checkpoints->nr_items] = checkpoint;
    if (ret_checkpoint)
        *ret_checkpoint = &items[checkpoints->nr_items];
    checkpoints->nr_items++;
    return 0;
}

static int check_disk(const struct bf_checkpoint *checkpoint, const char *disk, const char *bitmap,
                      struct bf_error *err)
{
    int r = check_name(disk, BF_DISK_NAME_MAX, "disk", err);

    if (r == 0)
        r = check_name(bitmap, BF_BITMAP_NAME_MAX, "bitmap", err);
    if (r < 0)
        return r;
    if (bf_checkpoint_bitmap(checkpoint, disk))
        return bf_error_set(err, BF_E_EXISTS, "checkpoint '%.200s' has disk '%s' twice",
                            checkpoint->name, disk);
    if (checkpoint->nr_disks == BF_CHECKPOINT_DISKS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "checkpoint '%.200s' has more than %d disks",
                            checkpoint->name, BF_CHECKPOINT_DISKS_MAX);
    return 0;
}

int bf_checkpoint_add_disk(struct bf_checkpoint *checkpoint, const char *disk, const char *bitmap,
                           struct bf_error *err)
{
    struct bf_checkpoint_disk *disks;
    struct bf_checkpoint_disk copy;
    int r = check_disk(checkpoint, disk, bitmap, err);

    if (r < 0)
        return r;
    disks = reallocarray(checkpoint->disks, checkpoint->nr_disks + 1, sizeof *disks);
    if (disks)
        checkpoint->disks = disks;
    copy = (struct bf_checkpoint_disk){.disk = strdup(disk), .bitmap = strdup(bitmap)};
    if (!disks || !copy.disk || !copy.bitmap) {
        free(copy.disk);
        free(copy.bitmap);
        return no_memory(err);
    }
    disks[checkpoint->nr_disks++] = copy;
    return 0;
}

void bf_checkpoints_release(struct bf_checkpoints *checkpoints)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++)
        release_checkpoint(&checkpoints->items[i]);
    free(checkpoints->items);
    *checkpoints = (struct bf_checkpoints){.style = checkpoints->style};
}

size_t bf_checkpoints_find(const struct bf_checkpoints *checkpoints, const char *name)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        if (strcmp(checkpoints->items[i].name, name) == 0)
            return i;
    }
    return BF_NO_CHECKPOINT;
}

const char *bf_checkpoint_bitmap(const struct bf_checkpoint *checkpoint, const char *disk)
{
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        if (strcmp(checkpoint->disks[i].disk, disk) == 0)
            return checkpoint->disks[i].bitmap;
    }
    return NULL;
}

const char *bf_chain_style_name(enum bf_chain_style style)
{
    return style == BF_CHAIN_LINKS ? "links" : "nested";
}
