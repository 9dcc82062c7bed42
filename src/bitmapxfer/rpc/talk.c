#include "greeting.h"
#include "peer_internal.h"

#include <string.h>

static bool is_listening(const struct bf_rpc_peer *peer)
{
    return peer->state == BF_RPC_GREETING || peer->state == BF_RPC_OPEN;
}

static int say_hello(struct bf_rpc_peer *peer, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
    size_t frame_bytes = 0;
    int r = bf_rpc_greeting_pack(&peer->settings, &frame, &frame_bytes, err);

    return r < 0 ? r : bf_rpc_wire_write(peer, frame, frame_bytes, err);
}

/* Both sides are who they should be; whoever was called speaks first. */
static int begin_greeting(struct bf_rpc_peer *peer, struct bf_error *err)
{
    bf_rpc_peer_set_state(peer, BF_RPC_GREETING);
    return peer->caller ? 0 : say_hello(peer, err);
}

static int shake_hands(struct bf_rpc_peer *peer, struct bf_error *err)
{
    int r = peer->settings.credentials ? bf_rpc_tls_handshake(&peer->tls, err) : 1;

    return r > 0 ? begin_greeting(peer, err) : r;
}

static void open_peer(struct bf_rpc_peer *peer)
{
    bf_rpc_peer_set_state(peer, BF_RPC_OPEN);
    peer->frames.frame_max_bytes = BF_RPC_FRAME_MAX_BYTES;
    peer->last_sent_ms = uv_now(peer->loop);
    peer->last_heard_ms = peer->last_sent_ms;
    bf_rpc_peer_ring_in(peer, 0);
    if (peer->listener)
        bf_rpc_listener_hand_over(peer);
    else if (peer->handlers.opened)
        peer->handlers.opened(peer->handlers.ctx, peer);
}

/* A caller answers even where they do not fit, so that the other side can say why too. */
static int take_hello(struct bf_rpc_peer *peer, const Bitferry__Envelope *envelope,
                      struct bf_error *err)
{
    int r = bf_rpc_greeting_judge(envelope, &peer->settings, &peer->greeting, err);

    if (peer->caller && envelope->body_case == BITFERRY__ENVELOPE__BODY_HELLO) {
        int said = say_hello(peer, err);

        r = r < 0 ? r : said;
    }
    if (r == 0)
        open_peer(peer);
    return r;
}

static int take_message(struct bf_rpc_peer *peer, const Bitferry__Envelope *envelope,
                        struct bf_error *err)
{
    if (peer->state == BF_RPC_GREETING)
        return take_hello(peer, envelope, err);
    peer->last_heard_ms = uv_now(peer->loop);
    if (envelope->body_case == BITFERRY__ENVELOPE__BODY_HELLO)
        return bf_error_set(err, BF_E_PROTOCOL, "the peer greeted twice");
    if (envelope->body_case == BITFERRY__ENVELOPE__BODY_WORD && peer->handlers.word)
        peer->handlers.word(peer->handlers.ctx, envelope);
    return 0;
}

static int take_frame(struct bf_rpc_peer *peer, const uint8_t *body, size_t body_bytes,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
    bool stranger = peer->state == BF_RPC_GREETING;
    int r = bf_rpc_message_unpack(
        body, body_bytes, stranger ? BF_RPC_HELLO_MEMORY_MAX_BYTES : BF_RPC_MEMORY_MAX_BYTES,
        stranger ? BITFERRY__ROLE__ROLE_UNSPECIFIED : peer->greeting.role, &message, err);

    return r < 0 ? r : take_message(peer, message.envelope, err);
}

/* Plain bytes into @space: 1, or 0 when all have been taken. */
static int pull(struct bf_rpc_peer *peer, uint8_t *space, size_t space_bytes, size_t *ret_nr_bytes,
                struct bf_error *err)
{
    struct bf_rpc_tls *tls = &peer->tls;

    if (peer->settings.credentials)
        return bf_rpc_tls_read(tls, space, space_bytes, ret_nr_bytes, err);
    *ret_nr_bytes = tls->in_bytes < space_bytes ? tls->in_bytes : space_bytes;
    memcpy(space, tls->in, *ret_nr_bytes);
    bf_rpc_tls_feed(tls, tls->in + *ret_nr_bytes, tls->in_bytes - *ret_nr_bytes);
    return *ret_nr_bytes > 0;
}

/* 1: go on; 0: all has been taken. */
static int take_some(struct bf_rpc_peer *peer, struct bf_error *err)
{
    const uint8_t *body;
    uint8_t *space;
    size_t nr_bytes, body_bytes;
    int r;

    bf_rpc_frames_reserve(&peer->frames, &space, &nr_bytes);
    r = pull(peer, space, nr_bytes, &nr_bytes, err);
    if (r > 0)
        r = bf_rpc_frames_commit(&peer->frames, nr_bytes, err);
    else
        return r;
    if (r == 0 && bf_rpc_frames_take(&peer->frames, &body, &body_bytes))
        r = take_frame(peer, body, body_bytes, err);
    return r < 0 ? r : 1;
}

void bf_rpc_talk_take(struct bf_rpc_peer *peer, const uint8_t *bytes, size_t nr_bytes)
{
    struct bf_error err = BF_ERROR_INIT;
    int r = 1;

    bf_rpc_tls_feed(&peer->tls, bytes, nr_bytes);
    if (peer->state == BF_RPC_HANDSHAKING)
        r = shake_hands(peer, &err);
    r = r < 0 ? r : 1;
    while (r > 0 && is_listening(peer))
        r = take_some(peer, &err);
    if (r < 0)
        bf_rpc_peer_end(peer, &err);
}

void bf_rpc_talk_begin(struct bf_rpc_peer *peer)
{
    struct bf_error err = BF_ERROR_INIT;

    bf_rpc_peer_set_state(peer, BF_RPC_HANDSHAKING);
    if (shake_hands(peer, &err) < 0)
        bf_rpc_peer_end(peer, &err);
}

static int send_envelope(struct bf_rpc_peer *peer, const Bitferry__Envelope *envelope,
                         struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
    size_t frame_bytes = 0;
    size_t waiting = uv_stream_get_write_queue_size((const uv_stream_t *)&peer->tcp);
    int r = bf_rpc_frame_pack(envelope, peer->settings.role, &frame, &frame_bytes, err);

    if (r < 0)
        return r;
    if (waiting + frame_bytes > peer->settings.queue_max_bytes)
        return bf_error_set(err, BF_E_LIMIT, "%zu bytes wait already for the peer at %s", waiting,
                            peer->address);
    peer->last_sent_ms = uv_now(peer->loop);
    return bf_rpc_wire_write(peer, frame, frame_bytes, err);
}

int bf_rpc_talk_heartbeat(struct bf_rpc_peer *peer, struct bf_error *err)
{
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Heartbeat heartbeat = BITFERRY__HEARTBEAT__INIT;

    envelope.body_case = BITFERRY__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &heartbeat;
    /* Whoever does not read what waits for him needs no sign of life on top of it. */
    if (uv_stream_get_write_queue_size((const uv_stream_t *)&peer->tcp) > 0) {
        peer->last_sent_ms = uv_now(peer->loop);
        return 0;
    }
    return send_envelope(peer, &envelope, err);
}

int bf_rpc_send(struct bf_rpc_peer *peer, const Bitferry__Envelope *envelope, struct bf_error *err)
{
    if (peer->state != BF_RPC_OPEN || peer->released)
        return bf_error_set(err, BF_E_PEER, "%s cannot be sent: the connection is %s",
                            bf_rpc_envelope_name(envelope), bf_rpc_peer_state_name(peer));
    if (envelope->body_case != BITFERRY__ENVELOPE__BODY_WORD)
        return bf_error_set(err, BF_E_PROTOCOL, "%s is not for others to send",
                            bf_rpc_envelope_name(envelope));
    return send_envelope(peer, envelope, err);
}
