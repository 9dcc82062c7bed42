/** Messages between the two helpers: proto/move.proto as C, checked.
 *
 * What a peer sent is unpacked into memory that is capped, then one function per message judges
 * every field against the limits below; only what passed reaches a caller.  The same check stands
 * before packing, so that nothing is sent that the other side would refuse.  What only the move
 * itself knows (how many bitmaps the offer had, which step comes next) is left to it.  Pure: no fd,
 * loop or clock.
 */
#ifndef RPC_MESSAGE_H
#define RPC_MESSAGE_H

#include "base/cleanup.h"
#include "base/error.h"
#include "base/name.h"
#include "move.pb-c.h"

#include <stddef.h>
#include <stdint.h>

enum {
    BF_RPC_ID_BYTES = 16,          /* move_id, vm_uuid, boot_id */
    BF_RPC_FRAME_HEADER_BYTES = 4, /* the length, big-endian */

    BF_RPC_FRAME_MAX_BYTES = 4 << 20,   /* an offer of 16,384 bitmaps with names of 200 bytes */
    BF_RPC_MEMORY_MAX_BYTES = 16 << 20, /* of one message unpacked: bounds a flood of empty parts */
    BF_RPC_HELLO_MAX_BYTES = 512,       /* a frame from a peer that has not greeted yet */
    BF_RPC_HELLO_MEMORY_MAX_BYTES = 1024,

    BF_RPC_DISKS_MAX = 256, /* as handoff/word.h has them */
    BF_RPC_BITMAPS_MAX = 16384,

    BF_RPC_CHECKPOINTS_MAX = 4096,         /* as model/checkpoints.h has them */
    BF_RPC_DEFINITION_MAX_BYTES = 1 << 20, /* libvirt skips larger ones */

    BF_RPC_VM_NAME_MAX_BYTES = 255,
    BF_RPC_NODE_NAME_MAX_BYTES = 255,
    BF_RPC_IDENTITY_MAX_BYTES = 1023,
    BF_RPC_LAYERS_MAX = 63,        /* below a disk's own image */
    BF_RPC_ALIAS_MAX_BYTES = 255,  /* QEMU's migration stream */
    BF_RPC_SERIAL_MAX_BYTES = 255, /* as facts/facts.h has it */
    BF_RPC_HOST_MAX_BYTES = 255,   /* a DNS name or an address as text */
    BF_RPC_PROGRAM_MAX_BYTES = 128,
    BF_RPC_REASON_CODE_MAX_BYTES = 64,
    BF_RPC_REASON_TEXT_MAX_BYTES = 1023,
    BF_RPC_TOKEN_MIN_BYTES = 16,
    BF_RPC_TOKEN_MAX_BYTES = 64,
};

struct bf_rpc_block; /* memory of a message */

struct bf_rpc_message {
    /* Every `bytes` field in it is followed by a NUL: names can be used as C strings. */
    const Bitferry__Envelope *envelope;
    struct bf_rpc_block *blocks;
};

/** Unpack and check the body of one frame.  A body of a kind that this version does not know is no
 *  error: envelope->body_case is BITFERRY__ENVELOPE__BODY__NOT_SET then.  @memory_max_bytes:
 *  BF_RPC_MEMORY_MAX_BYTES, less for a peer that is not trusted yet.  @sender: as its Hello said,
 *  UNSPECIFIED before.  Errors: PROTOCOL, LIMIT (more memory), NO_MEMORY; @ret_message is
 * unchanged.
 */
int bf_rpc_message_unpack(const uint8_t *bytes, size_t nr_bytes, size_t memory_max_bytes,
                          Bitferry__Role sender, struct bf_rpc_message *ret_message,
                          struct bf_error *err);
void bf_rpc_message_release(struct bf_rpc_message *message);

/** Check and pack @envelope as a whole frame, header included, which is the caller's to free().
 *  Errors: PROTOCOL (bf_rpc_envelope_check()), LIMIT (over BF_RPC_FRAME_MAX_BYTES), NO_MEMORY. */
int bf_rpc_frame_pack(const Bitferry__Envelope *envelope, Bitferry__Role sender,
                      uint8_t **ret_frame, size_t *ret_frame_bytes, struct bf_error *err);

/** Is every field within its limits, and may @sender (UNSPECIFIED: either) say this?
 *  Errors: PROTOCOL, naming message and field. */
int bf_rpc_envelope_check(const Bitferry__Envelope *envelope, Bitferry__Role sender,
                          struct bf_error *err);

/** "Hello", "Heartbeat", "OFFER", "FROZEN" and so on: what it is, for people.  "unknown": of a
 * newer version. */
const char *bf_rpc_envelope_name(const Bitferry__Envelope *envelope);

#endif
