/* The order of checkpoints, and who follows whom. */
#include "base/cleanup.h"
#include "model/checkpoints.h"

#include <string.h>

/* By what they are sorted: a child is never before its parent, whatever the clock said. */
struct place {
    size_t index;        /* as added */
    int64_t time_unix_s; /* its own, or an ancestor's if that is later */
    size_t rank;         /* its own index, or an ancestor's if that is higher */
    size_t depth;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *one = a;
    const struct place *other = b;

    if (one->time_unix_s != other->time_unix_s)
        return one->time_unix_s < other->time_unix_s ? -1 : 1;
    if (one->rank != other->rank)
        return one->rank < other->rank ? -1 : 1;
    return one->depth < other->depth ? -1 : one->depth > other->depth;
}

static void find_parents(struct bf_checkpoints *checkpoints)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        struct bf_checkpoint *item = &checkpoints->items[i];

        item->next_index = BF_NO_CHECKPOINT;
        item->parent_index =
            item->parent ? bf_checkpoints_find(checkpoints, item->parent) : BF_NO_CHECKPOINT;
    }
}

static int find_places(const struct bf_checkpoints *checkpoints, struct place *places,
                       struct bf_error *err)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        size_t at = i;
        struct place *place = &places[i];

        *place = (struct place){.index = i, .time_unix_s = BF_NO_TIME};
        for (; at != BF_NO_CHECKPOINT; at = checkpoints->items[at].parent_index) {
            if (checkpoints->items[at].time_unix_s > place->time_unix_s)
                place->time_unix_s = checkpoints->items[at].time_unix_s;
            if (at > place->rank)
                place->rank = at;
            if (++place->depth > checkpoints->nr_items)
                return bf_error_set(err, BF_E_INVALID, "checkpoint '%.200s' is its own ancestor",
                                    checkpoints->items[i].name);
        }
    }
    return 0;
}

static int find_next(struct bf_checkpoints *checkpoints, struct bf_error *err)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        size_t parent_index = checkpoints->items[i].parent_index;
        struct bf_checkpoint *parent;

        if (parent_index == BF_NO_CHECKPOINT)
            continue;
        parent = &checkpoints->items[parent_index];
        if (checkpoints->style == BF_CHAIN_LINKS && parent->next_index != BF_NO_CHECKPOINT)
            return bf_error_set(err, BF_E_INVALID,
                                "'%.200s' and '%.200s' have the same parent, '%.200s': a chain of "
                                "links does not branch",
                                checkpoints->items[parent->next_index].name,
                                checkpoints->items[i].name, parent->name);
        parent->next_index = i;
    }
    return 0;
}

int bf_checkpoints_settle(struct bf_checkpoints *checkpoints, struct bf_error *err)
{
    size_t nr_items = checkpoints->nr_items;
    BF_CLEANUP(bf_freep) struct place *places = calloc(nr_items + 1, sizeof *places);
    struct bf_checkpoint *items = calloc(nr_items + 1, sizeof *items);
    int r;

    if (!places || !items) {
        free(items);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for checkpoints");
    }
    find_parents(checkpoints);
    r = find_places(checkpoints, places, err);
    if (r < 0) {
        free(items);
        return r;
    }
    qsort(places, nr_items, sizeof *places, compare_places);
    for (size_t i = 0; i < nr_items; i++)
        items[i] = checkpoints->items[places[i].index];
    free(checkpoints->items);
    checkpoints->items = items;
    find_parents(checkpoints);
    return find_next(checkpoints, err);
}
