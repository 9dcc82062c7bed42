/** One connection between a bitferry-source and a bitferry-dest, on a libuv loop.
 *
 *     connecting -> handshaking -> greeting -> open -> closing -> closed
 *         ^   (TLS)      |            |
 *         +--------------+------------+   a caller tries again until its deadline
 *
 * The side that was called greets first: to the caller its Hello is the proof that it was let in,
 * so nothing of ours is sent before both sides are sure of each other.  When the connection is
 * open, words of any number of moves travel in both directions; heartbeats fill silences, and a
 * peer that is silent for too long is lost.  Nothing survives a connection: whoever wants a word to
 * arrive says it again on the next one (handoff/word.h).
 *
 * `closing` lasts until the last words are out and the peer has closed too, at most linger_ms, so
 * that an alert is not lost.  A peer belongs to whoever got it from bf_rpc_connect() or from a
 * listener's `opened`; it is given back by bf_rpc_peer_close(), in any state.
 *
 * Threads: the loop's.  Callbacks never run inside the call that started them; all of them may send
 * and may close.  The program must ignore SIGPIPE.
 */
#ifndef RPC_PEER_H
#define RPC_PEER_H

#include "rpc/credentials.h"
#include "rpc/message.h"

#include <stdint.h>
#include <uv.h>

enum {
    BF_RPC_VERSION_MIN = 2,
    BF_RPC_VERSION_MAX = 2,
};

/** 0 in a number: the default. */
struct bf_rpc_settings {
    /* Borrowed until the last peer is freed.  NULL: plain TCP, which needs @plain_on_loopback and
     * a loopback address. */
    const struct bf_rpc_credentials *credentials;
    bool plain_on_loopback;

    Bitferry__Role role;
    const char *program; /* "bitferry-source 0.1.0"; borrowed likewise */
    uint8_t boot_id[BF_RPC_ID_BYTES];
    uint32_t version_min, version_max; /* BF_RPC_VERSION_MIN and _MAX */

    uint32_t handshake_ms;  /* 10 s: from the first packet to the end of the greeting */
    uint32_t heartbeat_ms;  /* 5 s: the longest silence of ours */
    uint32_t silent_ms;     /* 20 s: a peer of which no whole message came for so long is lost */
    uint32_t linger_ms;     /* 2 s */
    size_t queue_max_bytes; /* 16 MiB that wait to be sent */

    /* Listeners: connections that are not open yet. */
    unsigned unopened_max;             /* 64 */
    unsigned unopened_per_address_max; /* 8 of one IPv4 address or IPv6 /64 network */
};

struct bf_rpc_peer;

struct bf_rpc_peer_handlers {
    /* Only for bf_rpc_connect(). */
    void (*opened)(void *ctx, struct bf_rpc_peer *peer);
    /* A Word, checked; borrowed. */
    void (*word)(void *ctx, const Bitferry__Envelope *envelope);
    /* Once, and nothing after it: PEER, DEADLINE, PROTOCOL, AUTH, VERSION, PERMISSION, LIMIT,
     * NO_MEMORY.  Not called after bf_rpc_peer_close(). */
    void (*closed)(void *ctx, const struct bf_error *err);
    void *ctx;
};

/** What is known of an open peer. */
struct bf_rpc_greeting {
    uint32_t version; /* the highest that both speak */
    Bitferry__Role role;
    uint8_t boot_id[BF_RPC_ID_BYTES];
    char program[BF_RPC_PROGRAM_MAX_BYTES + 1];
};

/** Connect to @host (a name or an address), again and again with growing pauses (0.1 s to 5 s)
 * while nobody is there, for @deadline_ms.  What will not change by itself (AUTH, PROTOCOL,
 * VERSION, PERMISSION) ends it at once.  @tls_name: the name that the peer's certificate must have;
 * NULL: @host.  @settings,
 *  @handlers and strings are copied.  Errors at once: NO_MEMORY, INVALID (no credentials and no
 *  permission to go without, a host name that is none); all others come to `closed`. */
int bf_rpc_connect(uv_loop_t *loop, const struct bf_rpc_settings *settings, const char *host,
                   uint16_t port, const char *tls_name, uint64_t deadline_ms,
                   const struct bf_rpc_peer_handlers *handlers, struct bf_rpc_peer **ret_peer,
                   struct bf_error *err);

/** For a peer from a listener, in `opened`. */
void bf_rpc_peer_set_handlers(struct bf_rpc_peer *peer,
                              const struct bf_rpc_peer_handlers *handlers);

/** Send a Word.  Errors: PROTOCOL (bf_rpc_envelope_check()), LIMIT (too large, or queue_max_bytes
 * wait already), PEER (not open), NO_MEMORY; nothing was sent then. */
int bf_rpc_send(struct bf_rpc_peer *peer, const Bitferry__Envelope *envelope, struct bf_error *err);

/** Close, and give back.  What was sent goes out first, for at most linger_ms; run the loop on. */
void bf_rpc_peer_close(struct bf_rpc_peer *peer);

/** Once open. */
const struct bf_rpc_greeting *bf_rpc_peer_greeting(const struct bf_rpc_peer *peer);

/** "192.0.2.1 port 49152", for logs. */
const char *bf_rpc_peer_address(const struct bf_rpc_peer *peer);

/** The address alone; where its exports are. */
const char *bf_rpc_peer_host(const struct bf_rpc_peer *peer);

/** The name by which a certificate or key let it in; "" where there was none. */
const char *bf_rpc_peer_name(const struct bf_rpc_peer *peer);

/** Why the last attempt of a peer that is being called came to nothing. */
const char *bf_rpc_peer_failure(const struct bf_rpc_peer *peer);

/** "connecting" and so on. */
const char *bf_rpc_peer_state_name(const struct bf_rpc_peer *peer);

#endif
