#include "drive/stream.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    ALIAS_MAX_BYTES = 255, /* QEMU: one byte of length in the stream */
    DEADLINE_MS = 30000,
};

bool bf_stream_is_ours(const struct bf_offer *offer, uint32_t disk)
{
    const struct bf_offer_disk *of = &offer->disks[disk];

    return of->mode == BF_MODE_STREAM && (of->why == BF_WHY_WISH || of->why == BF_WHY_BLOCK_COPY);
}

/* As QEMU wants them: id_wellformed(). */
static bool is_wellformed(const char *name)
{
    if (!isalpha((unsigned char)name[0]) || strlen(name) > ALIAS_MAX_BYTES)
        return false;
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("-._", *name))
            return false;
    }
    return true;
}

/* By disk: the nodes have other names on the other side. */
static const char *alias_of(const struct bf_offer *offer, uint32_t disk, char buf[32])
{
    const struct bf_offer_disk *of = &offer->disks[disk];

    if (of->alias && of->alias[0])
        return of->alias;
    if (is_wellformed(of->name))
        return of->name;
    (void)snprintf(buf, 32, "disk-%u", (unsigned)disk);
    return buf;
}

/* The other side, where it has no mapping, knows real names only. */
static json_t *map_bitmap(const struct bf_offer *offer, uint32_t index, bool dest)
{
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];
    bool stores = offer->disks[offer->states[index].disk].stores;
    const char *alias = bitmap->name;
    char number[32];

    (void)snprintf(number, sizeof number, "bitmap-%u", (unsigned)index);
    if (strlen(alias) > ALIAS_MAX_BYTES)
        alias = number;
    if (dest && bitmap->persistent && !stores) /* QEMU would call it persistent, and lose it */
        return json_pack("{s:s, s:s, s:{s:b}}", "name", bitmap->name, "alias", alias, "transform",
                         "persistent", 0);
    return json_pack("{s:s, s:s}", "name", bitmap->name, "alias", alias);
}

/* What comes and is not known at the destination costs all: it knows all. */
static bool is_mapped(const struct bf_offer *offer, uint32_t index, bool dest)
{
    const char *name = offer->bitmaps[index].name;

    return bf_utf8_valid(name, strlen(name)) &&
           (strlen(name) <= ALIAS_MAX_BYTES ||
            bf_stream_is_ours(offer, offer->states[index].disk)) &&
           (dest || offer->states[index].drop == BF_DROP_NONE);
}

static json_t *map_bitmaps(const struct bf_offer *offer, uint32_t disk, bool dest)
{
    BF_CLEANUP(json_decrefp) json_t *bitmaps = json_array();

    for (uint32_t i = 0; bitmaps && i < offer->nr_bitmaps; i++) {
        if (offer->states[i].disk == disk && is_mapped(offer, i, dest) &&
            json_array_append_new(bitmaps, map_bitmap(offer, i, dest)) < 0)
            return NULL;
    }
    return bf_steal_ptr(&bitmaps);
}

/* One inconsistent bitmap on a node that is mapped fails the whole migration: such a disk stays out
 * if that is for us to say. */
static bool is_fit(const struct bf_offer *offer, uint32_t disk)
{
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (offer->states[i].disk == disk && bf_stream_is_ours(offer, disk) &&
            offer->states[i].drop == BF_DROP_BITMAP_INCONSISTENT)
            return false;
    }
    return true;
}

json_t *bf_stream_mapping(const struct bf_offer *offer, bool dest)
{
    BF_CLEANUP(json_decrefp) json_t *mapping = json_array();
    char alias[32];

    for (uint32_t i = 0; mapping && i < offer->nr_disks; i++) {
        if (offer->disks[i].mode != BF_MODE_STREAM || !offer->disks[i].node[0] ||
            (!dest && !is_fit(offer, i)))
            continue;
        if (json_array_append_new(mapping,
                                  json_pack("{s:s, s:s, s:o}", "node-name", offer->disks[i].node,
                                            "alias", alias_of(offer, i, alias), "bitmaps",
                                            map_bitmaps(offer, i, dest))) < 0)
            return NULL;
    }
    return json_array_size(mapping) > 0 ? bf_steal_ptr(&mapping) : NULL;
}

static void set_capability(struct bf_live *live, bool state, bf_qmp_reply_fn done, void *ctx)
{
    json_t *arguments = json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "dirty-bitmaps",
                                  "state", state);

    (void)bf_qmp_send(bf_live_qmp(live), "migrate-set-capabilities", arguments, DEADLINE_MS, done,
                      ctx, NULL);
}

void bf_stream_set(struct bf_live *live, json_t *mapping, bool capability, bf_qmp_reply_fn done,
                   void *ctx)
{
    (void)bf_qmp_send(bf_live_qmp(live), "migrate-set-parameters",
                      json_pack("{s:o}", "block-bitmap-mapping", mapping), DEADLINE_MS, done, ctx,
                      NULL);
    if (capability)
        set_capability(live, true, done, ctx);
}

void bf_stream_unset(struct bf_live *live, bf_qmp_reply_fn done, void *ctx)
{
    set_capability(live, false, done, ctx);
}
