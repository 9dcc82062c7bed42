/** The parts of a peer: peer.c has its life (states, time, the end), wire.c its socket, talk.c what
 * is said, caller.c finding and calling somebody, listener.c those who call. */
#ifndef RPC_PEER_INTERNAL_H
#define RPC_PEER_INTERNAL_H

#include "address.h"
#include "frames.h"
#include "tls.h"

#include "rpc/listener.h"

#include <stdbool.h>

enum bf_rpc_state {
    BF_RPC_CONNECTING,
    BF_RPC_HANDSHAKING,
    BF_RPC_GREETING,
    BF_RPC_OPEN,
    BF_RPC_CLOSING,
    BF_RPC_CLOSED,
    BF_NR_RPC_STATES
};

struct bf_rpc_caller;

struct bf_rpc_peer {
    enum bf_rpc_state state;
    bool released; /* given back: nobody is told anything any more */
    bool socket_open;
    bool read_ended, write_dead;
    unsigned nr_unclosed; /* handles and requests that call back */
    uv_loop_t *loop;
    uv_tcp_t tcp;
    uv_timer_t timer; /* closed when the peer is closed and released: what keeps it alive */
    uv_shutdown_t shutdown;

    struct bf_rpc_settings settings;
    struct bf_rpc_tls tls; /* unused over plain TCP */
    struct bf_rpc_frames frames;
    struct bf_rpc_greeting greeting;
    uint64_t due_ms; /* of the timer: what it means depends on the state */
    uint64_t last_sent_ms, last_heard_ms;

    struct bf_rpc_peer_handlers handlers;
    struct bf_rpc_caller *caller;        /* of an outgoing connection */
    struct bf_rpc_listener *listener;    /* of an incoming one that is not open */
    struct bf_rpc_peer *previous, *next; /* in the listener's list */
    uint8_t address_key[BF_ADDRESS_KEY_BYTES];
    char host[BF_ADDRESS_HOST_MAX];
    char address[BF_ADDRESS_HOST_MAX + 16];
};

/* What a stranger can make us keep. */
_Static_assert(sizeof(struct bf_rpc_peer) + BF_RPC_HELLO_MAX_BYTES +
                       BF_RPC_HELLO_MEMORY_MAX_BYTES <=
                   4096,
               "a peer that has not greeted costs too much");

/* peer.c */

/** In state CONNECTING, without a socket.  Errors: NO_MEMORY. */
int bf_rpc_peer_new(uv_loop_t *loop, const struct bf_rpc_settings *settings,
                    struct bf_rpc_peer **ret_peer, struct bf_error *err);
/** The settings with their defaults. */
void bf_rpc_settings_fill(struct bf_rpc_settings *settings);
/** Errors: INVALID. */
int bf_rpc_settings_check(const struct bf_rpc_settings *settings, enum bf_rpc_side side,
                          struct bf_error *err);
void bf_rpc_peer_set_state(struct bf_rpc_peer *peer, enum bf_rpc_state state);
void bf_rpc_peer_ring_in(struct bf_rpc_peer *peer, uint64_t ms);
/** The connection is over, for @err, or its caller tries again.  Runs callbacks. */
void bf_rpc_peer_end(struct bf_rpc_peer *peer, const struct bf_error *err);
/** The socket has just been closed, or a request has called back. */
void bf_rpc_peer_unref(struct bf_rpc_peer *peer);
/** CLOSING is over. */
void bf_rpc_peer_finish(struct bf_rpc_peer *peer);

/* wire.c */

int bf_rpc_wire_init(struct bf_rpc_peer *peer, struct bf_error *err);
/** Whom it is connected to. */
void bf_rpc_wire_note_address(struct bf_rpc_peer *peer);
/** There is a connection: note the address, read, begin TLS.  @host: NULL for the server. */
int bf_rpc_wire_begin(struct bf_rpc_peer *peer, const char *host, struct bf_error *err);
void bf_rpc_wire_push(void *peer, const uint8_t *bytes, size_t nr_bytes);
/** Through TLS, where there is TLS. */
int bf_rpc_wire_write(struct bf_rpc_peer *peer, const uint8_t *bytes, size_t nr_bytes,
                      struct bf_error *err);
/** Send what waits, then the end. */
void bf_rpc_wire_shut_down(struct bf_rpc_peer *peer);
void bf_rpc_wire_close(struct bf_rpc_peer *peer);

/* talk.c */

/** Bytes came. */
void bf_rpc_talk_take(struct bf_rpc_peer *peer, const uint8_t *bytes, size_t nr_bytes);
/** The socket is connected. */
void bf_rpc_talk_begin(struct bf_rpc_peer *peer);
int bf_rpc_talk_heartbeat(struct bf_rpc_peer *peer, struct bf_error *err);

/* caller.c */

/** The attempt failed.  False: it was the last one. */
bool bf_rpc_caller_retry(struct bf_rpc_peer *peer, const struct bf_error *err);
void bf_rpc_caller_on_timer(struct bf_rpc_peer *peer);
void bf_rpc_caller_on_socket_closed(struct bf_rpc_peer *peer);
void bf_rpc_caller_explain(const struct bf_rpc_peer *peer, struct bf_error *err);
void bf_rpc_caller_stop(struct bf_rpc_peer *peer);
void bf_rpc_caller_free(struct bf_rpc_caller *caller);

/* listener.c */

/** @peer is open: it is the owner's from now on. */
void bf_rpc_listener_hand_over(struct bf_rpc_peer *peer);
/** @peer was not let in. */
void bf_rpc_listener_refuse(const struct bf_rpc_listener *listener, const struct bf_rpc_peer *peer,
                            const struct bf_error *err);
/** @peer is gone. */
void bf_rpc_listener_forget(struct bf_rpc_peer *peer);

#endif
