#include "peer_internal.h"

#include <string.h>

enum { BACKLOG = 128 };

struct bf_rpc_listener {
    uv_tcp_t tcp;
    uv_loop_t *loop;
    struct bf_rpc_settings settings;
    struct bf_rpc_listener_handlers handlers;
    struct bf_rpc_peer *unopened; /* a list */
    unsigned nr_unopened;
    uint16_t port;
};

static void link_peer(struct bf_rpc_listener *listener, struct bf_rpc_peer *peer)
{
    peer->listener = listener;
    peer->next = listener->unopened;
    if (peer->next)
        peer->next->previous = peer;
    listener->unopened = peer;
    listener->nr_unopened++;
}

static void unlink_peer(struct bf_rpc_peer *peer)
{
    struct bf_rpc_listener *listener = peer->listener;

    if (peer->next)
        peer->next->previous = peer->previous;
    if (peer->previous)
        peer->previous->next = peer->next;
    else
        listener->unopened = peer->next;
    peer->previous = peer->next = NULL;
    peer->listener = NULL;
    listener->nr_unopened--;
}

static unsigned nr_from(const struct bf_rpc_listener *listener, const uint8_t *key)
{
    unsigned nr = 0;

    for (const struct bf_rpc_peer *peer = listener->unopened; peer; peer = peer->next)
        nr += memcmp(peer->address_key, key, sizeof peer->address_key) == 0;
    return nr;
}

static int check_caps(const struct bf_rpc_listener *listener, const struct bf_rpc_peer *peer,
                      struct bf_error *err)
{
    if (listener->nr_unopened >= listener->settings.unopened_max)
        return bf_error_set(err, BF_E_LIMIT, "%u connections have not greeted yet",
                            listener->nr_unopened);
    if (nr_from(listener, peer->address_key) >= listener->settings.unopened_per_address_max)
        return bf_error_set(err, BF_E_LIMIT, "%u connections from there have not greeted yet",
                            listener->settings.unopened_per_address_max);
    return 0;
}

/* Whoever is over a cap is dropped before anything is done for him. */
static int admit(struct bf_rpc_listener *listener, struct bf_rpc_peer *peer, struct bf_error *err)
{
    int r = bf_rpc_wire_init(peer, err);

    if (r < 0)
        return r;
    r = uv_accept((uv_stream_t *)&listener->tcp, (uv_stream_t *)&peer->tcp);
    if (r < 0)
        return bf_error_set(err, BF_E_PEER, "the connection was not there any more: %s",
                            uv_strerror(r));
    bf_rpc_wire_note_address(peer);
    r = check_caps(listener, peer, err);
    return r < 0 ? r : bf_rpc_wire_begin(peer, NULL, err);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct bf_rpc_listener *listener = stream->data;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_rpc_peer *peer;

    if (status < 0 || bf_rpc_peer_new(listener->loop, &listener->settings, &peer, NULL) < 0)
        return;
    if (admit(listener, peer, &err) < 0) {
        bf_rpc_listener_refuse(listener, peer, &err);
        bf_rpc_peer_close(peer);
        return;
    }
    link_peer(listener, peer);
    bf_rpc_peer_ring_in(peer, peer->settings.handshake_ms);
    bf_rpc_talk_begin(peer);
}

void bf_rpc_listener_hand_over(struct bf_rpc_peer *peer)
{
    const struct bf_rpc_listener *listener = peer->listener;

    unlink_peer(peer);
    listener->handlers.opened(listener->handlers.ctx, peer);
}

void bf_rpc_listener_refuse(const struct bf_rpc_listener *listener, const struct bf_rpc_peer *peer,
                            const struct bf_error *err)
{
    if (listener->handlers.refused)
        listener->handlers.refused(listener->handlers.ctx, peer->address, err);
}

void bf_rpc_listener_forget(struct bf_rpc_peer *peer)
{
    unlink_peer(peer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int start(struct bf_rpc_listener *listener, const struct sockaddr *address,
                 struct bf_error *err)
{
    struct sockaddr_storage bound = {0};
    int bound_bytes = sizeof bound;
    int r = uv_tcp_bind(&listener->tcp, address, 0);

    if (r == 0)
        r = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    if (r == 0)
        r = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &bound_bytes);
    if (r < 0) {
        char host[BF_ADDRESS_HOST_MAX];

        bf_address_host(address, host);
        return bf_error_set(err, r == UV_EACCES ? BF_E_PERMISSION : BF_E_IO,
                            "cannot listen on %s port %u: %s", host, bf_address_port(address),
                            uv_strerror(r));
    }
    listener->port = bf_address_port((struct sockaddr *)&bound);
    return 0;
}

static int check_address(const struct bf_rpc_settings *settings, const char *host, uint16_t port,
                         struct sockaddr_storage *ret_address, struct bf_error *err)
{
    int r = bf_rpc_settings_check(settings, BF_RPC_SERVER, err);

    if (r < 0)
        return r;
    if (!bf_address_parse(host, port, ret_address))
        return bf_error_set(err, BF_E_INVALID, "'%s' is no IPv4 or IPv6 address to listen on",
                            host);
    if (!settings->credentials && !bf_address_is_loopback((struct sockaddr *)ret_address))
        return bf_error_set(err, BF_E_PERMISSION,
                            "connections without TLS are for this host only, and %s can be reached "
                            "from others: use certificates or keys, or listen on 127.0.0.1",
                            host);
    return 0;
}

int bf_rpc_listen(uv_loop_t *loop, const struct bf_rpc_settings *settings, const char *host,
                  uint16_t port, const struct bf_rpc_listener_handlers *handlers,
                  struct bf_rpc_listener **ret_listener, struct bf_error *err)
{
    struct sockaddr_storage address;
    struct bf_rpc_listener *listener;
    int r = check_address(settings, host, port, &address, err);

    if (r < 0)
        return r;
    listener = calloc(1, sizeof *listener);
    if (!listener)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to listen on %s", host);
    listener->loop = loop;
    listener->settings = *settings;
    listener->handlers = *handlers;
    bf_rpc_settings_fill(&listener->settings);
    (void)uv_tcp_init(loop, &listener->tcp); /* cannot fail without an address family */
    listener->tcp.data = listener;
    r = start(listener, (const struct sockaddr *)&address, err);
    if (r < 0) {
        uv_close((uv_handle_t *)&listener->tcp, on_closed);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

uint16_t bf_rpc_listener_port(const struct bf_rpc_listener *listener)
{
    return listener->port;
}

unsigned bf_rpc_listener_unopened(const struct bf_rpc_listener *listener)
{
    return listener->nr_unopened;
}

void bf_rpc_listener_close(struct bf_rpc_listener *listener)
{
    while (listener->unopened) {
        struct bf_rpc_peer *peer = listener->unopened;

        unlink_peer(peer);
        bf_rpc_peer_close(peer);
    }
    uv_close((uv_handle_t *)&listener->tcp, on_closed);
}
