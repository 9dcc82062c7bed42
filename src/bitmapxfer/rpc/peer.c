#include "peer_internal.h"

#include <assert.h>
#include <inttypes.h>

#define TO(state) (1U << BF_RPC_##state)

static const struct {
    const char *name;
    unsigned next; /* a set of states */
} states[BF_NR_RPC_STATES] = {
    [BF_RPC_CONNECTING] = {"connecting", TO(CONNECTING) | TO(HANDSHAKING) | TO(CLOSING)},
    [BF_RPC_HANDSHAKING] = {"handshaking", TO(CONNECTING) | TO(GREETING) | TO(CLOSING)},
    [BF_RPC_GREETING] = {"greeting", TO(CONNECTING) | TO(OPEN) | TO(CLOSING)},
    [BF_RPC_OPEN] = {"open", TO(CLOSING)},
    [BF_RPC_CLOSING] = {"closing", TO(CLOSED)},
    [BF_RPC_CLOSED] = {"closed", 0},
};

void bf_rpc_peer_set_state(struct bf_rpc_peer *peer, enum bf_rpc_state state)
{
    assert(states[peer->state].next & 1U << state);
    peer->state = state;
}

/* Time */

static void on_timer(uv_timer_t *timer);

void bf_rpc_peer_ring_in(struct bf_rpc_peer *peer, uint64_t ms)
{
    peer->due_ms = uv_now(peer->loop) + ms;
    (void)uv_timer_start(&peer->timer, on_timer, ms, 0);
}

/* Until the next heartbeat or the loss of the peer. */
static void ring_when_open(struct bf_rpc_peer *peer)
{
    uint64_t now_ms = uv_now(peer->loop);
    uint64_t beat_ms = peer->last_sent_ms + peer->settings.heartbeat_ms;
    uint64_t lost_ms = peer->last_heard_ms + peer->settings.silent_ms;
    uint64_t next_ms = beat_ms < lost_ms ? beat_ms : lost_ms;

    bf_rpc_peer_ring_in(peer, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void on_timer_when_open(struct bf_rpc_peer *peer)
{
    uint64_t now_ms = uv_now(peer->loop);
    struct bf_error err = BF_ERROR_INIT;

    /* We were stopped ourselves, and what the peer said meanwhile has not been read yet. */
    if (now_ms - peer->due_ms > peer->settings.heartbeat_ms)
        peer->last_heard_ms = now_ms;
    if (now_ms >= peer->last_heard_ms + peer->settings.silent_ms)
        (void)bf_error_set(&err, BF_E_PEER, "the peer has been silent for %" PRIu64 " ms",
                           now_ms - peer->last_heard_ms);
    else if (now_ms >= peer->last_sent_ms + peer->settings.heartbeat_ms)
        (void)bf_rpc_talk_heartbeat(peer, &err);
    if (err.code != BF_E_NONE)
        bf_rpc_peer_end(peer, &err);
    else
        ring_when_open(peer);
}

static void on_timer_when_greeting(struct bf_rpc_peer *peer)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)bf_error_set(&err, BF_E_DEADLINE, "the peer has not finished %s in time",
                       states[peer->state].name);
    bf_rpc_peer_end(peer, &err);
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_rpc_peer *peer = timer->data;

    switch (peer->state) {
    case BF_RPC_CONNECTING:
        bf_rpc_caller_on_timer(peer);
        break;
    case BF_RPC_HANDSHAKING:
    case BF_RPC_GREETING:
        on_timer_when_greeting(peer);
        break;
    case BF_RPC_OPEN:
        on_timer_when_open(peer);
        break;
    case BF_RPC_CLOSING:
        bf_rpc_peer_finish(peer);
        break;
    case BF_RPC_CLOSED:
    case BF_NR_RPC_STATES:
        break;
    }
}

/* The end */

static void on_timer_closed(uv_handle_t *handle)
{
    bf_rpc_peer_unref(handle->data);
}

void bf_rpc_peer_unref(struct bf_rpc_peer *peer)
{
    assert(peer->nr_unclosed > 0);
    if (--peer->nr_unclosed > 0)
        return;
    bf_rpc_frames_release(&peer->frames);
    bf_rpc_tls_release(&peer->tls);
    if (peer->caller)
        bf_rpc_caller_free(peer->caller);
    free(peer);
}

static void close_timer_if_over(struct bf_rpc_peer *peer)
{
    if (peer->released && peer->state == BF_RPC_CLOSED &&
        !uv_is_closing((uv_handle_t *)&peer->timer))
        uv_close((uv_handle_t *)&peer->timer, on_timer_closed);
}

void bf_rpc_peer_finish(struct bf_rpc_peer *peer)
{
    bf_rpc_peer_set_state(peer, BF_RPC_CLOSED);
    (void)uv_timer_stop(&peer->timer);
    if (peer->socket_open)
        bf_rpc_wire_close(peer);
    if (peer->listener)
        bf_rpc_listener_forget(peer);
    close_timer_if_over(peer);
}

/* What is under way goes out first.  Without a connection there is nothing to wait for. */
static void begin_closing(struct bf_rpc_peer *peer)
{
    bool connected = peer->state != BF_RPC_CONNECTING && !peer->read_ended;

    bf_rpc_peer_set_state(peer, BF_RPC_CLOSING);
    if (peer->caller)
        bf_rpc_caller_stop(peer);
    if (connected) {
        bf_rpc_wire_shut_down(peer);
        bf_rpc_peer_ring_in(peer, peer->settings.linger_ms);
    } else {
        bf_rpc_peer_finish(peer);
    }
}

void bf_rpc_peer_end(struct bf_rpc_peer *peer, const struct bf_error *err)
{
    struct bf_rpc_listener *listener;
    struct bf_error why = *err;

    if (peer->state >= BF_RPC_CLOSING)
        return;
    if (peer->caller && peer->state < BF_RPC_OPEN) {
        if (bf_rpc_caller_retry(peer, err))
            return;
        bf_rpc_caller_explain(peer, &why);
    }
    /* Whoever is told is told last: he may close what he likes. */
    listener = peer->listener;
    peer->released = listener != NULL;
    begin_closing(peer);
    if (listener)
        bf_rpc_listener_refuse(listener, peer, &why);
    else if (peer->handlers.closed)
        peer->handlers.closed(peer->handlers.ctx, &why);
}

void bf_rpc_peer_close(struct bf_rpc_peer *peer)
{
    peer->released = true;
    if (peer->state == BF_RPC_OPEN && peer->settings.credentials)
        bf_rpc_tls_bye(&peer->tls);
    if (peer->state < BF_RPC_CLOSING)
        begin_closing(peer);
    close_timer_if_over(peer);
}

/* The beginning */

static uint32_t or_default(uint32_t value, uint32_t by_default)
{
    return value ? value : by_default;
}

void bf_rpc_settings_fill(struct bf_rpc_settings *settings)
{
    settings->version_min = or_default(settings->version_min, BF_RPC_VERSION_MIN);
    settings->version_max = or_default(settings->version_max, BF_RPC_VERSION_MAX);
    settings->handshake_ms = or_default(settings->handshake_ms, 10000);
    settings->heartbeat_ms = or_default(settings->heartbeat_ms, 5000);
    settings->silent_ms = or_default(settings->silent_ms, 20000);
    settings->linger_ms = or_default(settings->linger_ms, 2000);
    settings->unopened_max = or_default(settings->unopened_max, 64);
    settings->unopened_per_address_max = or_default(settings->unopened_per_address_max, 8);
    if (settings->queue_max_bytes == 0)
        settings->queue_max_bytes = (size_t)16 << 20;
}

int bf_rpc_settings_check(const struct bf_rpc_settings *settings, enum bf_rpc_side side,
                          struct bf_error *err)
{
    if (!settings->credentials && !settings->plain_on_loopback)
        return bf_error_set(err, BF_E_INVALID,
                            "there are no certificates and no keys, and connections without TLS "
                            "are not allowed: set up one of them");
    if (settings->credentials && settings->credentials->side != side)
        return bf_error_set(err, BF_E_INVALID, "these are the credentials of the other side");
    return 0;
}

int bf_rpc_peer_new(uv_loop_t *loop, const struct bf_rpc_settings *settings,
                    struct bf_rpc_peer **ret_peer, struct bf_error *err)
{
    struct bf_rpc_peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection");
    peer->loop = loop;
    peer->settings = *settings;
    peer->nr_unclosed = 1;
    bf_rpc_frames_init(&peer->frames, BF_RPC_HELLO_MAX_BYTES);
    (void)uv_timer_init(loop, &peer->timer); /* cannot fail on Unix */
    peer->timer.data = peer;
    *ret_peer = peer;
    return 0;
}

void bf_rpc_peer_set_handlers(struct bf_rpc_peer *peer, const struct bf_rpc_peer_handlers *handlers)
{
    peer->handlers = *handlers;
}

const struct bf_rpc_greeting *bf_rpc_peer_greeting(const struct bf_rpc_peer *peer)
{
    return &peer->greeting;
}

const char *bf_rpc_peer_address(const struct bf_rpc_peer *peer)
{
    return peer->address;
}

const char *bf_rpc_peer_host(const struct bf_rpc_peer *peer)
{
    return peer->host;
}

const char *bf_rpc_peer_name(const struct bf_rpc_peer *peer)
{
    return peer->tls.peer_name;
}

const char *bf_rpc_peer_state_name(const struct bf_rpc_peer *peer)
{
    return states[peer->state].name;
}
