/* On arrival: what a former visit left goes, what is proven is defined. */
#include "connect.h"

#include "libvirt/define.h"

#include <stdlib.h>
#include <string.h>

/** What is handed to libvirt: those checkpoints whose definition can be read. */
struct defining {
    struct bf_domain_arrival *arrival;
    struct bf_virt_checkpoints read;
    size_t *places; /* of each that was read, among the arrival's */
    struct bf_virt_definition *items;
};

static const struct bf_domain_bitmap *find_bitmap(const struct bf_domain_arrival *arrival,
                                                  const struct bf_virt_checkpoint_disk *disk)
{
    for (size_t i = 0; i < arrival->nr_bitmaps; i++) {
        if (strcmp(arrival->bitmaps[i].disk, disk->target) == 0 &&
            strcmp(arrival->bitmaps[i].bitmap, disk->bitmap) == 0)
            return &arrival->bitmaps[i];
    }
    return NULL;
}

static bool is_proven(const struct bf_domain_arrival *arrival,
                      const struct bf_virt_checkpoint_disk *disk)
{
    const struct bf_domain_bitmap *bitmap = find_bitmap(arrival, disk);

    return bitmap && bitmap->proven;
}

/* --- reading --- */

static void refuse(struct bf_domain_arrival *arrival, size_t index, const struct bf_error *why)
{
    arrival->fates[index] = BF_DOMAIN_REFUSED;
    arrival->whys[index] = *why;
}

/* By itself first: one that is not what it says must not stand among the others. */
static void read_one(struct defining *defining, size_t index)
{
    BF_CLEANUP(bf_virt_checkpoints_release) struct bf_virt_checkpoints alone = {.nr_items = 0};
    struct bf_domain_arrival *arrival = defining->arrival;
    const char *name = arrival->checkpoints.items[index].name;
    const char *xml = arrival->definitions[index];
    struct bf_error why = BF_ERROR_INIT;
    int r = xml ? bf_virt_checkpoints_add(&alone, xml, &why)
                : bf_error_set(&why, BF_E_INVALID, "the source has sent no definition of it");

    if (r == 0 && strcmp(alone.items[0].name, name) != 0)
        r = bf_error_set(&why, BF_E_INVALID, "its definition is that of another checkpoint");
    if (r == 0)
        r = bf_virt_checkpoints_add(&defining->read, xml, &why);
    if (r < 0)
        refuse(arrival, index, &why);
}

static int read_all(struct defining *defining, struct bf_error *err)
{
    const struct bf_checkpoints *checkpoints = &defining->arrival->checkpoints;
    size_t at = 0;

    for (size_t i = 0; i < checkpoints->nr_items; i++)
        read_one(defining, i);
    defining->places = calloc(defining->read.nr_items + 1, sizeof *defining->places);
    defining->items = calloc(defining->read.nr_items + 1, sizeof *defining->items);
    if (!defining->places || !defining->items)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the checkpoints of a domain");
    /* Both are in one order, parents first; some may be missing among those that were read. */
    for (size_t i = 0; i < checkpoints->nr_items && at < defining->read.nr_items; i++) {
        if (strcmp(defining->read.items[at].name, checkpoints->items[i].name) == 0)
            defining->places[at++] = i;
    }
    return 0;
}

static int judge(struct defining *defining, size_t at, struct bf_error *err)
{
    const struct bf_virt_checkpoint *checkpoint = &defining->read.items[at];
    struct bf_virt_definition *item = &defining->items[at];
    const char **without = calloc(checkpoint->nr_disks + 1, sizeof *without);
    enum bf_domain_fate *fate = &defining->arrival->fates[defining->places[at]];

    if (!without)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the checkpoints of a domain");
    item->checkpoint = checkpoint;
    item->without = without;
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        if (!is_proven(defining->arrival, &checkpoint->disks[i]))
            without[item->nr_without++] = checkpoint->disks[i].target;
    }
    item->wanted = item->nr_without < checkpoint->nr_disks && *fate != BF_DOMAIN_REFUSED;
    if (*fate != BF_DOMAIN_REFUSED && !item->wanted)
        *fate = BF_DOMAIN_DROPPED;
    else if (*fate != BF_DOMAIN_REFUSED)
        *fate = item->nr_without > 0 ? BF_DOMAIN_PARTLY : BF_DOMAIN_DEFINED;
    return 0;
}

/* --- what a former visit left --- */

/* A definition here is of a former visit if its bitmap did not come with this move. */
static bool is_leftover(void *ctx, const struct bf_virt_checkpoint *checkpoint)
{
    const struct bf_domain_arrival *arrival = ctx;
    size_t index = bf_checkpoints_find(&arrival->checkpoints, checkpoint->name);

    if (index != BF_NO_CHECKPOINT)
        return arrival->fates[index] == BF_DOMAIN_DROPPED;
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        if (find_bitmap(arrival, &checkpoint->disks[i]))
            return false;
    }
    return true;
}

static int define(struct defining *defining, struct bf_virt_domain *domain, struct bf_error *err)
{
    int r = read_all(defining, err);

    for (size_t i = 0; r == 0 && i < defining->read.nr_items; i++)
        r = judge(defining, i, err);
    if (r == 0)
        r = bf_virt_forget_leftovers(domain, is_leftover, NULL, defining->arrival, err);
    if (r == 0)
        r = bf_virt_define_all(domain, defining->items, defining->read.nr_items, NULL, NULL, err);
    for (size_t i = 0; r == 0 && i < defining->read.nr_items; i++) {
        if (defining->items[i].refusal.code != BF_E_NONE)
            refuse(defining->arrival, defining->places[i], &defining->items[i].refusal);
    }
    return r;
}

static void release(struct defining *defining)
{
    for (size_t i = 0; defining->items && i < defining->read.nr_items; i++)
        free((void *)(uintptr_t)defining->items[i].without);
    free(defining->items);
    free(defining->places);
    bf_virt_checkpoints_release(&defining->read);
}

int bf_domain_define(struct bf_domain_arrival *arrival, struct bf_error *err)
{
    BF_CLEANUP(bf_domain_link_close) struct bf_domain_link link = {.virt = NULL};
    BF_CLEANUP(release) struct defining defining = {.arrival = arrival};
    int r = bf_domain_link_open(&arrival->domain, &link, err);

    for (size_t i = 0; i < arrival->checkpoints.nr_items; i++) {
        arrival->fates[i] = BF_DOMAIN_DROPPED;
        bf_error_clear(&arrival->whys[i]);
    }
    return r < 0 ? r : define(&defining, link.domain, err);
}
