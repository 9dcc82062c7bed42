/** A message of each kind with everything in it; a test spoils one field. */
#ifndef RPC_MESSAGE_SAMPLE_H
#define RPC_MESSAGE_SAMPLE_H

#include "rpc/message.h"

/* As many bytes as the longest field may have, and one more. */
extern uint8_t sample_many[BF_RPC_BITMAPS_MAX + 1];
extern uint8_t sample_id[BF_RPC_ID_BYTES];

#define BYTES(text)   ((ProtobufCBinaryData){sizeof(text) - 1, (uint8_t *)(uintptr_t)(text)})
#define FILLED(count) ((ProtobufCBinaryData){(count), sample_many})
#define ID            ((ProtobufCBinaryData){sizeof sample_id, sample_id})

/** Whoever may have said it. */
#define ANYBODY BITFERRY__ROLE__ROLE_UNSPECIFIED

struct sample {
    Bitferry__Envelope envelope;
    Bitferry__Hello hello;
    Bitferry__Heartbeat heartbeat;
    Bitferry__Word word;
    Bitferry__Offer offer;
    Bitferry__OfferedDisk disks[2], *disk_list[2];
    Bitferry__OfferedBitmap bitmaps[2], *bitmap_list[2];
    Bitferry__OfferedCheckpoint checkpoint, *checkpoint_list[1];
    Bitferry__CheckpointDisk covered, *covered_list[1];
    Bitferry__OfferedLayer layer, *layer_list[BF_RPC_LAYERS_MAX + 1];
    Bitferry__LayerBitmap layer_bitmap, *layer_bitmap_list[1];
    Bitferry__Placement placement;
    Bitferry__PlacedDisk placed, *placed_list[1];
    Bitferry__Exports exports;
    Bitferry__Export export[2], *export_list[2];
    Bitferry__Results results;
    Bitferry__Result result[2], *result_list[2];
    Bitferry__Reason reason;
};
/** All of it, and all of it good; it is no message yet. */
void sample_fill(struct sample *s);

/** Make a message of it: the envelope has this body. */
void as_hello(struct sample *s);
void as_heartbeat(struct sample *s);
void as_offer(struct sample *s);
void as_placement(struct sample *s);
void as_exports(struct sample *s);
void as_deltas(struct sample *s);
void as_results(struct sample *s);
void as_abort(struct sample *s);
void as_arm(struct sample *s);
void as_seal(struct sample *s);

#endif
