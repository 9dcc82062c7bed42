/* One client of the control socket. */
#include "control_server.h"

#include "base/cleanup.h"
#include "daemon/control.h"
#include "daemon/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct sending {
    uv_write_t req;
    struct bf_connection *connection;
    char *text;
};

static void unlink_connection(struct bf_connection *connection)
{
    *connection->previous = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    connection->server->nr_connections--;
}

static void link_connection(struct bf_connection *connection)
{
    struct bf_control_server *server = connection->server;

    connection->next = server->connections;
    connection->previous = &server->connections;
    if (connection->next)
        connection->next->previous = &connection->next;
    server->connections = connection;
    server->nr_connections++;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bf_connection *connection = handle->data;

    if (--connection->nr_open_handles > 0)
        return;
    bf_lines_release(&connection->lines);
    free(connection);
}

void bf_connection_close(struct bf_connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    unlink_connection(connection);
    connection->server->handlers->gone(connection->server->ctx, connection);
    uv_close((uv_handle_t *)&connection->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&connection->patience, on_handle_closed);
}

bool bf_connection_is_sending(const struct bf_connection *connection)
{
    return connection->pipe.write_queue_size > 0;
}

void bf_connection_end(struct bf_connection *connection)
{
    connection->ending = true;
    if (!bf_connection_is_sending(connection))
        bf_connection_close(connection);
}

static void on_patience_over(uv_timer_t *timer)
{
    struct bf_connection *connection = timer->data;

    bf_log(BF_LOG_DEBUG, "a client was silent for too long");
    bf_connection_close(connection);
}

/* The time begins anew with every request and every answer taken; it does not run while the client
 * waits for us. */
static void restart_patience(struct bf_connection *connection)
{
    if (connection->closing)
        return;
    if (connection->held && !bf_connection_is_sending(connection))
        (void)uv_timer_stop(&connection->patience);
    else
        (void)uv_timer_start(&connection->patience, on_patience_over,
                             connection->server->config->client_patience_s * 1000, 0);
}

void bf_connection_hold(struct bf_connection *connection)
{
    connection->held = true;
    restart_patience(connection);
}

void bf_connection_unhold(struct bf_connection *connection)
{
    connection->held = false;
    restart_patience(connection);
}

static void on_sent(uv_write_t *req, int status)
{
    struct sending *sending = req->data;
    struct bf_connection *connection = sending->connection;

    free(sending->text);
    free(sending);
    if (status < 0) {
        bf_connection_close(connection);
        return;
    }
    restart_patience(connection);
    if (bf_connection_is_sending(connection) || connection->closing)
        return;
    if (connection->ending)
        bf_connection_close(connection);
    else
        connection->server->handlers->drained(connection->server->ctx, connection);
}

static int start_sending(struct bf_connection *connection, struct sending *sending)
{
    static char newline[] = "\n";
    uv_buf_t bufs[2] = {
        {.base = sending->text, .len = strlen(sending->text)},
        {.base = newline, .len = 1},
    };
    bool was_sending = bf_connection_is_sending(connection);
    int r = uv_write(&sending->req, (uv_stream_t *)&connection->pipe, bufs, 2, on_sent);

    if (r == 0 && !was_sending)
        restart_patience(connection);
    return r;
}

void bf_connection_send(struct bf_connection *connection, json_t *reply)
{
    BF_CLEANUP(json_decrefp) json_t *owned = reply;
    struct sending *sending = NULL;

    if (connection->closing)
        return;
    if (owned && connection->pipe.write_queue_size <= BF_CONNECTION_QUEUE_MAX_BYTES)
        sending = calloc(1, sizeof *sending);
    if (sending)
        sending->text = json_dumps(owned, JSON_COMPACT);
    if (!sending || !sending->text) {
        bf_log(BF_LOG_WARNING, "a client is disconnected: %s",
               owned && !sending ? "it does not take its answers" : "no memory for its answer");
        free(sending);
        bf_connection_close(connection);
        return;
    }
    sending->req.data = sending;
    sending->connection = connection;
    if (start_sending(connection, sending) < 0) {
        free(sending->text);
        free(sending);
        bf_connection_close(connection);
    }
}

/* Say why, and close: what follows such a line cannot be trusted to be a request. */
static void refuse(struct bf_connection *connection, enum bf_code code, const char *why)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)bf_error_set(&err, code, "%s", why);
    (void)uv_read_stop((uv_stream_t *)&connection->pipe);
    bf_connection_send(connection, bf_control_error(&err));
    if (!connection->closing)
        bf_connection_end(connection);
}

static void on_room(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buf)
{
    struct bf_connection *connection = handle->data;

    (void)suggested_bytes;
    *buf = (uv_buf_t){.base = NULL};
    /* Without room libuv reports ENOBUFS to on_bytes(). */
    (void)bf_lines_reserve(&connection->lines, &buf->base, &buf->len);
}

static void on_bytes(uv_stream_t *stream, ssize_t nr_bytes, const uv_buf_t *buf)
{
    struct bf_connection *connection = stream->data;
    size_t line_bytes = 0;
    const char *line;

    (void)buf;
    if (nr_bytes == UV_ENOBUFS) {
        refuse(connection, BF_E_LIMIT, "the request is too long");
        return;
    }
    if (nr_bytes < 0) { /* with a `wait` under way too: nobody is there to hear its end */
        bf_connection_end(connection);
        return;
    }
    bf_lines_commit(&connection->lines, (size_t)nr_bytes);
    while (!connection->closing && !connection->ending &&
           (line = bf_lines_next(&connection->lines, &line_bytes))) {
        if (connection->held) {
            refuse(connection, BF_E_PROTOCOL, "a request while the answer to another is awaited");
            return;
        }
        connection->server->handlers->line(connection->server->ctx, connection, line, line_bytes);
        restart_patience(connection);
    }
}

static bool may_connect(struct bf_connection *connection)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t peer_bytes = sizeof peer;
    int fd = -1;

    if (uv_fileno((uv_handle_t *)&connection->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) < 0 ||
        !bf_control_uid_allowed(connection->server->config, peer.uid)) {
        bf_log(BF_LOG_WARNING, "user %u (process %d) may not give orders: refused",
               (unsigned)peer.uid, (int)peer.pid);
        refuse(connection, BF_E_AUTH,
               "this user may not give orders to the daemon; see allow_uids in its configuration");
        return false;
    }
    if (connection->server->nr_connections > connection->server->config->max_clients) {
        refuse(connection, BF_E_LIMIT, "too many clients; see max_clients in the configuration");
        return false;
    }
    return true;
}

void bf_connection_accept(struct bf_control_server *server)
{
    struct bf_connection *connection = calloc(1, sizeof *connection);

    /* libuv is deaf until somebody accepts; a daemon that starts anew is better than that. */
    if (!connection) {
        bf_log(BF_LOG_ERROR, "no memory for one more client");
        abort();
    }
    connection->server = server;
    bf_lines_init(&connection->lines, BF_CONTROL_REQUEST_MAX_BYTES);
    (void)uv_pipe_init(server->loop, &connection->pipe, 0); /* cannot fail on Unix */
    (void)uv_timer_init(server->loop, &connection->patience);
    connection->pipe.data = connection->patience.data = connection;
    connection->nr_open_handles = 2;
    link_connection(connection);
    if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->pipe) < 0) {
        bf_connection_close(connection);
        return;
    }
    restart_patience(connection);
    if (may_connect(connection) &&
        uv_read_start((uv_stream_t *)&connection->pipe, on_room, on_bytes) < 0)
        bf_connection_close(connection);
}
