#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct write {
    uv_write_t req;
    char *text;
};

static bool is_closing(const struct bf_qmp_link *link)
{
    return uv_is_closing((const uv_handle_t *)&link->pipe);
}

static void on_closed(uv_handle_t *handle)
{
    struct bf_qmp_link *link = handle->data;

    bf_qmp_framing_release(&link->framing);
    link->handlers->closed(link);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct bf_qmp_link *link = connect->handle->data;
    struct bf_error err = BF_ERROR_INIT;

    if (is_closing(link))
        return;
    if (status == 0) {
        link->handlers->connected(link);
        return;
    }
    (void)bf_error_set(&err, status == UV_EACCES ? BF_E_PERMISSION : BF_E_PEER,
                       "cannot connect to %s: %s%s", link->name, uv_strerror(status),
                       status == UV_EAGAIN ? " (other clients wait for it already)" : "");
    link->handlers->lost(link, &err);
}

static void on_read_space(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *buf)
{
    struct bf_qmp_link *link = handle->data;

    (void)suggested_bytes;
    *buf = (uv_buf_t){.base = NULL};
    /* Without space libuv reports ENOBUFS to on_read(). */
    (void)bf_qmp_framing_reserve(&link->framing, &buf->base, &buf->len);
}

static void hand_out_lines(struct bf_qmp_link *link)
{
    struct bf_error err = BF_ERROR_INIT;
    const char *line;
    size_t line_bytes;
    int r = 1;

    while (!is_closing(link) && r > 0) {
        r = bf_qmp_framing_next(&link->framing, &line, &line_bytes);
        if (r > 0)
            link->handlers->line(link, line, line_bytes);
    }
    if (r == 0 || is_closing(link))
        return;
    (void)bf_error_set(&err, BF_E_PROTOCOL, "%s sent a line of more than %zu bytes", link->name,
                       link->framing.line_max_bytes);
    link->handlers->lost(link, &err);
}

static void on_read(uv_stream_t *stream, ssize_t nr_bytes, const uv_buf_t *buf)
{
    struct bf_qmp_link *link = stream->data;
    struct bf_error err = BF_ERROR_INIT;

    (void)buf;
    if (nr_bytes >= 0) {
        bf_qmp_framing_commit(&link->framing, (size_t)nr_bytes);
        hand_out_lines(link);
        return;
    }
    if (nr_bytes == UV_ENOBUFS)
        (void)bf_error_set(&err, BF_E_NO_MEMORY, "no memory for a message of %s", link->name);
    else if (nr_bytes == UV_EOF || nr_bytes == UV_ECONNRESET)
        (void)bf_error_set(&err, BF_E_PEER, "QEMU closed the QMP connection");
    else
        (void)bf_error_set(&err, BF_E_PEER, "reading from %s failed: %s", link->name,
                           uv_strerror((int)nr_bytes));
    link->handlers->lost(link, &err);
}

/* A failed write is no news: the reading side finds the end too, after QEMU's last words. */
static void on_written(uv_write_t *req, int status)
{
    struct write *write = req->data;

    (void)status;
    free(write->text);
    free(write);
}

void bf_qmp_link_init(struct bf_qmp_link *link, uv_loop_t *loop, size_t line_max_bytes,
                      const struct bf_qmp_link_handlers *handlers)
{
    *link = (struct bf_qmp_link){.handlers = handlers, .name = "the QMP connection"};
    bf_qmp_framing_init(&link->framing, line_max_bytes);
    (void)uv_pipe_init(loop, &link->pipe, 0); /* cannot fail on Unix */
    link->pipe.data = link;
}

int bf_qmp_link_check_path(const char *path, struct bf_error *err)
{
    size_t path_max_bytes = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

    if (path[0] == '\0' || strlen(path) > path_max_bytes)
        return bf_error_set(err, BF_E_INVALID,
                            "the path of a socket has 1 to %zu bytes, that of the QMP socket '%s' "
                            "%zu: reach it by a shorter path or a symbolic link",
                            path_max_bytes, path, strlen(path));
    return 0;
}

void bf_qmp_link_connect(struct bf_qmp_link *link, const char *path)
{
    (void)snprintf(link->name, sizeof link->name, "the QMP socket '%s'", path);
    uv_pipe_connect(&link->connect, &link->pipe, path, on_connect);
}

int bf_qmp_link_adopt(struct bf_qmp_link *link, int fd, struct bf_error *err)
{
    int type = 0;
    socklen_t type_bytes = sizeof type;
    int r;

    /* libuv aborts the process for what epoll refuses, a regular file for example. */
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) < 0 || type != SOCK_STREAM)
        return bf_error_set(err, BF_E_INVALID, "the QMP file descriptor %d is no stream socket",
                            fd);
    r = uv_pipe_open(&link->pipe, fd);
    if (r < 0)
        return bf_error_set(err, BF_E_INVALID, "cannot use the QMP file descriptor %d: %s", fd,
                            uv_strerror(r));
    return 0;
}

int bf_qmp_link_start_reading(struct bf_qmp_link *link, struct bf_error *err)
{
    int r = uv_read_start((uv_stream_t *)&link->pipe, on_read_space, on_read);

    if (r < 0)
        return bf_error_set(err, BF_E_PEER, "cannot read from %s: %s", link->name, uv_strerror(r));
    return 0;
}

int bf_qmp_link_write_line(struct bf_qmp_link *link, char *text, struct bf_error *err)
{
    static char line_end[] = "\n";
    struct write *write = calloc(1, sizeof *write);
    uv_buf_t bufs[2];
    int r;

    if (!write) {
        free(text);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to write to %s", link->name);
    }
    write->req.data = write;
    write->text = text;
    bufs[0] = (uv_buf_t){.base = text, .len = strlen(text)};
    bufs[1] = (uv_buf_t){.base = line_end, .len = 1};
    r = uv_write(&write->req, (uv_stream_t *)&link->pipe, bufs, 2, on_written);
    if (r < 0) {
        on_written(&write->req, r);
        return bf_error_set(err, BF_E_PEER, "writing to %s failed: %s", link->name, uv_strerror(r));
    }
    return 0;
}

void bf_qmp_link_close(struct bf_qmp_link *link)
{
    if (!is_closing(link))
        uv_close((uv_handle_t *)&link->pipe, on_closed);
}
