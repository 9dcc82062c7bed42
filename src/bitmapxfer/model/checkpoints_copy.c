#include "model/checkpoints_copy.h"

static int copy_one(const struct bf_checkpoint *from, struct bf_checkpoints *copy,
                    struct bf_error *err)
{
    struct bf_checkpoint *to;
    int r = bf_checkpoints_add(copy, from->name, from->parent, from->time_unix_s, &to, err);

    for (size_t i = 0; r == 0 && i < from->nr_disks; i++)
        r = bf_checkpoint_add_disk(to, from->disks[i].disk, from->disks[i].bitmap, err);
    return r;
}

int bf_checkpoints_copy(const struct bf_checkpoints *from, struct bf_checkpoints *ret_copy,
                        struct bf_error *err)
{
    struct bf_checkpoints copy = {.style = from->style};
    int r = 0;

    for (size_t i = 0; r == 0 && i < from->nr_items; i++)
        r = copy_one(&from->items[i], &copy, err);
    if (r == 0)
        r = bf_checkpoints_settle(&copy, err);
    if (r < 0)
        bf_checkpoints_release(&copy);
    else
        *ret_copy = copy;
    return r;
}
