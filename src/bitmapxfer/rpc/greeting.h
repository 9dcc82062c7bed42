/** The two Hellos.  Pure. */
#ifndef RPC_GREETING_H
#define RPC_GREETING_H

#include "rpc/peer.h"

/** Ours, as a frame that is the caller's to free().  Errors: PROTOCOL (settings that are no
 * greeting), NO_MEMORY. */
int bf_rpc_greeting_pack(const struct bf_rpc_settings *settings, uint8_t **ret_frame,
                         size_t *ret_frame_bytes, struct bf_error *err);

/** Judge the peer's, of which bf_rpc_envelope_check() has judged the fields.  Errors: PROTOCOL (no
 *  Hello, our own role), VERSION. */
int bf_rpc_greeting_judge(const Bitferry__Envelope *envelope,
                          const struct bf_rpc_settings *settings,
                          struct bf_rpc_greeting *ret_greeting, struct bf_error *err);

#endif
