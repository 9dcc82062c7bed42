/* How each disk of the offer goes: what the source says of itself, and what QEMU says here, make a
 * plan (modes/plan.h).
 *
 *     query-..., once more  ->  facts of both sides  ->  plan  ->  modes, drops, what QEMU may
 * bring
 */
#include "drive.h"

#include "daemon/log.h"
#include "facts/facts.h"

#include <stdlib.h>
#include <string.h>

/** The source as its offer describes it, in the shape that the planner reads. */
struct offered {
    struct bf_vm_facts vm;
    struct bf_disk_facts *disks;
    struct bf_layer_facts *layers;
    struct bf_bitmap_facts *bitmaps;
};

static void release(struct offered *offered)
{
    free(offered->disks);
    free(offered->layers);
    free(offered->bitmaps);
}

static const char *text_or_none(const char *text)
{
    return text ? text : "";
}

/* A person here knows better than one over there. */
static enum bf_mode wish_for(const struct dest_drive *drive, const struct bf_offer_disk *disk)
{
    enum bf_mode wish = bf_plan_mode(&drive->move->plan, disk->name);

    return wish != BF_MODE_AUTO ? wish : disk->wish;
}

static void describe_bitmap(const struct bf_offer *offer, uint32_t index,
                            struct bf_bitmap_facts *facts)
{
    *facts = (struct bf_bitmap_facts){
        .name = offer->bitmaps[index].name,
        .granularity_bytes = offer->bitmaps[index].granularity_bytes,
        .recording = offer->states[index].recording,
        .persistent = offer->bitmaps[index].persistent,
        .inconsistent = offer->states[index].drop == BF_DROP_BITMAP_INCONSISTENT,
        .mapped = offer->bitmaps[index].mapped,
    };
}

static void describe_disk(const struct dest_drive *drive, uint32_t index, struct offered *offered)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[index];

    offered->layers[index] = (struct bf_layer_facts){
        .node = "",
        .identity = text_or_none(disk->identity),
        .content = "",
        .size_bytes = disk->size_bytes,
        .stores = true,
    };
    offered->disks[index] = (struct bf_disk_facts){
        .name = disk->name,
        .serial = "",
        .alias = text_or_none(disk->alias),
        .mirror = "",
        .export = "",
        .mirrored = disk->mirrored,
        .wish = wish_for(drive, disk),
        .layers = &offered->layers[index],
        .nr_layers = 1,
    };
}

/* Whether the guest's last pause will be told of is not known yet: it is assumed, and what then
 * misses something is dropped when the time has come. */
static bool describe(const struct dest_drive *drive, struct offered *offered)
{
    const struct bf_offer *offer = &drive->offer;

    *offered = (struct offered){
        .disks = calloc(offer->nr_disks + 1U, sizeof *offered->disks),
        .layers = calloc(offer->nr_disks + 1U, sizeof *offered->layers),
        .bitmaps = calloc(offer->nr_bitmaps + 1U, sizeof *offered->bitmaps),
    };
    if (!offered->disks || !offered->layers || !offered->bitmaps)
        return false;
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        describe_disk(drive, i, offered);
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        struct bf_layer_facts *layer = &offered->layers[offer->states[i].disk];

        describe_bitmap(offer, i, &offered->bitmaps[i]);
        if (layer->nr_bitmaps++ == 0)
            layer->bitmaps = &offered->bitmaps[i];
    }
    offered->vm = (struct bf_vm_facts){
        .disks = offered->disks,
        .nr_disks = offer->nr_disks,
        .dirty_bitmaps = offer->dirty_bitmaps,
        .block = offer->block_copy,
        .pauses = true,
    };
    return true;
}

/* --- what follows from the plan --- */

static bool asks_anew(const struct dest_drive *drive)
{
    return drive->machine.state == BF_DEST_SURVEYING_OFFER;
}

/* A bitmap of that name that is not there now, while the guest is still over there, can only come
 * with this move. */
static bool is_fresh(const struct dest_drive *drive, const struct bf_disk_facts *here,
                     const json_t *disk, const char *name)
{
    for (uint32_t i = 0; i < here->layers[0].nr_bitmaps; i++) {
        if (strcmp(here->layers[0].bitmaps[i].name, name) == 0)
            return false;
    }
    return !drive->guest_ran && !bf_facts_is_stored(disk, name);
}

static void take_bitmap(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                        const struct bf_facts *facts)
{
    struct bf_offer *offer = &drive->offer;
    const struct bf_disk_facts *here = &facts->disks[plan->partner];
    struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];

    offer->states[index].native = plan->mode == BF_MODE_SHARED || plan->mode == BF_MODE_STREAM;
    if (plan->mode == BF_MODE_SHARED)
        bitmap->fresh = bitmap->persistent;
    else if (asks_anew(drive))
        bitmap->fresh =
            is_fresh(drive, here, bf_facts_disk(facts->document, here->name), bitmap->name);
}

static void take_disk(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                      const struct bf_facts *facts)
{
    struct bf_offer *offer = &drive->offer;

    offer->disks[index].mode = plan->mode;
    offer->disks[index].why = plan->why;
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (offer->states[i].disk != index)
            continue;
        if (plan->partner != BF_NO_PARTNER)
            take_bitmap(drive, i, plan, facts);
        else if (drive->drops[i] == BF_DROP_NONE)
            drive->drops[i] = (uint8_t)plan->drop;
    }
    if (plan->contradicted)
        bf_log(BF_LOG_WARNING, "move %s: disk %s goes by mode %s as asked, against what is found",
               drive->move->id, offer->disks[index].name, bf_mode_name(plan->mode));
}

static int decide(struct dest_drive *drive, json_t *document, struct bf_error *err)
{
    struct offered offered = {.disks = NULL};
    struct bf_facts facts = {.document = NULL};
    struct bf_mode_plan plan = {.disks = NULL};
    int r = describe(drive, &offered) ? bf_facts_read(document, &facts, err)
                                      : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a plan");

    for (uint32_t i = 0; r == 0 && i < facts.vm.nr_disks; i++) {
        facts.disks[i].named = drive->move->plan.nr_disks > 0;
        facts.disks[i].nr_layers = 1; /* of the offer, too */
    }
    if (r == 0)
        r = bf_mode_plan_make(&offered.vm, &facts.vm, &plan, err);
    for (uint32_t i = 0; r == 0 && i < drive->offer.nr_disks; i++)
        take_disk(drive, i, &plan.disks[i], &facts);
    if (r == 0 && plan.kind == BF_HANDOFF_FREEZE)
        drive->offer.kind = BF_HANDOFF_FREEZE;
    if (r == 0) {
        bf_offer_report_modes(&drive->offer, drive->move);
        if (asks_anew(drive))
            dest_set_up_stream(drive, &facts.vm);
    }
    bf_mode_plan_release(&plan);
    bf_facts_release(&facts);
    release(&offered);
    return r;
}

/* --- asking --- */

static void on_facts(void *ctx, json_t *document, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    BF_CLEANUP(json_decrefp) json_t *held = document;
    struct bf_error why = BF_ERROR_INIT;

    if (err)
        why = *err;
    if (!dest_op_ended(drive))
        return;
    if (err || decide(drive, held, &why) < 0) {
        bf_log(BF_LOG_WARNING, "move %s: looking how the disks go: %s", drive->move->id, why.text);
        dest_repeat(drive);
        return;
    }
    drive->again_step(drive);
}

void dest_choose_modes(struct dest_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_disk_wish *disks = calloc(offer->nr_disks + 1U, sizeof *disks);
    uint32_t nr_disks = 0;
    int r = -1;

    for (uint32_t i = 0; disks && i < offer->nr_disks; i++) {
        if (offer->disks[i].node[0])
            disks[nr_disks++] =
                (struct bf_live_disk_wish){offer->disks[i].name, offer->disks[i].node};
    }
    if (disks && live)
        r = bf_facts_ask(live, disks, nr_disks, BF_QEMU_DEADLINE_MS, on_facts, drive, NULL);
    free(disks);
    if (r == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}
