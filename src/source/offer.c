/* What the move is about: one look at QEMU becomes the offer. */
#include "drive.h"

#include "base/text.h"
#include "facts/facts.h"

#include <stdlib.h>
#include <string.h>

static bool fill_bitmap(struct bf_offer *offer, uint32_t disk, uint32_t at,
                        const struct bf_live_bitmap *from)
{
    struct bf_handoff_bitmap *state = &offer->states[at];

    offer->bitmaps[at] = (struct bf_offer_bitmap){
        .name = strdup(from->name),
        .granularity_bytes = from->granularity_bytes,
        .dirty_bytes = from->dirty_bytes,
        .persistent = from->persistent,
        .recording = from->recording,
    };
    state->disk = (uint16_t)disk;
    state->recording = from->recording;
    if (bf_temporary_name_reserved(from->name))
        state->drop = BF_DROP_NAME_RESERVED;
    else if (from->inconsistent)
        state->drop = BF_DROP_BITMAP_INCONSISTENT;
    return offer->bitmaps[at].name != NULL;
}

static bool fill_disk(struct bf_offer *offer, uint32_t index, const struct bf_live_disk *from,
                      uint32_t *at)
{
    struct bf_offer_disk *disk = &offer->disks[index];
    bool whole = true;

    disk->name = strdup(from->name);
    disk->node = strdup(from->node);
    disk->file = from->file ? strdup(from->file) : NULL;
    disk->size_bytes = from->size_bytes;
    disk->keeps = from->can_persist;
    for (uint32_t i = 0; i < from->nr_bitmaps; i++)
        whole = fill_bitmap(offer, index, (*at)++, &from->bitmaps[i]) && whole;
    return whole && disk->name && disk->node;
}

static const char *planned_node(const struct bf_plan *plan, const char *disk)
{
    for (size_t i = 0; i < plan->nr_disks; i++) {
        if (strcmp(plan->disks[i].name, disk) == 0)
            return plan->disks[i].node;
    }
    return "";
}

static int count(const struct bf_plan *plan, const struct bf_live_survey *survey,
                 uint32_t *ret_nr_bitmaps, struct bf_error *err)
{
    *ret_nr_bitmaps = 0;
    for (uint32_t i = 0; i < survey->nr_disks; i++) {
        if (survey->disks[i].node[0] == '\0')
            return bf_error_set(err, BF_E_NOT_FOUND,
                                "QEMU has no node '%s' for the disk %s: name it with --disk "
                                "%s=NODE ('query-named-block-nodes' lists them)",
                                planned_node(plan, survey->disks[i].name), survey->disks[i].name,
                                survey->disks[i].name);
        *ret_nr_bitmaps += survey->disks[i].nr_bitmaps;
    }
    if (*ret_nr_bitmaps == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                            "the VM's disks have no bitmaps: there is nothing to carry");
    return 0;
}

static enum bf_handoff_kind kind_of(const struct bf_plan *plan)
{
    if (plan->handover == BF_HANDOVER_FREEZE)
        return BF_HANDOFF_FREEZE;
    if (plan->handover == BF_HANDOVER_NATIVE ||
        (plan->handover == BF_HANDOVER_AUTO && plan->domain))
        return BF_HANDOFF_NATIVE;
    return BF_HANDOFF_TRACKER;
}

static int make_offer(struct source_drive *drive, const struct bf_live_survey *survey,
                      struct bf_error *err)
{
    struct bf_offer *offer = &drive->offer;
    uint32_t nr_bitmaps = 0;
    uint32_t at = 0;
    bool whole = true;
    int r = count(&drive->move->plan, survey, &nr_bitmaps, err);

    if (r == 0)
        r = bf_offer_init(offer, survey->nr_disks, nr_bitmaps, err);
    if (r < 0)
        return r;
    if (!bf_hex_decode(drive->move->id, BF_MOVE_ID_BYTES, offer->move_id))
        return bf_error_set(err, BF_E_INVALID, "'%s' is no id of a move", drive->move->id);
    offer->kind = kind_of(&drive->move->plan);
    for (uint32_t i = 0; i < survey->nr_disks; i++)
        whole = fill_disk(offer, i, &survey->disks[i], &at) && whole;
    return whole ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
}

/* --- how its disks may go --- */

static const struct bf_bitmap_facts *find_bitmap(const struct bf_disk_facts *disk, const char *name)
{
    for (uint32_t i = 0; i < disk->layers[0].nr_bitmaps; i++) {
        if (strcmp(disk->layers[0].bitmaps[i].name, name) == 0)
            return &disk->layers[0].bitmaps[i];
    }
    return NULL;
}

static bool add_layer(struct bf_offer_layer *layer, const struct bf_layer_facts *facts)
{
    bool whole = bf_offer_init_layer(layer, facts->nr_bitmaps, NULL) == 0;

    layer->node = strdup(facts->node);
    layer->identity = strdup(facts->identity);
    layer->content = strdup(facts->content);
    layer->bits = strdup(facts->bits);
    layer->path = strdup(facts->path);
    layer->size_bytes = facts->size_bytes;
    for (uint32_t i = 0; whole && i < facts->nr_bitmaps; i++) {
        layer->bitmaps[i] = (struct bf_offer_below){
            .name = strdup(facts->bitmaps[i].name),
            .recording = facts->bitmaps[i].recording,
            .inconsistent = facts->bitmaps[i].inconsistent,
        };
        whole = layer->bitmaps[i].name != NULL;
    }
    return whole && layer->node && layer->identity && layer->content && layer->bits && layer->path;
}

static bool add_layers(struct bf_offer_disk *disk, const struct bf_disk_facts *facts)
{
    bool whole = bf_offer_init_below(disk, facts->nr_layers - 1, NULL) == 0;

    for (uint32_t i = 0; i < disk->nr_below; i++)
        whole = add_layer(&disk->below[i], &facts->layers[i + 1]) && whole;
    return whole;
}

static bool add_disk_facts(struct bf_offer *offer, uint32_t index,
                           const struct bf_disk_facts *facts)
{
    struct bf_offer_disk *disk = &offer->disks[index];

    disk->identity = strdup(facts->layers[0].identity);
    disk->alias = strdup(facts->alias);
    disk->serial = strdup(facts->serial);
    disk->mirrored = facts->mirrored;
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        const struct bf_bitmap_facts *bitmap =
            offer->states[i].disk == index ? find_bitmap(facts, offer->bitmaps[i].name) : NULL;

        if (bitmap)
            offer->bitmaps[i].mapped = bitmap->mapped;
    }
    return disk->identity && disk->alias && disk->serial && add_layers(disk, facts);
}

/* A slip in a name must not pass for no wish at all. */
static int check_wishes(const struct source_drive *drive, struct bf_error *err)
{
    const struct bf_plan *plan = &drive->move->plan;

    for (size_t i = 0; i < plan->nr_modes; i++) {
        bool found = false;

        for (uint32_t j = 0; j < drive->offer.nr_disks; j++)
            found = found || strcmp(drive->offer.disks[j].name, plan->modes[i].disk) == 0;
        if (!found)
            return bf_error_set(err, BF_E_NOT_FOUND,
                                "a mode is wished for the disk '%s', which the machine has not",
                                plan->modes[i].disk);
    }
    return 0;
}

static int add_facts(struct source_drive *drive, const struct bf_vm_facts *vm, struct bf_error *err)
{
    struct bf_offer *offer = &drive->offer;
    bool whole = true;

    offer->dirty_bitmaps = vm->dirty_bitmaps;
    offer->block_copy = vm->block;
    offer->pauses = vm->pauses;
    drive->mapped_before = vm->mapping;
    drive->downtime_limit_ms = vm->downtime_limit_ms;
    drive->bandwidth_bytes_s = vm->bandwidth_bytes_s;
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        offer->disks[i].wish = bf_plan_mode(&drive->move->plan, offer->disks[i].name);
        for (uint32_t j = 0; j < vm->nr_disks; j++) {
            if (strcmp(vm->disks[j].name, offer->disks[i].name) == 0)
                whole = add_disk_facts(offer, i, &vm->disks[j]) && whole;
        }
    }
    return whole ? check_wishes(drive, err)
                 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
}

static void on_facts(void *ctx, json_t *document, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    BF_CLEANUP(json_decrefp) json_t *held = document;
    struct bf_facts facts = {.document = NULL};
    struct bf_error why = BF_ERROR_INIT;
    int r = 0;

    drive->busy = false;
    if (drive->freed || drive->ended)
        return;
    if (err)
        r = bf_error_set(&why, err->code, "%s", err->text);
    if (r == 0)
        r = bf_facts_read(held, &facts, &why);
    if (r == 0)
        r = add_facts(drive, &facts.vm, &why);
    bf_facts_release(&facts);
    if (r == 0)
        source_complete_offer(drive);
    else
        source_end(drive, BF_MOVE_FAILED, &why);
}

static int ask_facts(struct source_drive *drive, struct bf_error *err)
{
    const struct bf_offer *offer = &drive->offer;
    BF_CLEANUP(bf_freep)
    struct bf_live_disk_wish *disks = calloc(offer->nr_disks + 1U, sizeof *disks);
    int r;

    if (!disks)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        disks[i] = (struct bf_live_disk_wish){offer->disks[i].name, offer->disks[i].node};
    r = bf_facts_ask(bf_qemu_live(drive->qemu), disks, offer->nr_disks, BF_QEMU_DEADLINE_MS,
                     on_facts, drive, err);
    drive->busy = r == 0;
    return r;
}

/* --- one look --- */

static void on_surveyed(void *ctx, struct bf_live_survey *survey, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_error why = BF_ERROR_INIT;

    drive->busy = false;
    if (drive->freed || drive->ended)
        return;
    if (err)
        (void)bf_error_set(&why, err->code, "%s", err->text);
    else if (make_offer(drive, survey, &why) == 0 && ask_facts(drive, &why) == 0)
        return;
    source_end(drive, BF_MOVE_FAILED, &why);
}

void source_survey_offer(struct source_drive *drive)
{
    uint32_t nr_disks = 0;
    struct bf_live_disk_wish *disks = bf_qemu_disks(drive->qemu, &drive->move->plan, &nr_disks);
    struct bf_error err = BF_ERROR_INIT;
    int r = disks ? 0 : bf_error_set(&err, BF_E_NO_MEMORY, "no memory for one more move");

    if (!source_can_prepare(drive))
        bf_move_reach(drive->move, BF_MILESTONE_PREPARED);
    if (r == 0 && !drive->busy) {
        r = bf_live_survey(bf_qemu_live(drive->qemu), disks, nr_disks, BF_QEMU_DEADLINE_MS,
                           on_surveyed, drive, &err);
        drive->busy = r == 0;
    }
    free(disks);
    if (r < 0)
        source_end(drive, BF_MOVE_FAILED, &err);
}
