#include "link.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A uv_poll_t is bound to one descriptor for life and must outlive uv_close(): hence on the heap.
 */
struct bf_nbd_watch {
    uv_poll_t poll;
    int fd;
    struct bf_nbd_link *link;
};

static void handle_gone(struct bf_nbd_link *link)
{
    if (--link->nr_handles > 0)
        return;
    free(bf_steal_ptr(&link->uri));
    link->closed(link->ctx);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct bf_nbd_watch *watch = handle->data;
    struct bf_nbd_link *link = watch->link;

    free(watch);
    handle_gone(link);
}

static void on_clock_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

static int watch_new(struct bf_nbd_link *link, int fd, struct bf_error *err)
{
    struct bf_nbd_watch *watch = malloc(sizeof *watch);
    int r;

    if (!watch)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to watch a socket");
    r = uv_poll_init(link->loop, &watch->poll, fd);
    if (r < 0) {
        free(watch);
        return bf_error_set(err, BF_E_IO, "cannot watch the socket of '%s': %s", link->uri,
                            uv_strerror(r));
    }
    watch->fd = fd;
    watch->link = link;
    watch->poll.data = watch;
    link->watch = watch;
    link->nr_handles++;
    return 0;
}

static void watch_close(struct bf_nbd_link *link)
{
    struct bf_nbd_watch *watch = bf_steal_ptr(&link->watch);

    if (watch)
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void close_now(struct bf_nbd_link *link)
{
    struct nbd_handle *nbd = bf_steal_ptr(&link->nbd);

    link->closing = true;
    if (link->watch)
        uv_poll_stop(&link->watch->poll);
    if (nbd_aio_is_ready(nbd) && nbd_aio_in_flight(nbd) == 0)
        (void)nbd_aio_disconnect(nbd, 0);
    else if (nbd_aio_is_negotiating(nbd))
        (void)nbd_aio_opt_abort(nbd);
    nbd_close(nbd);
    watch_close(link);
    uv_close((uv_handle_t *)&link->clock, on_clock_closed);
}

static void on_socket(uv_poll_t *poll, int status, int events);

static int events_wanted(const struct bf_nbd_link *link)
{
    unsigned direction = nbd_aio_get_direction(link->nbd);

    return (direction & LIBNBD_AIO_DIRECTION_READ ? UV_READABLE : 0) |
           (direction & LIBNBD_AIO_DIRECTION_WRITE ? UV_WRITABLE : 0);
}

/* Wait for what libnbd waits for, on the socket that it has now. */
static int arm(struct bf_nbd_link *link, struct bf_error *err)
{
    int fd = nbd_aio_get_fd(link->nbd);
    int r = 0;

    if (link->watch->fd != fd) {
        watch_close(link);
        r = watch_new(link, fd, err);
    }
    if (r == 0)
        uv_poll_start(&link->watch->poll, events_wanted(link), on_socket);
    return r;
}

static bool is_drained(const struct bf_nbd_link *link)
{
    return link->silent || !link->watch || bf_nbd_is_lost(link->nbd) ||
           nbd_aio_in_flight(link->nbd) == 0;
}

static void drain(struct bf_nbd_link *link)
{
    if (is_drained(link) || arm(link, NULL) < 0)
        close_now(link);
}

/* A server that does not let us in may say so, with TLS 1.3, behind the handshake, or just go.  Of
 * one that did, an error of TLS tells that it was killed in the middle of a record (measured on
 * libnbd 1.14: "gnutls_record_recv: Error decoding the received TLS packet."), or that somebody has
 * changed one: another connection may do better. */
static void explain_loss(const struct bf_nbd_link *link, struct bf_error *err)
{
    (void)bf_nbd_error(err, link->uri);
    if (link->let_in && err->code == BF_E_AUTH)
        err->code = BF_E_PEER;
}

static void note_let_in(struct bf_nbd_link *link)
{
    if (nbd_aio_is_ready(link->nbd) || nbd_aio_is_processing(link->nbd))
        link->let_in = true;
}

/* Tell the owner, whose commands may have killed the connection in their turn, and wait on. */
static void dispatch(struct bf_nbd_link *link)
{
    struct bf_error err = BF_ERROR_INIT;

    note_let_in(link);
    if (!link->closing && !bf_nbd_is_lost(link->nbd))
        link->event(link->ctx, NULL);
    if (!link->nbd)
        return;
    if (link->closing) {
        drain(link);
        return;
    }
    if (bf_nbd_is_lost(link->nbd))
        explain_loss(link, &err);
    else
        arm(link, &err);
    if (err.code != BF_E_NONE)
        link->event(link->ctx, &err);
}

/* With an error on the socket libuv gives no events; libnbd finds out by trying. */
static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct bf_nbd_link *link = ((struct bf_nbd_watch *)poll->data)->link;
    unsigned direction = nbd_aio_get_direction(link->nbd);

    uv_poll_stop(poll);
    uv_timer_again(&link->clock);
    if ((direction & LIBNBD_AIO_DIRECTION_READ) && (status < 0 || (events & UV_READABLE)))
        (void)nbd_aio_notify_read(link->nbd);
    else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && (status < 0 || (events & UV_WRITABLE)))
        (void)nbd_aio_notify_write(link->nbd);
    dispatch(link);
}

static bool has_news(const struct bf_nbd_link *link)
{
    bool reads = nbd_aio_get_direction(link->nbd) & LIBNBD_AIO_DIRECTION_READ;
    struct pollfd socket = {.fd = link->watch->fd, .events = reads ? POLLIN : POLLOUT};

    return poll(&socket, 1, 0) > 0;
}

/* Timers run before sockets: what came while the loop was busy elsewhere is not too late. */
static void on_deadline(uv_timer_t *clock)
{
    struct bf_nbd_link *link = clock->data;
    struct bf_error err = BF_ERROR_INIT;

    if (link->closing) {
        close_now(link);
        return;
    }
    if (has_news(link))
        return;
    link->silent = true;
    bf_error_set(&err, BF_E_DEADLINE, "%s: the server sent nothing for %.1f s", link->uri,
                 (double)link->deadline_ms / 1000);
    link->event(link->ctx, &err);
}

int bf_nbd_link_open(struct bf_nbd_link *link, uv_loop_t *loop,
                     const struct bf_nbd_endpoint *endpoint, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *uri = strdup(endpoint->uri);
    BF_CLEANUP(nbd_closep) struct nbd_handle *nbd = NULL;
    int r;

    if (!uri)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a URI");
    r = bf_nbd_handle_connect(endpoint, &nbd, err);
    if (r < 0)
        return r;
    link->loop = loop;
    link->deadline_ms = endpoint->deadline_ms;
    link->uri = uri;
    r = watch_new(link, nbd_aio_get_fd(nbd), err);
    if (r < 0)
        return r;
    link->nbd = bf_steal_ptr(&nbd);
    uri = NULL;
    link->clock.data = link;
    uv_timer_init(loop, &link->clock);
    link->nr_handles++;
    uv_update_time(loop);
    uv_timer_start(&link->clock, on_deadline, link->deadline_ms, link->deadline_ms);
    /* The first event comes at once: libnbd may have got far already, with nothing more to come. */
    uv_poll_start(&link->watch->poll, events_wanted(link) | UV_WRITABLE, on_socket);
    return 0;
}

void bf_nbd_link_cut(struct bf_nbd_link *link)
{
    (void)shutdown(link->watch->fd, SHUT_RDWR);
}

void bf_nbd_link_close(struct bf_nbd_link *link)
{
    if (link->closing)
        return;
    link->closing = true;
    if (is_drained(link))
        close_now(link);
    else
        uv_timer_start(&link->clock, on_deadline, BF_NBD_DRAIN_MS, 0);
}
