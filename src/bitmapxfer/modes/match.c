#include "modes_private.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

static bool serials_differ(const struct bf_disk_facts *a, const struct bf_disk_facts *b)
{
    return a->serial[0] != '\0' && b->serial[0] != '\0' && strcmp(a->serial, b->serial) != 0;
}

/* A name alone is not enough: disks are swapped, unplugged and plugged again. */
static bool is_confirmed(const struct bf_disk_facts *a, const struct bf_disk_facts *b)
{
    return a->named || b->named || same_text(a->serial, b->serial) ||
           same_text(a->layers[0].node, b->layers[0].node) ||
           same_text(a->layers[0].identity, b->layers[0].identity) ||
           same_text(a->alias, b->alias) || a->layers[0].size_bytes == b->layers[0].size_bytes;
}

static uint32_t find_named(const struct bf_vm_facts *dest, const struct bf_disk_facts *disk)
{
    for (uint32_t i = 0; i < dest->nr_disks; i++) {
        if (same_text(dest->disks[i].name, disk->name))
            return i;
    }
    return BF_NO_PARTNER;
}

static uint32_t count_serial(const struct bf_vm_facts *vm, const char *serial, uint32_t *ret_last)
{
    uint32_t nr = 0;

    for (uint32_t i = 0; i < vm->nr_disks; i++) {
        if (same_text(vm->disks[i].serial, serial)) {
            *ret_last = i;
            nr++;
        }
    }
    return nr;
}

/* Where the data go, the bitmaps go. */
static uint32_t find_by_mirror(const struct bf_vm_facts *dest, const struct bf_disk_facts *disk)
{
    for (uint32_t i = 0; i < dest->nr_disks; i++) {
        if (same_text(dest->disks[i].export, disk->mirror))
            return i;
    }
    return BF_NO_PARTNER;
}

/* A serial that is not unique on either side proves nothing. */
static uint32_t find_by_serial(const struct bf_vm_facts *source, const struct bf_vm_facts *dest,
                               const struct bf_disk_facts *disk)
{
    uint32_t here;
    uint32_t there = BF_NO_PARTNER;

    if (count_serial(source, disk->serial, &here) != 1 ||
        count_serial(dest, disk->serial, &there) != 1)
        return BF_NO_PARTNER;
    return there;
}

void bf_match_disk(const struct bf_vm_facts *source, uint32_t index, const struct bf_vm_facts *dest,
                   struct bf_disk_plan *ret_plan)
{
    const struct bf_disk_facts *disk = &source->disks[index];
    uint32_t named = find_named(dest, disk);
    uint32_t found = find_by_mirror(dest, disk);

    ret_plan->partner = BF_NO_PARTNER;
    if (found == BF_NO_PARTNER && (named == BF_NO_PARTNER || !dest->disks[named].named))
        found = find_by_serial(source, dest, disk);
    if (found == BF_NO_PARTNER && named != BF_NO_PARTNER &&
        !serials_differ(disk, &dest->disks[named]) && is_confirmed(disk, &dest->disks[named]))
        found = named;
    if (found == BF_NO_PARTNER)
        ret_plan->drop = named == BF_NO_PARTNER ? BF_DROP_NODE_MISSING : BF_DROP_DISK_MISMATCH;
    else if (dest->disks[found].layers[0].size_bytes < disk->layers[0].size_bytes)
        ret_plan->drop = BF_DROP_SIZE_MISMATCH;
    else
        ret_plan->partner = found;
}

static bool is_shared(const struct bf_mode_plan *plan, uint32_t index)
{
    for (uint32_t i = 0; i < plan->nr_disks; i++) {
        if (i != index && plan->disks[i].partner == plan->disks[index].partner)
            return plan->disks[index].partner != BF_NO_PARTNER;
    }
    return false;
}

void bf_refuse_shared_partners(struct bf_mode_plan *plan)
{
    for (uint32_t i = 0; i < plan->nr_disks; i++) {
        if (is_shared(plan, i))
            plan->disks[i].drop = BF_DROP_DISK_MISMATCH;
    }
    for (uint32_t i = 0; i < plan->nr_disks; i++) {
        if (plan->disks[i].drop != BF_DROP_NONE)
            plan->disks[i].partner = BF_NO_PARTNER;
    }
}
