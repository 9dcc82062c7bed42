/* How each disk of the offer goes: what the source says of itself, and what QEMU says here, make a
 * plan (modes/plan.h).
 *
 *     query-..., once more  ->  facts of both sides  ->  plan  ->  modes, drops, what QEMU may
 * bring
 */
#include "drive.h"

#include "daemon/log.h"
#include "facts/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The source as its offer describes it, in the shape that the planner reads. */
struct offered {
    struct bf_vm_facts vm;
    struct bf_disk_facts *disks;
    struct bf_layer_facts *layers;
    struct bf_bitmap_facts *bitmaps;
    size_t nr_layers, nr_bitmaps; /* used so far */
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

static void describe_top(const struct dest_drive *drive, uint32_t index, struct offered *offered)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_layer_facts *top = &offered->layers[offered->nr_layers++];

    *top = (struct bf_layer_facts){
        .node = "",
        .identity = text_or_none(offer->disks[index].identity),
        .content = "",
        .bits = "",
        .path = "",
        .size_bytes = offer->disks[index].size_bytes,
        .stores = true,
        .bitmaps = &offered->bitmaps[offered->nr_bitmaps],
    };
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (offer->states[i].disk == index) {
            describe_bitmap(offer, i, &offered->bitmaps[offered->nr_bitmaps++]);
            top->nr_bitmaps++;
        }
    }
}

/* The grain of what is below is no matter: its bits are merged into those of the top. */
static void describe_below(const struct bf_offer_layer *layer, struct offered *offered)
{
    struct bf_layer_facts *facts = &offered->layers[offered->nr_layers++];

    *facts = (struct bf_layer_facts){
        .node = layer->node,
        .identity = layer->identity,
        .content = layer->content,
        .bits = layer->bits,
        .path = layer->path,
        .size_bytes = layer->size_bytes,
        .stores = true,
        .bitmaps = &offered->bitmaps[offered->nr_bitmaps],
        .nr_bitmaps = layer->nr_bitmaps,
    };
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++)
        offered->bitmaps[offered->nr_bitmaps++] = (struct bf_bitmap_facts){
            .name = layer->bitmaps[i].name,
            .granularity_bytes = 1,
            .recording = layer->bitmaps[i].recording,
            .persistent = true,
            .inconsistent = layer->bitmaps[i].inconsistent,
        };
}

static void describe_disk(const struct dest_drive *drive, uint32_t index, struct offered *offered)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[index];

    offered->disks[index] = (struct bf_disk_facts){
        .name = disk->name,
        .serial = text_or_none(disk->serial),
        .alias = text_or_none(disk->alias),
        .mirror = "",
        .export = "",
        .mirrored = disk->mirrored,
        .wish = wish_for(drive, disk),
        .layers = &offered->layers[offered->nr_layers],
        .nr_layers = disk->nr_below + 1,
    };
    describe_top(drive, index, offered);
    for (uint32_t i = 0; i < disk->nr_below; i++)
        describe_below(&disk->below[i], offered);
}

static bool reserve(const struct bf_offer *offer, struct offered *offered)
{
    size_t nr_layers = offer->nr_disks;
    size_t nr_bitmaps = offer->nr_bitmaps;

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        nr_layers += offer->disks[i].nr_below;
        for (uint32_t j = 0; j < offer->disks[i].nr_below; j++)
            nr_bitmaps += offer->disks[i].below[j].nr_bitmaps;
    }
    *offered = (struct offered){
        .disks = calloc(offer->nr_disks + 1U, sizeof *offered->disks),
        .layers = calloc(nr_layers + 1, sizeof *offered->layers),
        .bitmaps = calloc(nr_bitmaps + 1, sizeof *offered->bitmaps),
    };
    return offered->disks && offered->layers && offered->bitmaps;
}

/* Whether the guest's last pause will be told of is not known yet: it is assumed, and what then
 * misses something is dropped when the time has come. */
static bool describe(const struct dest_drive *drive, struct offered *offered)
{
    const struct bf_offer *offer = &drive->offer;

    if (!reserve(offer, offered))
        return false;
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        describe_disk(drive, i, offered);
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

static bool is_there(const struct bf_disk_facts *here, const char *name)
{
    for (uint32_t i = 0; i < here->layers[0].nr_bitmaps; i++) {
        if (strcmp(here->layers[0].bitmaps[i].name, name) == 0)
            return true;
    }
    return false;
}

static void take_bitmap(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                        const struct bf_facts *facts)
{
    struct bf_offer *offer = &drive->offer;
    const struct bf_disk_facts *here = &facts->disks[plan->partner];
    struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];
    bool may_be_opened = offer->disks[offer->states[index].disk].image == BF_SAMENESS_OTHER;
    bool seen;
    bool stored;

    offer->states[index].native = plan->mode == BF_MODE_SHARED || plan->mode == BF_MODE_STREAM;
    bitmap->collides = false;
    if (plan->mode == BF_MODE_SHARED) {
        bitmap->fresh = bitmap->persistent;
        return;
    }
    if (!asks_anew(drive) || drive->guest_ran)
        return;
    /* One that is not there now, while the guest is still over there, can only come with this move.
     */
    seen = is_there(here, bitmap->name);
    stored = bf_facts_is_stored(bf_facts_disk(facts->document, here->name), 0, bitmap->name);
    bitmap->collides = plan->mode == BF_MODE_STREAM && (seen || (stored && may_be_opened));
    bitmap->fresh = !seen && !stored;
}

/* The offer's bitmaps of a disk are those of its top image, in the plan's order. */
static void take_bitmaps(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                         const struct bf_facts *facts)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        const struct bf_bitmap_plan *bitmap;

        if (drive->offer.states[i].disk != index)
            continue;
        bitmap = &plan->bitmaps[at++];
        if (plan->partner != BF_NO_PARTNER)
            take_bitmap(drive, i, plan, facts);
        drive->drops[i] = (uint8_t)dest_judge_place(&drive->offer, i);
        if (drive->drops[i] == BF_DROP_NODE_MISSING && plan->drop != BF_DROP_NONE)
            drive->drops[i] = (uint8_t)plan->drop;
        if (drive->drops[i] == BF_DROP_NONE && bitmap->fate == BF_FATE_DROP)
            drive->drops[i] = (uint8_t)bitmap->drop;
    }
}

static void warn(struct dest_drive *drive, const char *disk, const char *why)
{
    char text[512];

    (void)snprintf(text, sizeof text, "disk %s: %s", disk, why);
    bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, text);
    bf_move_warn(drive->move, text);
}

/* A disk of the same name that is another one is as good as none. */
static bool settle_place(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                         const struct bf_disk_facts *here)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[index];
    bool smaller = disk->placed_size_bytes < disk->size_bytes; /* it itself, and no other one */

    if (here)
        return dest_place_disk(drive, index, here->name);
    return (plan->drop == BF_DROP_SIZE_MISMATCH && smaller) || dest_place_disk(drive, index, NULL);
}

static bool take_disk(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                      const struct offered *offered, const struct bf_facts *facts)
{
    struct bf_offer_disk *disk = &drive->offer.disks[index];
    const struct bf_disk_facts *here =
        plan->partner == BF_NO_PARTNER ? NULL : &facts->disks[plan->partner];

    if (!settle_place(drive, index, plan, here))
        return false;
    disk->mode = plan->mode;
    disk->why = plan->why;
    disk->nr_merged = plan->nr_merged;
    disk->image = here ? bf_image_compare(text_or_none(disk->identity), here->layers[0].identity)
                       : BF_SAMENESS_UNKNOWN;
    take_bitmaps(drive, index, plan, facts);
    if (plan->chain_broken)
        warn(drive, disk->name,
             "the images below are not known to be the same here, so what all of "
             "the source's have is carried as one");
    if (here)
        dest_report_below(drive, index, plan, &offered->disks[index], here,
                          bf_facts_disk(facts->document, here->name));
    if (plan->contradicted)
        warn(drive, disk->name, "its mode is as asked, against what is found");
    if (here && plan->why == BF_WHY_NOTHING && drive->offer.kind == BF_HANDOFF_TRACKER)
        warn(drive, disk->name, bf_why_text(plan->why));
    return true;
}

static int decide(struct dest_drive *drive, json_t *document, struct bf_error *err)
{
    struct offered offered = {.disks = NULL};
    struct bf_facts facts = {.document = NULL};
    struct bf_mode_plan plan = {.disks = NULL};
    int r = describe(drive, &offered) ? bf_facts_read(document, &facts, err)
                                      : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a plan");

    for (uint32_t i = 0; r == 0 && i < facts.vm.nr_disks; i++)
        facts.disks[i].named = drive->move->plan.nr_disks > 0;
    if (r == 0)
        r = bf_mode_plan_make(&offered.vm, &facts.vm, &plan, err);
    for (uint32_t i = 0; r == 0 && i < drive->offer.nr_disks; i++) {
        if (!take_disk(drive, i, &plan.disks[i], &offered, &facts))
            r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for a plan");
    }
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
    dest_remove_colliding(drive);
}

void dest_choose_modes(struct dest_drive *drive)
{
    const struct bf_live_survey *here = &drive->here;
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_disk_wish *disks = calloc(here->nr_disks + 1U, sizeof *disks);
    uint32_t nr_disks = 0;
    int r = -1;

    for (uint32_t i = 0; disks && i < here->nr_disks; i++) {
        if (here->disks[i].node[0])
            disks[nr_disks++] =
                (struct bf_live_disk_wish){here->disks[i].name, here->disks[i].node};
    }
    if (disks && live)
        r = bf_facts_ask(live, disks, nr_disks, BF_QEMU_DEADLINE_MS, on_facts, drive, NULL);
    free(disks);
    if (r == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}
