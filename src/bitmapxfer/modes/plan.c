#include "modes_private.h"

#include <stdlib.h>
#include <string.h>

void bf_mode_plan_release(struct bf_mode_plan *plan)
{
    for (uint32_t i = 0; i < plan->nr_disks; i++)
        free(plan->disks[i].bitmaps);
    free(plan->disks);
    memset(plan, 0, sizeof *plan);
}

static const struct bf_disk_facts *partner_of(const struct bf_vm_facts *dest,
                                              const struct bf_disk_plan *disk)
{
    return disk->partner == BF_NO_PARTNER ? NULL : &dest->disks[disk->partner];
}

static int list_bitmaps(const struct bf_disk_facts *facts, struct bf_disk_plan *disk,
                        struct bf_error *err)
{
    uint32_t nr = 0;

    for (uint32_t i = 0; i < facts->nr_layers; i++)
        nr += facts->layers[i].nr_bitmaps;
    if (nr > BF_HANDOFF_BITMAPS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "disk %s has %u bitmaps, more than one move takes",
                            facts->name, (unsigned)nr);
    disk->bitmaps = calloc(nr + 1U, sizeof *disk->bitmaps);
    if (!disk->bitmaps)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a plan");
    for (uint32_t i = 0; i < facts->nr_layers; i++) {
        for (uint32_t k = 0; k < facts->layers[i].nr_bitmaps; k++)
            disk->bitmaps[disk->nr_bitmaps++] = (struct bf_bitmap_plan){.layer = i, .bitmap = k};
    }
    return 0;
}

/* A wish for another mode than the facts say is obeyed, and pointed out. */
static void choose(const struct bf_vm_facts *source, const struct bf_disk_facts *facts,
                   const struct bf_vm_facts *dest, struct bf_disk_plan *disk)
{
    const struct bf_disk_facts *partner = partner_of(dest, disk);
    struct bf_disk_facts unbiased = *facts;
    enum bf_why why;
    enum bf_mode mode;

    disk->mode = bf_mode_choose(source, facts, dest, partner, &disk->why);
    unbiased.wish = BF_MODE_AUTO;
    mode = bf_mode_choose(source, &unbiased, dest, partner, &why);
    disk->contradicted = why != BF_WHY_NOTHING && why != BF_WHY_EXPORT && mode != disk->mode;
}

/* Bitmaps that must be carried as they are written to, and the disks they are on, decide: one disk
 * without a mirror makes it FREEZE for all. */
static enum bf_handoff_kind kind_of(const struct bf_vm_facts *source,
                                    const struct bf_mode_plan *plan)
{
    for (uint32_t i = 0; i < plan->nr_disks; i++) {
        const struct bf_layer_facts *top = &source->disks[i].layers[0];

        if (plan->disks[i].mode == BF_MODE_NBD || source->disks[i].mirrored)
            continue;
        for (uint32_t k = 0; k < top->nr_bitmaps; k++) {
            if (top->bitmaps[k].recording && !top->bitmaps[k].inconsistent)
                return BF_HANDOFF_FREEZE;
        }
    }
    return BF_HANDOFF_TRACKER;
}

static void decide_disk(const struct bf_vm_facts *source, const struct bf_vm_facts *dest,
                        struct bf_mode_plan *plan, uint32_t index)
{
    struct bf_disk_plan *disk = &plan->disks[index];
    struct bf_fate_context context = {source, dest, &source->disks[index], NULL, disk, plan->kind};

    context.partner = partner_of(dest, disk);
    for (uint32_t i = 0; i < disk->nr_bitmaps; i++)
        bf_decide_fate(&context, &disk->bitmaps[i]);
}

/* --- warnings -----------------------------------------------------------------------------------
 */

static void warn(struct bf_mode_plan *plan, unsigned warning)
{
    plan->warnings |= UINT32_C(1) << warning;
}

/* All named bitmaps of a mapped node are looked at by QEMU, whether they are mapped or not. */
static void warn_of_stream(const struct bf_vm_facts *source, const struct bf_vm_facts *dest,
                           struct bf_mode_plan *plan, uint32_t index)
{
    const struct bf_layer_facts *top = &source->disks[index].layers[0];
    const struct bf_disk_facts *partner = partner_of(dest, &plan->disks[index]);

    for (uint32_t i = 0; i < top->nr_bitmaps; i++) {
        const struct bf_bitmap_facts *bitmap = &top->bitmaps[i];

        if (bitmap->inconsistent || bitmap->busy)
            warn(plan, BF_WARNING_POISONED);
        if (!bitmap->mapped && source->dirty_bitmaps)
            continue;
        plan->stream_bits +=
            (top->size_bytes + bitmap->granularity_bytes - 1) / bitmap->granularity_bytes;
        if (partner && bf_layer_find(&partner->layers[0], bitmap->name))
            warn(plan, BF_WARNING_COLLISION);
    }
    if (plan->disks[index].drop == BF_DROP_SIZE_MISMATCH)
        warn(plan, BF_WARNING_SHRUNK);
}

static void choose_way(const struct bf_vm_facts *source, const struct bf_vm_facts *dest,
                       struct bf_mode_plan *plan, uint32_t index)
{
    const struct bf_disk_facts *facts = &source->disks[index];
    struct bf_disk_plan *disk = &plan->disks[index];
    const struct bf_disk_facts *partner = partner_of(dest, disk);

    choose(source, facts, dest, disk);
    if (partner)
        bf_match_chain(facts, partner, disk);
    if (disk->mode == BF_MODE_STREAM || (source->dirty_bitmaps && facts->alias[0] != '\0'))
        warn_of_stream(source, dest, plan, index);
}

static void warn_of_downtime(const struct bf_vm_facts *source, struct bf_mode_plan *plan)
{
    if (plan->stream_bits == 0)
        return;
    if (bf_estimate_downtime_ms(plan->stream_bits, source->bandwidth_bytes_s) >
        source->downtime_limit_ms)
        warn(plan, BF_WARNING_DOWNTIME_NEVER);
    else if (bf_estimate_downtime_ms(plan->stream_bits, BF_IDLE_BANDWIDTH_BYTES_S) >
             source->downtime_limit_ms)
        warn(plan, BF_WARNING_DOWNTIME_IDLE);
}

int bf_mode_plan_make(const struct bf_vm_facts *source, const struct bf_vm_facts *dest,
                      struct bf_mode_plan *ret_plan, struct bf_error *err)
{
    struct bf_mode_plan plan = {.disks = calloc(source->nr_disks + 1U, sizeof *plan.disks)};
    int r = plan.disks ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a plan");

    for (; plan.nr_disks < source->nr_disks && r == 0; plan.nr_disks++) {
        struct bf_disk_plan *disk = &plan.disks[plan.nr_disks];

        r = list_bitmaps(&source->disks[plan.nr_disks], disk, err);
        bf_match_disk(source, plan.nr_disks, dest, disk);
    }
    if (r < 0) {
        bf_mode_plan_release(&plan);
        return r;
    }
    bf_refuse_shared_partners(&plan);
    for (uint32_t i = 0; i < plan.nr_disks; i++)
        choose_way(source, dest, &plan, i);
    warn_of_downtime(source, &plan);
    plan.kind = kind_of(source, &plan);
    for (uint32_t i = 0; i < plan.nr_disks; i++)
        decide_disk(source, dest, &plan, i);
    *ret_plan = plan;
    return 0;
}
