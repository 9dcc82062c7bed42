/* The checkpoints of an offer, in and out of its message. */
#include "offer_checkpoints.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

struct bf_offered_checkpoints {
    Bitferry__OfferedCheckpoint *items;
    Bitferry__OfferedCheckpoint **list;
    Bitferry__CheckpointDisk *disks;
    Bitferry__CheckpointDisk **disk_list;
};

static void free_definitions(char **definitions, size_t nr)
{
    for (size_t i = 0; definitions && i < nr; i++)
        free(definitions[i]);
    free(definitions);
}

void bf_offer_release_checkpoints(struct bf_offer *offer)
{
    free_definitions(offer->definitions, offer->checkpoints.nr_items);
    offer->definitions = NULL;
    bf_checkpoints_release(&offer->checkpoints);
}

void bf_offer_take_checkpoints(struct bf_offer *offer, struct bf_checkpoints *checkpoints,
                               char **definitions)
{
    bf_offer_release_checkpoints(offer);
    offer->checkpoints = *checkpoints;
    offer->definitions = definitions;
    *checkpoints = (struct bf_checkpoints){.style = checkpoints->style};
}

/* --- out --- */

static ProtobufCBinaryData text_bytes(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}

static size_t count_disks(const struct bf_checkpoints *checkpoints)
{
    size_t nr = 0;

    for (size_t i = 0; i < checkpoints->nr_items; i++)
        nr += checkpoints->items[i].nr_disks;
    return nr;
}

static struct bf_offered_checkpoints *reserve(size_t nr_items, size_t nr_disks)
{
    struct bf_offered_checkpoints *out = calloc(1, sizeof *out);

    if (!out)
        return NULL;
    out->items = calloc(nr_items + 1, sizeof *out->items);
    out->list = calloc(nr_items + 1, sizeof(void *));
    out->disks = calloc(nr_disks + 1, sizeof *out->disks);
    out->disk_list = calloc(nr_disks + 1, sizeof(void *));
    if (out->items && out->list && out->disks && out->disk_list)
        return out;
    bf_offered_checkpoints_free(out);
    return NULL;
}

static void fill_disks(struct bf_offered_checkpoints *out, size_t *at,
                       const struct bf_checkpoint *from, Bitferry__OfferedCheckpoint *item)
{
    item->disks = &out->disk_list[*at];
    item->n_disks = from->nr_disks;
    for (size_t i = 0; i < from->nr_disks; i++, (*at)++) {
        out->disk_list[*at] = &out->disks[*at];
        bitferry__checkpoint_disk__init(&out->disks[*at]);
        out->disks[*at].disk = text_bytes(from->disks[i].disk);
        out->disks[*at].bitmap = text_bytes(from->disks[i].bitmap);
    }
}

struct bf_offered_checkpoints *bf_offer_put_checkpoints(const struct bf_offer *offer,
                                                        Bitferry__Offer *message)
{
    const struct bf_checkpoints *checkpoints = &offer->checkpoints;
    struct bf_offered_checkpoints *out = reserve(checkpoints->nr_items, count_disks(checkpoints));
    size_t at = 0;

    if (!out)
        return NULL;
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        const struct bf_checkpoint *from = &checkpoints->items[i];
        Bitferry__OfferedCheckpoint *item = &out->items[i];

        out->list[i] = item;
        bitferry__offered_checkpoint__init(item);
        item->name = text_bytes(from->name);
        item->parent = text_bytes(from->parent ? from->parent : "");
        item->time_unix_s = from->time_unix_s == BF_NO_TIME ? 0 : from->time_unix_s;
        if (offer->definitions && offer->definitions[i])
            item->definition = text_bytes(offer->definitions[i]);
        fill_disks(out, &at, from, item);
    }
    message->n_checkpoints = checkpoints->nr_items;
    message->checkpoints = out->list;
    message->style = checkpoints->style == BF_CHAIN_LINKS
                         ? BITFERRY__CHAIN_STYLE__CHAIN_STYLE_LINKS
                         : BITFERRY__CHAIN_STYLE__CHAIN_STYLE_NESTED;
    return out;
}

void bf_offered_checkpoints_free(struct bf_offered_checkpoints *out)
{
    free(out->items);
    free(out->list);
    free(out->disks);
    free(out->disk_list);
    free(out);
}

/* --- in: every `bytes` field is followed by a NUL (rpc/message.h) --- */

static const char *text_of(const ProtobufCBinaryData *bytes)
{
    return bytes->len > 0 ? (const char *)bytes->data : NULL;
}

static int read_checkpoint(struct bf_checkpoints *checkpoints,
                           const Bitferry__OfferedCheckpoint *from, struct bf_error *err)
{
    struct bf_checkpoint *checkpoint;
    int r = bf_checkpoints_add(checkpoints, text_of(&from->name), text_of(&from->parent),
                               from->time_unix_s > 0 ? from->time_unix_s : BF_NO_TIME, &checkpoint,
                               err);

    for (size_t i = 0; r == 0 && i < from->n_disks; i++)
        r = bf_checkpoint_add_disk(checkpoint, text_of(&from->disks[i]->disk),
                                   text_of(&from->disks[i]->bitmap), err);
    return r;
}

static int read_definitions(const Bitferry__Offer *from, const struct bf_checkpoints *checkpoints,
                            char ***ret_definitions, struct bf_error *err)
{
    char **definitions = calloc(from->n_checkpoints + 1, sizeof *definitions);
    bool whole = definitions;

    for (size_t i = 0; whole && i < from->n_checkpoints; i++) {
        size_t at = bf_checkpoints_find(checkpoints, text_of(&from->checkpoints[i]->name));
        const char *text = text_of(&from->checkpoints[i]->definition);

        definitions[at] = text ? strdup(text) : NULL;
        whole = !text || definitions[at];
    }
    if (!whole) {
        free_definitions(definitions, from->n_checkpoints);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the checkpoints of a move");
    }
    *ret_definitions = definitions;
    return 0;
}

int bf_offer_read_checkpoints(struct bf_offer *offer, const Bitferry__Offer *from,
                              struct bf_error *err)
{
    struct bf_checkpoints checkpoints = {
        .style = from->style == BITFERRY__CHAIN_STYLE__CHAIN_STYLE_LINKS ? BF_CHAIN_LINKS
                                                                         : BF_CHAIN_NESTED};
    char **definitions = NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && i < from->n_checkpoints; i++)
        r = read_checkpoint(&checkpoints, from->checkpoints[i], err);
    if (r == 0)
        r = bf_checkpoints_settle(&checkpoints, err);
    if (r == 0)
        r = read_definitions(from, &checkpoints, &definitions, err);
    if (r == 0)
        bf_offer_take_checkpoints(offer, &checkpoints, definitions);
    else
        (void)bf_error_prefix(err, "the checkpoints of the offer");
    bf_checkpoints_release(&checkpoints);
    return r;
}
