/** Bytes in, frames out.  Pure: no fd, no loop.
 *
 *     reserve() -> read into the space -> commit() -> take(); and again
 *
 * A frame is its length (4 bytes, big-endian) and that many bytes, at least one.  The length is
 * judged as soon as it is there; only then is memory for the body taken, and given back after it.
 */
#ifndef RPC_FRAMES_H
#define RPC_FRAMES_H

#include "rpc/message.h"

#include <stdbool.h>

struct bf_rpc_frames {
    size_t frame_max_bytes; /* of a body; may be changed between frames */
    uint8_t header[BF_RPC_FRAME_HEADER_BYTES];
    size_t header_filled_bytes;
    uint8_t *body;
    size_t body_bytes, body_filled_bytes;
};

void bf_rpc_frames_init(struct bf_rpc_frames *frames, size_t frame_max_bytes);
void bf_rpc_frames_release(struct bf_rpc_frames *frames);

/** Space of at least one byte.  A frame that was taken before is gone. */
void bf_rpc_frames_reserve(struct bf_rpc_frames *frames, uint8_t **ret_space,
                           size_t *ret_space_bytes);

/** The first @nr_bytes of the space are filled.
 *  Errors: PROTOCOL (a length of 0 or over the cap), NO_MEMORY; the stream cannot be read on. */
int bf_rpc_frames_commit(struct bf_rpc_frames *frames, size_t nr_bytes, struct bf_error *err);

/** True and the body of a frame, borrowed until the next reserve(), if one is complete. */
bool bf_rpc_frames_take(const struct bf_rpc_frames *frames, const uint8_t **ret_body,
                        size_t *ret_body_bytes);

#endif
