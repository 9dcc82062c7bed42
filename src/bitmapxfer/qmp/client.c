#include "client_internal.h"
#include "message.h"

#include "base/cleanup.h"
#include "base/math.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    const char *awaited; /* what is missing when the time for opening is over */
} states[] = {
    [BF_QMP_STATE_NEW] = {"new", NULL},
    [BF_QMP_STATE_CONNECTING] = {"connecting", "the connection"},
    [BF_QMP_STATE_GREETING] = {"greeting",
                               "the QMP greeting (does another client hold the monitor?)"},
    [BF_QMP_STATE_NEGOTIATING] = {"negotiating", "the list of commands"},
    [BF_QMP_STATE_READY] = {"ready", NULL},
    [BF_QMP_STATE_ENDED] = {"ended", NULL},
    [BF_QMP_STATE_CLOSED] = {"closed", NULL},
};

void bf_qmp_set_state(struct bf_qmp *qmp, enum bf_qmp_state state)
{
    assert(state > qmp->state);
    qmp->state = state;
}

static bool is_open(const struct bf_qmp *qmp)
{
    return qmp->state < BF_QMP_STATE_ENDED;
}

static void unref_client(struct bf_qmp *qmp)
{
    if (--qmp->nr_unclosed > 0)
        return;
    if (qmp->ret_freed)
        *qmp->ret_freed = true;
    json_decref(qmp->commands);
    free(qmp);
}

static struct bf_qmp *client_of(struct bf_qmp_link *link)
{
    return (struct bf_qmp *)((char *)link - offsetof(struct bf_qmp, link));
}

static void on_link_closed(struct bf_qmp_link *link)
{
    unref_client(client_of(link));
}

static void on_timer_closed(uv_handle_t *timer)
{
    unref_client(timer->data);
}

/* The timer stays, so that @qmp lives until its owner closes it, which any of these callbacks may
 * do. */
void bf_qmp_end(struct bf_qmp *qmp, const struct bf_error *err)
{
    bool was_ready = qmp->state == BF_QMP_STATE_READY;

    if (!is_open(qmp))
        return;
    bf_qmp_set_state(qmp, BF_QMP_STATE_ENDED);
    qmp->end_error = *err;
    (void)uv_timer_stop(&qmp->timer);
    bf_qmp_link_close(&qmp->link);
    bf_qmp_inflight_fail_all(&qmp->inflight, &qmp->end_error);
    if (qmp->state == BF_QMP_STATE_CLOSED)
        return;
    if (was_ready && qmp->handlers.closed)
        qmp->handlers.closed(qmp->handlers.ctx, &qmp->end_error);
    else if (!was_ready && qmp->handlers.ready)
        qmp->handlers.ready(qmp->handlers.ctx, &qmp->end_error);
}

/* Deadlines */

static void on_timer(uv_timer_t *timer);

static uint64_t expiry_ms(const struct bf_qmp *qmp, uint64_t deadline_ms)
{
    uint64_t now_ms = uv_now(qmp->loop);

    return deadline_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + deadline_ms;
}

/* An answer leaves the timer as it is: it may ring when nothing is due, and is set anew then. */
static void ring_at(struct bf_qmp *qmp, uint64_t at_ms)
{
    uint64_t now_ms = uv_now(qmp->loop);

    if (at_ms == UINT64_MAX ||
        (uv_is_active((uv_handle_t *)&qmp->timer) && qmp->timer_at_ms <= at_ms))
        return;
    qmp->timer_at_ms = at_ms;
    (void)uv_timer_start(&qmp->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static bool end_if_open_expired(struct bf_qmp *qmp, uint64_t now_ms)
{
    struct bf_error err = BF_ERROR_INIT;

    if (qmp->state >= BF_QMP_STATE_READY || now_ms < qmp->open_expires_ms)
        return false;
    (void)bf_error_set(&err, BF_E_DEADLINE, "waited %" PRIu64 " ms in vain for %s from %s",
                       qmp->open_deadline_ms, states[qmp->state].awaited, qmp->link.name);
    bf_qmp_end(qmp, &err);
    return true;
}

static void reply_expired(const struct bf_qmp_command *command)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)bf_error_set(&err, BF_E_DEADLINE, "QEMU has not answered '%s' within %" PRIu64 " ms",
                       command->name, command->deadline_ms);
    if (command->reply)
        command->reply(command->ctx, NULL, &err);
}

static void end_if_owed_too_much(struct bf_qmp *qmp)
{
    struct bf_error err = BF_ERROR_INIT;

    if (qmp->inflight.nr_expired <= BF_QMP_EXPIRED_MAX)
        return;
    (void)bf_error_set(&err, BF_E_DEADLINE,
                       "QEMU owes the answers to more than %d commands whose deadlines have passed",
                       BF_QMP_EXPIRED_MAX);
    bf_qmp_end(qmp, &err);
}

static void on_timer(uv_timer_t *timer)
{
    struct bf_qmp *qmp = timer->data;
    uint64_t now_ms = uv_now(qmp->loop);
    struct bf_qmp_command *command;

    if (end_if_open_expired(qmp, now_ms))
        return;
    while (is_open(qmp) && (command = bf_qmp_inflight_expire(&qmp->inflight, now_ms))) {
        reply_expired(command);
        end_if_owed_too_much(qmp);
    }
    if (!is_open(qmp))
        return;
    ring_at(qmp, bf_qmp_inflight_next_ms(&qmp->inflight));
}

/* Sending */

int bf_qmp_send_now(struct bf_qmp *qmp, const char *name, json_t *arguments, uint64_t deadline_ms,
                    bf_qmp_reply_fn reply, void *ctx, struct bf_error *err)
{
    struct bf_qmp_command *command = bf_qmp_inflight_add(&qmp->inflight, name);
    char *text =
        command ? bf_qmp_message_command(name, bf_steal_ptr(&arguments), command->id) : NULL;
    int r;

    json_decref(arguments);
    if (text)
        r = bf_qmp_link_write_line(&qmp->link, text, err);
    else
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for the QMP command '%s'", name);
    if (r < 0) {
        if (command)
            free(bf_qmp_inflight_take(&qmp->inflight, command->id));
        return r;
    }
    uv_update_time(qmp->loop); /* the caller may have worked for long since the loop looked */
    command->deadline_ms = deadline_ms;
    command->sent_ns = uv_hrtime();
    command->expires_ms = expiry_ms(qmp, deadline_ms);
    command->reply = reply;
    command->ctx = ctx;
    ring_at(qmp, command->expires_ms);
    return 0;
}

/* The link, and opening it */

static void on_lost(struct bf_qmp_link *link, const struct bf_error *link_err)
{
    struct bf_qmp *qmp = client_of(link);
    const char *command = bf_qmp_inflight_oldest(&qmp->inflight);
    struct bf_error err = BF_ERROR_INIT;

    if (command)
        (void)bf_error_set(&err, link_err->code, "%s while '%s' was under way", link_err->text,
                           command);
    else if (qmp->state == BF_QMP_STATE_GREETING)
        (void)bf_error_set(&err, link_err->code, "%s before its greeting", link_err->text);
    else
        err = *link_err;
    bf_qmp_end(qmp, &err);
}

static int start_reading(struct bf_qmp *qmp, struct bf_error *err)
{
    bf_qmp_set_state(qmp, BF_QMP_STATE_GREETING);
    return bf_qmp_link_start_reading(&qmp->link, err);
}

static void on_connected(struct bf_qmp_link *link)
{
    struct bf_qmp *qmp = client_of(link);
    struct bf_error err = BF_ERROR_INIT;

    if (start_reading(qmp, &err) < 0)
        bf_qmp_end(qmp, &err);
}

static void on_line(struct bf_qmp_link *link, const char *line, size_t line_bytes)
{
    struct bf_qmp *qmp = client_of(link);
    struct bf_error err = BF_ERROR_INIT;

    if (bf_qmp_take_line(qmp, line, line_bytes, &err) < 0)
        bf_qmp_end(qmp, &err);
}

static const struct bf_qmp_link_handlers link_handlers = {
    .connected = on_connected,
    .line = on_line,
    .lost = on_lost,
    .closed = on_link_closed,
};

static struct bf_qmp *new_client(uv_loop_t *loop, uint64_t deadline_ms,
                                 const struct bf_qmp_handlers *handlers, struct bf_error *err)
{
    struct bf_qmp *qmp = calloc(1, sizeof *qmp);

    if (!qmp) {
        (void)bf_error_set(err, BF_E_NO_MEMORY, "no memory for a QMP client");
        return NULL;
    }
    qmp->loop = loop;
    if (handlers)
        qmp->handlers = *handlers;
    bf_qmp_inflight_init(&qmp->inflight, uv_hrtime());
    bf_qmp_link_init(&qmp->link, loop, BF_QMP_LINE_MAX_BYTES, &link_handlers);
    (void)uv_timer_init(loop, &qmp->timer); /* cannot fail */
    qmp->timer.data = qmp;
    qmp->nr_unclosed = 2;
    uv_update_time(loop);
    qmp->open_deadline_ms = deadline_ms;
    qmp->open_expires_ms = expiry_ms(qmp, deadline_ms);
    ring_at(qmp, qmp->open_expires_ms);
    return qmp;
}

int bf_qmp_open_path(uv_loop_t *loop, const char *path, uint64_t deadline_ms,
                     const struct bf_qmp_handlers *handlers, struct bf_qmp **ret_qmp,
                     struct bf_error *err)
{
    struct bf_qmp *qmp;
    int r = bf_qmp_link_check_path(path, err);

    if (r < 0)
        return r;
    qmp = new_client(loop, deadline_ms, handlers, err);
    if (!qmp)
        return -ENOMEM;
    bf_qmp_set_state(qmp, BF_QMP_STATE_CONNECTING);
    bf_qmp_link_connect(&qmp->link, path);
    *ret_qmp = qmp;
    return 0;
}

int bf_qmp_open_fd(uv_loop_t *loop, int fd, uint64_t deadline_ms,
                   const struct bf_qmp_handlers *handlers, struct bf_qmp **ret_qmp,
                   struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int owned_fd = fd;
    struct bf_qmp *qmp = new_client(loop, deadline_ms, handlers, err);
    int r;

    if (!qmp)
        return -ENOMEM;
    r = bf_qmp_link_adopt(&qmp->link, fd, err);
    if (r == 0) {
        (void)bf_steal_fd(&owned_fd);
        r = start_reading(qmp, err);
    }
    if (r < 0) {
        bf_qmp_close(qmp);
        return r;
    }
    *ret_qmp = qmp;
    return 0;
}

int bf_qmp_send(struct bf_qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ms,
                bf_qmp_reply_fn reply, void *ctx, struct bf_error *err)
{
    if (qmp->state == BF_QMP_STATE_READY)
        return bf_qmp_send_now(qmp, command, arguments, deadline_ms, reply, ctx, err);
    json_decref(arguments);
    if (qmp->state == BF_QMP_STATE_ENDED)
        return bf_error_set(err, BF_E_PEER, "'%s' cannot be sent: %s", command,
                            qmp->end_error.text);
    return bf_error_set(err, BF_E_PEER, "'%s' cannot be sent: the QMP connection is %s", command,
                        states[qmp->state].name);
}

bool bf_qmp_is_ready(const struct bf_qmp *qmp)
{
    return qmp->state == BF_QMP_STATE_READY;
}

const char *bf_qmp_state_name(const struct bf_qmp *qmp)
{
    return states[qmp->state].name;
}

const struct bf_error *bf_qmp_end_error(const struct bf_qmp *qmp)
{
    return qmp->end_error.code == BF_E_NONE ? NULL : &qmp->end_error;
}

bool bf_qmp_has_command(const struct bf_qmp *qmp, const char *command)
{
    return json_object_get(qmp->commands, command) != NULL;
}

struct bf_qmp_version bf_qmp_version(const struct bf_qmp *qmp)
{
    return qmp->version;
}

void bf_qmp_close(struct bf_qmp *qmp)
{
    struct bf_error err = BF_ERROR_INIT;

    if (qmp->state == BF_QMP_STATE_CLOSED)
        return;
    bf_qmp_set_state(qmp, BF_QMP_STATE_CLOSED);
    bf_qmp_link_close(&qmp->link);
    uv_close((uv_handle_t *)&qmp->timer, on_timer_closed);
    (void)bf_error_set(&err, BF_E_INTERRUPTED, "the QMP connection was closed on this side");
    bf_qmp_inflight_fail_all(&qmp->inflight, &err);
}
