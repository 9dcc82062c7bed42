#include "payload.h"

#include "field.h"

#include "model/checkpoints.h"
#include "model/geometry.h"

#include <string.h>

static int check_offered_bitmap(const Bitferry__OfferedDisk *disk,
                                const Bitferry__OfferedBitmap *bitmap, struct bf_error *err)
{
    int r = bf_rpc_check_name(&bitmap->name, BF_BITMAP_NAME_MAX, "the name of a bitmap", err);

    if (r == 0 && bitmap->sha256.len > 0)
        r = bf_rpc_check_sha256(&bitmap->sha256, err);
    return r < 0 ? r
                 : bf_rpc_check_geometry(disk->virtual_size_bytes, bitmap->granularity_bytes, err);
}

static int check_disk_name(const ProtobufCBinaryData *name, struct bf_error *err)
{
    int r = bf_rpc_check_text_name(name, BF_DISK_NAME_MAX, "the name of a disk", err);

    if (r == 0 && memchr(name->data, '/', name->len))
        return bf_error_set(err, BF_E_PROTOCOL, "the name of a disk has a '/' in it");
    return r;
}

static int check_bitmaps_unique(const Bitferry__OfferedDisk *disk, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) const ProtobufCBinaryData **names = NULL;

    if (disk->n_bitmaps < 2)
        return 0;
    names = calloc(disk->n_bitmaps, sizeof *names);
    if (!names)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to compare names");
    for (size_t i = 0; i < disk->n_bitmaps; i++)
        names[i] = &disk->bitmaps[i]->name;
    return bf_rpc_check_unique(names, disk->n_bitmaps, "bitmap", err);
}

static int check_mode(Bitferry__Mode mode, struct bf_error *err)
{
    return (unsigned)mode <= BITFERRY__MODE__MODE_NBD
               ? 0
               : bf_error_set(err, BF_E_PROTOCOL, "there is no mode %d", (int)mode);
}

static int check_origin(const Bitferry__OfferedDisk *disk, struct bf_error *err)
{
    int r = 0;

    if (disk->identity.len > 0)
        r = bf_rpc_check_text_name(&disk->identity, BF_RPC_IDENTITY_MAX_BYTES,
                                   "the identity of an image", err);
    if (r == 0 && disk->alias.len > 0)
        r = bf_rpc_check_text_name(&disk->alias, BF_RPC_ALIAS_MAX_BYTES, "the alias of a node",
                                   err);
    if (r == 0 && disk->serial.len > 0)
        r = bf_rpc_check_text_name(&disk->serial, BF_RPC_SERIAL_MAX_BYTES, "the serial of a disk",
                                   err);
    return r < 0 ? r : check_mode(disk->mode, err);
}

static int check_layer(const Bitferry__OfferedLayer *layer, struct bf_error *err)
{
    int r = bf_rpc_check_disk_size(layer->virtual_size_bytes, err);

    if (r == 0 && layer->identity.len > 0)
        r = bf_rpc_check_text_name(&layer->identity, BF_RPC_IDENTITY_MAX_BYTES,
                                   "the identity of an image", err);
    if (r == 0 && layer->content.len > 0)
        r = bf_rpc_check_text_name(&layer->content, BF_RPC_IDENTITY_MAX_BYTES,
                                   "the content of an image", err);
    if (r == 0 && layer->bits.len > 0)
        r = bf_rpc_check_text_name(&layer->bits, BF_RPC_IDENTITY_MAX_BYTES,
                                   "the bitmaps of an image", err);
    if (r == 0 && layer->path.len > 0)
        r = bf_rpc_check_text_name(&layer->path, BF_RPC_IDENTITY_MAX_BYTES, "the path of an image",
                                   err);
    if (r == 0 && layer->node_name.len > 0)
        r = bf_rpc_check_text_name(&layer->node_name, BF_RPC_NODE_NAME_MAX_BYTES,
                                   "the name of a node", err);
    if (r == 0)
        r = bf_rpc_check_count(layer->n_bitmaps, BF_RPC_BITMAPS_MAX, "bitmaps", err);
    for (size_t i = 0; r == 0 && i < layer->n_bitmaps; i++)
        r = bf_rpc_check_name(&layer->bitmaps[i]->name, BF_BITMAP_NAME_MAX, "the name of a bitmap",
                              err);
    return r;
}

static int check_below(const Bitferry__OfferedDisk *disk, struct bf_error *err)
{
    int r = bf_rpc_check_count(disk->n_below, BF_RPC_LAYERS_MAX, "images below a disk", err);

    for (size_t i = 0; r == 0 && i < disk->n_below; i++)
        r = check_layer(disk->below[i], err);
    return r;
}

static int check_offered_disk(const Bitferry__OfferedDisk *disk, struct bf_error *err)
{
    int r = check_disk_name(&disk->name, err);

    if (r == 0 && disk->node_name.len > 0)
        r = bf_rpc_check_text_name(&disk->node_name, BF_RPC_NODE_NAME_MAX_BYTES,
                                   "the name of a node", err);
    if (r == 0)
        r = bf_rpc_check_disk_size(disk->virtual_size_bytes, err);
    if (r == 0)
        r = check_origin(disk, err);
    if (r == 0 && disk->content.len > 0)
        r = bf_rpc_check_sha256(&disk->content, err);
    if (r == 0)
        r = check_below(disk, err);
    for (size_t i = 0; r == 0 && i < disk->n_bitmaps; i++)
        r = check_offered_bitmap(disk, disk->bitmaps[i], err);
    return r < 0 ? r : check_bitmaps_unique(disk, err);
}

static int check_depth(const Bitferry__Offer *offer, size_t index, struct bf_error *err)
{
    uint32_t depth = offer->disks[index]->depth;

    if (depth != 0 && (index == 0 || depth != offer->disks[index - 1]->depth + 1))
        return bf_error_set(err, BF_E_PROTOCOL, "an image of depth %u stands below none",
                            (unsigned)depth);
    return 0;
}

static int check_offered_disks(const Bitferry__Offer *offer, struct bf_error *err)
{
    const ProtobufCBinaryData *names[BF_RPC_DISKS_MAX];
    size_t nr_bitmaps = 0;
    int r = bf_rpc_check_count(offer->n_disks, BF_RPC_DISKS_MAX, "disks", err);

    for (size_t i = 0; r == 0 && i < offer->n_disks; i++) {
        names[i] = &offer->disks[i]->name;
        nr_bitmaps += offer->disks[i]->n_bitmaps;
        r = check_depth(offer, i, err);
    }
    if (r == 0)
        r = bf_rpc_check_count(nr_bitmaps, BF_RPC_BITMAPS_MAX, "bitmaps", err);
    for (size_t i = 0; r == 0 && i < offer->n_disks; i++)
        r = check_offered_disk(offer->disks[i], err);
    return r < 0 ? r : bf_rpc_check_unique(names, offer->n_disks, "disk", err);
}

static int check_checkpoint_disk(const Bitferry__CheckpointDisk *disk, struct bf_error *err)
{
    int r = check_disk_name(&disk->disk, err);

    return r < 0 ? r
                 : bf_rpc_check_text_name(&disk->bitmap, BF_BITMAP_NAME_MAX,
                                          "the bitmap of a checkpoint", err);
}

static int check_checkpoint(const Bitferry__OfferedCheckpoint *checkpoint, struct bf_error *err)
{
    int r = bf_rpc_check_text_name(&checkpoint->name, BF_CHECKPOINT_NAME_MAX,
                                   "the name of a checkpoint", err);

    if (r == 0 && checkpoint->parent.len > 0)
        r = bf_rpc_check_text_name(&checkpoint->parent, BF_CHECKPOINT_NAME_MAX,
                                   "the parent of a checkpoint", err);
    if (r == 0 && checkpoint->time_unix_s < 0)
        r = bf_error_set(err, BF_E_PROTOCOL, "a checkpoint is older than 1970");
    if (r == 0 && checkpoint->definition.len > 0)
        r = bf_rpc_check_name(&checkpoint->definition, BF_RPC_DEFINITION_MAX_BYTES,
                              "the definition of a checkpoint", err);
    if (r == 0)
        r = bf_rpc_check_count(checkpoint->n_disks, BF_RPC_DISKS_MAX, "disks in a checkpoint", err);
    for (size_t i = 0; r == 0 && i < checkpoint->n_disks; i++)
        r = check_checkpoint_disk(checkpoint->disks[i], err);
    return r;
}

/* Whether the names are unique and no one is his own ancestor, model/checkpoints.h tells. */
static int check_checkpoints(const Bitferry__Offer *offer, struct bf_error *err)
{
    int r = bf_rpc_check_count(offer->n_checkpoints, BF_RPC_CHECKPOINTS_MAX, "checkpoints", err);

    if (r == 0 && offer->style != BITFERRY__CHAIN_STYLE__CHAIN_STYLE_NESTED &&
        offer->style != BITFERRY__CHAIN_STYLE__CHAIN_STYLE_LINKS)
        r = bf_error_set(err, BF_E_PROTOCOL, "there is no style %d of checkpoints",
                         (int)offer->style);
    for (size_t i = 0; r == 0 && i < offer->n_checkpoints; i++)
        r = check_checkpoint(offer->checkpoints[i], err);
    return r;
}

int bf_rpc_check_offer(const Bitferry__Offer *offer, struct bf_error *err)
{
    int r = bf_rpc_check_text_name(&offer->vm_name, BF_RPC_VM_NAME_MAX_BYTES, "the VM's name", err);

    if (r == 0)
        r = bf_rpc_check_id(&offer->vm_uuid, "the VM's UUID", err);
    if (r < 0)
        return r;
    if (offer->method == BITFERRY__METHOD__METHOD_UNSPECIFIED ||
        (unsigned)offer->method > BITFERRY__METHOD__METHOD_NATIVE)
        return bf_error_set(err, BF_E_PROTOCOL, "there is no method %d", (int)offer->method);
    r = check_offered_disks(offer, err);
    return r < 0 ? r : check_checkpoints(offer, err);
}

int bf_rpc_check_placement(const Bitferry__Placement *placement, struct bf_error *err)
{
    int r = bf_rpc_check_count(placement->n_disks, BF_RPC_DISKS_MAX, "disks", err);

    if (r == 0 && placement->dest_move_id.len > 0)
        r = bf_rpc_check_id(&placement->dest_move_id, "the destination's move id", err);
    if (r == 0 && (unsigned)placement->method > BITFERRY__METHOD__METHOD_NATIVE)
        r = bf_error_set(err, BF_E_PROTOCOL, "there is no method %d", (int)placement->method);
    for (size_t i = 0; r == 0 && i < placement->n_disks; i++) {
        r = bf_rpc_check_disk_size(placement->disks[i]->virtual_size_bytes, err);
        if (r == 0)
            r = check_mode(placement->disks[i]->mode, err);
        if (r == 0 && (unsigned)placement->disks[i]->image > BITFERRY__SAMENESS__SAMENESS_OTHER)
            r = bf_error_set(err, BF_E_PROTOCOL, "there is no sameness %d",
                             (int)placement->disks[i]->image);
        if (r == 0)
            r = bf_rpc_check_count(placement->disks[i]->merged_layers, BF_RPC_LAYERS_MAX + 1U,
                                   "images in one", err);
        if (r == 0)
            r = bf_rpc_check_count(placement->disks[i]->below.len,
                                   (size_t)BF_RPC_LAYERS_MAX * BF_RPC_BITMAPS_MAX,
                                   "bitmaps of images below", err);
    }
    return r;
}

static uint32_t index_max(Bitferry__Step step)
{
    return step == BITFERRY__STEP__STEP_DELTA ? BF_RPC_DISKS_MAX : BF_RPC_BITMAPS_MAX;
}

static int check_export(const Bitferry__Export *export, struct bf_error *err)
{
    struct bf_geometry geometry = {export->disk_size_bytes, export->granularity_bytes};
    int r =
        bf_rpc_check_text_name(&export->name, BF_EXPORT_NAME_MAX - 2 * BF_RPC_TOKEN_MAX_BYTES - 1,
                               "the name of an export", err);

    if (r == 0)
        r = bf_rpc_check_geometry(export->disk_size_bytes, export->granularity_bytes, err);
    if (r == 0)
        r = bf_rpc_check_sha256(&export->sha256, err);
    if (r == 0 && export->nr_dirty_bits > bf_geometry_nr_bits(&geometry))
        r = bf_error_set(err, BF_E_PROTOCOL, "an export has more dirty bits than bits");
    return r;
}

int bf_rpc_check_exports(const Bitferry__Exports *exports, Bitferry__Step step,
                         struct bf_error *err)
{
    uint32_t next = 0;
    int r = bf_rpc_check_host(&exports->host, err);

    if (r < 0)
        return r;
    if (exports->port == 0 || exports->port > UINT16_MAX)
        return bf_error_set(err, BF_E_PROTOCOL, "there is no port %u", exports->port);
    if (exports->token.len < BF_RPC_TOKEN_MIN_BYTES || exports->token.len > BF_RPC_TOKEN_MAX_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "the token has %zu bytes instead of %d to %d",
                            exports->token.len, BF_RPC_TOKEN_MIN_BYTES, BF_RPC_TOKEN_MAX_BYTES);
    for (size_t i = 0; r == 0 && i < exports->n_exports; i++) {
        r = bf_rpc_check_index(exports->exports[i]->index, index_max(step), &next, err);
        if (r == 0)
            r = check_export(exports->exports[i], err);
    }
    return r;
}

/* Each is a number that daemon/move.h knows. */
static int check_definitions(const ProtobufCBinaryData *definitions, struct bf_error *err)
{
    enum { DEFINITION_MAX = 4 };
    int r = bf_rpc_check_count(definitions->len, BF_RPC_CHECKPOINTS_MAX, "definitions", err);

    for (size_t i = 0; r == 0 && i < definitions->len; i++) {
        if (definitions->data[i] > DEFINITION_MAX)
            r = bf_error_set(err, BF_E_PROTOCOL, "there is no fate %u of a definition",
                             (unsigned)definitions->data[i]);
    }
    return r;
}

int bf_rpc_check_results(const Bitferry__Results *results, Bitferry__Step step,
                         struct bf_error *err)
{
    uint32_t next = 0;
    int r = check_definitions(&results->definitions, err);

    if (r == 0)
        r = bf_rpc_check_count(results->proofs.len, BF_RPC_BITMAPS_MAX, "proofs", err);
    for (size_t i = 0; r == 0 && i < results->n_results; i++) {
        const Bitferry__Result *result = results->results[i];

        r = bf_rpc_check_index(result->index, index_max(step), &next, err);
        if (r == 0)
            r = bf_rpc_check_sha256(&result->sha256, err);
        if (r == 0 && result->nr_dirty_bits > BF_PACKED_MAX_BYTES * 8)
            r = bf_error_set(err, BF_E_PROTOCOL, "a bitmap has more dirty bits than any can have");
    }
    return r;
}
