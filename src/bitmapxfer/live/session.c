#include "session_internal.h"

#include "base/cleanup.h"
#include "op.h"
#include "start.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Identification: one question after the other */

static void copy_text(char *to, size_t to_bytes, const json_t *result, const char *key)
{
    const char *text = json_string_value(json_object_get(result, key));

    (void)snprintf(to, to_bytes, "%s", text ? text : "");
}

static void learn_name(struct bf_live_identity *identity, const json_t *result)
{
    copy_text(identity->name, sizeof identity->name, result, "name");
}

static void learn_uuid(struct bf_live_identity *identity, const json_t *result)
{
    copy_text(identity->uuid, sizeof identity->uuid, result, "UUID");
    for (char *c = identity->uuid; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static void learn_status(struct bf_live_identity *identity, const json_t *result)
{
    copy_text(identity->status, sizeof identity->status, result, "status");
    identity->running = json_is_true(json_object_get(result, "running"));
}

static const struct {
    const char *command;
    void (*learn)(struct bf_live_identity *identity, const json_t *result);
} questions[] = {
    {"query-name", learn_name},
    {"query-uuid", learn_uuid},
    {"query-status", learn_status},
};

enum { NR_QUESTIONS = sizeof questions / sizeof questions[0] };

static int judge(const struct bf_live *live, struct bf_error *err)
{
    const struct bf_live_identity *identity = &live->identity;

    if (live->wanted_uuid[0] && strcasecmp(live->wanted_uuid, identity->uuid) != 0)
        return bf_error_set(err, BF_E_NOT_FOUND,
                            "the QEMU behind the socket is another VM: its UUID is %s instead of "
                            "%s; give the socket of the right one",
                            identity->uuid[0] ? identity->uuid : "(none)", live->wanted_uuid);
    if (live->wanted_start[0] && strcmp(live->wanted_start, identity->start) != 0)
        return bf_error_set(err, BF_E_NOT_FOUND,
                            "the QEMU that the move began with is gone: another one, started "
                            "later, has taken over its socket");
    return 0;
}

static void tell_ready(struct bf_live *live, const struct bf_error *err)
{
    if (!live->closing && live->handlers.ready)
        live->handlers.ready(live->handlers.ctx, err ? NULL : &live->identity, err);
}

static void ask_on(struct bf_live *live);

static void on_answer(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live *live = ctx;

    if (err) {
        tell_ready(live, err);
        return;
    }
    questions[live->question++].learn(&live->identity, result);
    ask_on(live);
}

static void ask_on(struct bf_live *live)
{
    uint64_t now_ms = uv_now(live->loop);
    struct bf_error err = BF_ERROR_INIT;
    int r;

    /* qemu-storage-daemon knows none of them */
    while (live->question < NR_QUESTIONS &&
           !bf_qmp_has_command(live->qmp, questions[live->question].command))
        live->question++;
    if (live->question < NR_QUESTIONS)
        r = bf_qmp_send(live->qmp, questions[live->question].command, NULL,
                        live->expires_ms > now_ms ? live->expires_ms - now_ms : 1, on_answer, live,
                        &err);
    else
        r = judge(live, &err);
    if (r < 0)
        tell_ready(live, &err);
    else if (live->question == NR_QUESTIONS)
        tell_ready(live, NULL);
}

/* The client's events */

static void on_ready(void *ctx, const struct bf_error *err)
{
    struct bf_live *live = ctx;

    if (err) {
        tell_ready(live, err);
        return;
    }
    live->identity.version = bf_qmp_version(live->qmp);
    ask_on(live);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
    struct bf_live *live = ctx;

    if (live->listener.event)
        live->listener.event(live->listener.ctx, name, data);
    if (!live->closing && live->handlers.event)
        live->handlers.event(live->handlers.ctx, name, data);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct bf_live *live = ctx;

    if (live->listener.closed)
        live->listener.closed(live->listener.ctx, err);
    if (!live->closing && live->handlers.closed)
        live->handlers.closed(live->handlers.ctx, err);
}

static void on_answered(void *ctx, const char *command, uint64_t took_us)
{
    struct bf_live *live = ctx;

    if (!live->closing && live->handlers.answered)
        live->handlers.answered(live->handlers.ctx, command, took_us);
}

/* Opening and closing */

static int connect_socket(const char *path, struct bf_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    BF_CLEANUP(bf_fd_closep) int fd = -1;

    if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
        return bf_error_set(err, BF_E_INVALID, "'%s' is no path of a QMP socket: 1 to %zu bytes",
                            path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return bf_error_set(err, errno == EACCES ? BF_E_PERMISSION : BF_E_PEER,
                            "cannot connect to the QMP socket %s: %s", path,
                            errno == EAGAIN ? "other clients hold it" : strerror(errno));
    return bf_steal_fd(&fd);
}

static struct bf_live *new_session(uv_loop_t *loop, const struct bf_live_target *target,
                                   uint64_t deadline_ms, const struct bf_live_handlers *handlers)
{
    struct bf_live *live = calloc(1, sizeof *live);

    if (!live)
        return NULL;
    uv_update_time(loop);
    live->loop = loop;
    live->expires_ms = uv_now(loop) + deadline_ms;
    if (handlers)
        live->handlers = *handlers;
    (void)snprintf(live->wanted_uuid, sizeof live->wanted_uuid, "%s",
                   target->uuid ? target->uuid : "");
    (void)snprintf(live->wanted_start, sizeof live->wanted_start, "%s",
                   target->start ? target->start : "");
    (void)snprintf(live->node_prefix, sizeof live->node_prefix, "bf-%.20s-", target->tag);
    return live;
}

int bf_live_open(uv_loop_t *loop, const struct bf_live_target *target, uint64_t deadline_ms,
                 const struct bf_live_handlers *handlers, struct bf_live **ret_live,
                 struct bf_error *err)
{
    struct bf_qmp_handlers below = {on_ready, on_event, on_closed, NULL, on_answered};
    BF_CLEANUP(bf_freep) struct bf_live *live = NULL;
    int fd;
    int r;

    if (strlen(target->tag) != BF_LIVE_TAG_CHARS)
        return bf_error_set(err, BF_E_INVALID, "'%s' is no tag of %d digits", target->tag,
                            BF_LIVE_TAG_CHARS);
    fd = connect_socket(target->socket_path, err);
    if (fd < 0)
        return fd;
    live = new_session(loop, target, deadline_ms, handlers);
    if (!live) {
        (void)close(fd);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a session with QEMU");
    }
    bf_live_start_read(fd, target->socket_path, &live->identity);
    below.ctx = live;
    r = bf_qmp_open_fd(loop, fd, deadline_ms, &below, &live->qmp, err);
    if (r < 0)
        return r;
    (void)uv_timer_init(loop, &live->timer); /* cannot fail */
    live->timer.data = live;
    *ret_live = bf_steal_ptr(&live);
    return 0;
}

const struct bf_live_identity *bf_live_identity(const struct bf_live *live)
{
    return &live->identity;
}

struct bf_qmp *bf_live_qmp(const struct bf_live *live)
{
    return live->qmp;
}

void bf_live_node_name(struct bf_live *live, char buf[BF_LIVE_NODE_NAME_MAX + 1])
{
    (void)snprintf(buf, BF_LIVE_NODE_NAME_MAX + 1, "%s%u", live->node_prefix,
                   live->nr_nodes++ % 10000000);
}

void bf_live_set_rests(struct bf_live *live, bool rests)
{
    live->rests = rests;
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer->data);
}

void bf_live_close(struct bf_live *live)
{
    if (live->closing)
        return;
    live->closing = true;
    bf_live_op_rests_end(live);
    bf_qmp_close(live->qmp);
    uv_close((uv_handle_t *)&live->timer, on_timer_closed);
}
