#include "peer_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    KEEPALIVE_S = 10,
    READ_BYTES = 64 << 10,
};

struct write {
    uv_write_t req;
    uint8_t bytes[];
};

/* Everything read is taken before the next read, and there is one loop per thread. */
static _Thread_local uint8_t read_space[READ_BYTES];

static void on_read_space(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested_bytes;
    *buf = uv_buf_init((char *)read_space, sizeof read_space);
}

static void on_read(uv_stream_t *stream, ssize_t nr_bytes, const uv_buf_t *buf)
{
    struct bf_rpc_peer *peer = stream->data;
    struct bf_error err = BF_ERROR_INIT;

    if (nr_bytes > 0 && peer->state < BF_RPC_CLOSING)
        bf_rpc_talk_take(peer, (const uint8_t *)buf->base, (size_t)nr_bytes);
    if (nr_bytes >= 0)
        return;
    (void)uv_read_stop(stream);
    peer->read_ended = true;
    if (peer->state == BF_RPC_CLOSING) {
        bf_rpc_peer_finish(peer);
        return;
    }
    (void)bf_error_set(&err, BF_E_PEER, "the peer closed the connection%s%s",
                       nr_bytes == UV_EOF ? "" : ": ",
                       nr_bytes == UV_EOF ? "" : uv_strerror((int)nr_bytes));
    bf_rpc_peer_end(peer, &err);
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_rpc_peer *peer = handle->data;

    peer->socket_open = false;
    bf_rpc_tls_release(&peer->tls);
    bf_rpc_frames_release(&peer->frames);
    if (peer->caller && peer->state == BF_RPC_CONNECTING)
        bf_rpc_caller_on_socket_closed(peer);
    bf_rpc_peer_unref(peer);
}

/* A failed write is no news: the reading side finds the end too, after the peer's last words. */
static void on_written(uv_write_t *req, int status)
{
    (void)status;
    free(req->data);
}

static void on_shut_down(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status;
}

static bool is_waiting(const struct bf_rpc_peer *peer)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&peer->tcp) > 0;
}

static bool queue(struct bf_rpc_peer *peer, const uint8_t *bytes, size_t nr_bytes)
{
    struct write *write = malloc(sizeof *write + nr_bytes);
    uv_buf_t buf;
    int r;

    if (!write)
        return false;
    memcpy(write->bytes, bytes, nr_bytes);
    write->req.data = write;
    buf = uv_buf_init((char *)write->bytes, (unsigned)nr_bytes);
    r = uv_write(&write->req, (uv_stream_t *)&peer->tcp, &buf, 1, on_written);
    if (r < 0)
        free(write);
    return r == 0;
}

/* What the kernel does not take waits, but not for a stranger: he gets no more then, and runs into
 * his deadline. */
void bf_rpc_wire_push(void *ctx, const uint8_t *bytes, size_t nr_bytes)
{
    struct bf_rpc_peer *peer = ctx;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)nr_bytes);
    int r = UV_EAGAIN;

    if (peer->write_dead)
        return;
    if (!is_waiting(peer))
        r = uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1);
    if (r == (int)nr_bytes)
        return;
    if (r > 0) {
        bytes += r;
        nr_bytes -= (size_t)r;
    }
    peer->write_dead =
        (r < 0 && r != UV_EAGAIN) || peer->state < BF_RPC_OPEN || !queue(peer, bytes, nr_bytes);
}

int bf_rpc_wire_write(struct bf_rpc_peer *peer, const uint8_t *bytes, size_t nr_bytes,
                      struct bf_error *err)
{
    if (peer->settings.credentials)
        return bf_rpc_tls_write(&peer->tls, bytes, nr_bytes, err);
    bf_rpc_wire_push(peer, bytes, nr_bytes);
    return 0;
}

int bf_rpc_wire_init(struct bf_rpc_peer *peer, struct bf_error *err)
{
    int r = uv_tcp_init(peer->loop, &peer->tcp);

    if (r < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no socket: %s", uv_strerror(r));
    peer->tcp.data = peer;
    peer->socket_open = true;
    peer->read_ended = peer->write_dead = false;
    peer->nr_unclosed++;
    return 0;
}

void bf_rpc_wire_note_address(struct bf_rpc_peer *peer)
{
    struct sockaddr_storage address = {0};
    int nr_bytes = sizeof address;

    (void)uv_tcp_getpeername(&peer->tcp, (struct sockaddr *)&address, &nr_bytes);
    bf_address_host((struct sockaddr *)&address, peer->host);
    bf_address_key((struct sockaddr *)&address, peer->address_key);
    (void)snprintf(peer->address, sizeof peer->address, "%s port %u", peer->host,
                   bf_address_port((struct sockaddr *)&address));
}

int bf_rpc_wire_begin(struct bf_rpc_peer *peer, const char *host, struct bf_error *err)
{
    int r;

    bf_rpc_wire_note_address(peer);
    (void)uv_tcp_nodelay(&peer->tcp, 1);
    (void)uv_tcp_keepalive(&peer->tcp, 1, KEEPALIVE_S);
    r = uv_read_start((uv_stream_t *)&peer->tcp, on_read_space, on_read);
    if (r < 0)
        return bf_error_set(err, BF_E_PEER, "the connection cannot be read: %s", uv_strerror(r));
    if (!peer->settings.credentials)
        return 0;
    return bf_rpc_tls_init(&peer->tls, peer->settings.credentials, host, bf_rpc_wire_push, peer,
                           err);
}

void bf_rpc_wire_shut_down(struct bf_rpc_peer *peer)
{
    (void)uv_shutdown(&peer->shutdown, (uv_stream_t *)&peer->tcp, on_shut_down);
}

void bf_rpc_wire_close(struct bf_rpc_peer *peer)
{
    if (!uv_is_closing((uv_handle_t *)&peer->tcp))
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
}
