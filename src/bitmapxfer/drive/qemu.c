#include "drive/qemu.h"

#include "daemon/log.h"
#include "drive/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_DEADLINE_MS = 10000,
    WAY_DEADLINE_MS = 60000, /* libvirt itself waits 30 s for another job of the domain */
    RETRY_MS = 200,
    PATIENT_RETRY_MS = 500,
};

struct bf_qemu {
    uv_loop_t *loop;
    struct bf_qemu_handlers handlers;
    char *socket_path; /* NULL: there is a way */
    char *uuid;
    char *tag;
    char start[BF_LIVE_START_MAX + 1];
    struct bf_live *live;
    struct bf_live_watch *watch;
    char **texts; /* name and node of each disk that is watched */
    struct bf_live_watch_disk *disks;
    uint32_t nr_disks;
    uv_timer_t retry;
    uint64_t found_by_ms; /* a QEMU that nobody has seen yet */
    bool up;
    bool was_up;
    bool gone;
    bool freed;

    struct bf_way way;
    bool patient;
    bool way_busy; /* it is being opened or closed, in a thread */
    bool way_open;
    struct bf_way_socket socket;
    struct bf_error way_err; /* why it could not be opened */
};

static void connect_again(uv_timer_t *timer);
static void release_if_over(struct bf_qemu *qemu);

static void drop_session(struct bf_qemu *qemu)
{
    struct bf_live *live = qemu->live;

    qemu->up = false;
    if (qemu->watch)
        bf_live_watch_free(qemu->watch);
    qemu->watch = NULL;
    qemu->live = NULL;
    if (live)
        bf_live_close(live);
}

static void set_gone(struct bf_qemu *qemu, const struct bf_error *err)
{
    qemu->gone = true;
    qemu->handlers.gone(qemu->handlers.ctx, err);
}

static void look_again(struct bf_qemu *qemu)
{
    if (!qemu->freed && !qemu->way_busy)
        (void)uv_timer_start(&qemu->retry, connect_again,
                             qemu->patient ? PATIENT_RETRY_MS : RETRY_MS, 0);
}

/* --- the way --- */

static void close_way(void *ctx)
{
    struct bf_qemu *qemu = ctx;

    qemu->way.close(qemu->way.ctx);
}

static void on_way_closed(void *ctx)
{
    struct bf_qemu *qemu = ctx;

    qemu->way_busy = false;
    if (!qemu->gone)
        look_again(qemu);
    release_if_over(qemu);
}

/* Without a thread it stays, to be closed with the rest. */
static void leave_way(struct bf_qemu *qemu)
{
    if (!qemu->way_open || qemu->way_busy ||
        bf_errand_run(qemu->loop, close_way, on_way_closed, qemu, NULL) < 0)
        return;
    qemu->way_open = false;
    qemu->way_busy = true;
}

static void lose(struct bf_qemu *qemu)
{
    bool was_up = qemu->up;

    drop_session(qemu);
    leave_way(qemu);
    look_again(qemu);
    if (was_up)
        qemu->handlers.lost(qemu->handlers.ctx);
}

/* It could not be reached: will it ever be? */
static void not_reached(struct bf_qemu *qemu, const struct bf_error *err)
{
    bool ended = err->code == BF_E_NOT_FOUND || bf_live_is_gone(qemu->start);

    bf_log(BF_LOG_DEBUG, "move %s: QEMU is not reached: %s", qemu->tag, err->text);
    drop_session(qemu);
    leave_way(qemu);
    if (qemu->start[0] ? ended : !qemu->patient)
        set_gone(qemu, err);
    else
        look_again(qemu);
}

/* --- the session --- */

static void on_fact(void *ctx, const struct bf_live_fact *fact)
{
    struct bf_qemu *qemu = ctx;

    if (fact->kind == BF_LIVE_LOST)
        lose(qemu);
    else
        qemu->handlers.fact(qemu->handlers.ctx, fact);
}

static int start_watch(struct bf_qemu *qemu, struct bf_error *err)
{
    struct bf_live_watch_config config = {
        .disks = qemu->disks, .nr_disks = qemu->nr_disks, .fact = on_fact, .ctx = qemu};

    return bf_live_watch_new(qemu->live, &config, &qemu->watch, err);
}

static void on_ready(void *ctx, const struct bf_live_identity *identity, const struct bf_error *err)
{
    struct bf_qemu *qemu = ctx;

    if (err) {
        not_reached(qemu, err);
        return;
    }
    (void)snprintf(qemu->start, sizeof qemu->start, "%s",
                   qemu->way_open ? qemu->socket.start : identity->start);
    qemu->up = qemu->was_up = true;
    bf_log(BF_LOG_DEBUG, "move %s: QEMU is reached", qemu->tag);
    if (qemu->disks)
        (void)start_watch(qemu, NULL);
    qemu->handlers.up(qemu->handlers.ctx);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    (void)err;
    lose(ctx);
}

static void on_answered(void *ctx, const char *command, uint64_t took_us)
{
    const struct bf_qemu *qemu = ctx;

    bf_log(BF_LOG_DEBUG, "move %s: QEMU: %s: %u.%03u ms", qemu->tag, command,
           (unsigned)(took_us / 1000), (unsigned)(took_us % 1000));
}

static void open_session(struct bf_qemu *qemu)
{
    struct bf_live_target target = {.socket_path =
                                        qemu->way_open ? qemu->socket.path : qemu->socket_path,
                                    .uuid = qemu->uuid,
                                    .start = qemu->way_open ? "" : qemu->start,
                                    .tag = qemu->tag};
    struct bf_live_handlers handlers = {
        .ready = on_ready, .closed = on_closed, .ctx = qemu, .answered = on_answered};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_live_open(qemu->loop, &target, qemu->way_open ? WAY_DEADLINE_MS : CONNECT_DEADLINE_MS,
                     &handlers, &qemu->live, &err) == 0)
        return;
    if (qemu->start[0] || qemu->patient || uv_now(qemu->loop) < qemu->found_by_ms)
        lose(qemu);
    else
        not_reached(qemu, &err);
}

static void open_way(void *ctx)
{
    struct bf_qemu *qemu = ctx;

    qemu->way_open = qemu->way.open(qemu->way.ctx, &qemu->socket, &qemu->way_err) == 0;
}

static void on_way_opened(void *ctx)
{
    struct bf_qemu *qemu = ctx;

    qemu->way_busy = false;
    if (qemu->freed) {
        leave_way(qemu);
        release_if_over(qemu);
        return;
    }
    if (qemu->way_open && qemu->start[0] && strcmp(qemu->start, qemu->socket.start) != 0)
        (void)bf_error_set(&qemu->way_err, BF_E_NOT_FOUND,
                           "the QEMU that the move began with is gone: it was started anew");
    if (qemu->way_err.code == BF_E_NONE)
        open_session(qemu);
    else
        not_reached(qemu, &qemu->way_err);
}

static void connect_again(uv_timer_t *timer)
{
    struct bf_qemu *qemu = timer->data;
    struct bf_error err = BF_ERROR_INIT;

    if (qemu->gone || qemu->live || qemu->way_busy)
        return;
    if (qemu->way.open) {
        bf_error_clear(&qemu->way_err);
        qemu->way_busy =
            bf_errand_run(qemu->loop, open_way, on_way_opened, qemu, &qemu->way_err) == 0;
        if (!qemu->way_busy)
            not_reached(qemu, &qemu->way_err);
    } else if (qemu->start[0] && bf_live_is_gone(qemu->start)) {
        (void)bf_error_set(&err, BF_E_PEER, "QEMU has ended");
        set_gone(qemu, &err);
    } else {
        open_session(qemu);
    }
}

/* --- beginning and end --- */

static void release(struct bf_qemu *qemu)
{
    for (size_t i = 0; qemu->texts && i < (size_t)2 * qemu->nr_disks; i++)
        free(qemu->texts[i]);
    free(qemu->texts);
    free(qemu->disks);
    free(qemu->socket_path);
    free(qemu->uuid);
    free(qemu->tag);
    if (qemu->way.free)
        qemu->way.free(qemu->way.ctx);
    free(qemu);
}

int bf_qemu_new(uv_loop_t *loop, const struct bf_qemu_target *target,
                const struct bf_qemu_handlers *handlers, struct bf_qemu **ret_qemu,
                struct bf_error *err)
{
    struct bf_qemu *qemu = calloc(1, sizeof *qemu);

    if (!qemu)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to talk to QEMU");
    qemu->loop = loop;
    qemu->found_by_ms = uv_now(loop) + CONNECT_DEADLINE_MS;
    qemu->handlers = *handlers;
    qemu->patient = target->patient;
    qemu->socket_path = target->way ? NULL : strdup(target->socket_path);
    qemu->uuid = strdup(target->uuid);
    qemu->tag = strdup(target->tag);
    (void)snprintf(qemu->start, sizeof qemu->start, "%s", target->start);
    if ((!target->way && !qemu->socket_path) || !qemu->uuid || !qemu->tag) {
        release(qemu);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to talk to QEMU");
    }
    if (target->way)
        qemu->way = *target->way;
    (void)uv_timer_init(loop, &qemu->retry);
    qemu->retry.data = qemu;
    *ret_qemu = qemu;
    /* Failures come to `gone`, from the loop. */
    (void)uv_timer_start(&qemu->retry, connect_again, 0, 0);
    return 0;
}

int bf_qemu_watch(struct bf_qemu *qemu, const struct bf_live_watch_disk *disks, uint32_t nr_disks,
                  struct bf_error *err)
{
    if (!qemu->disks) {
        qemu->disks = calloc(nr_disks + 1U, sizeof *qemu->disks);
        qemu->texts = calloc((size_t)2 * nr_disks + 1U, sizeof *qemu->texts);
        if (!qemu->disks || !qemu->texts)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory to watch QEMU");
        qemu->nr_disks = nr_disks;
        for (size_t i = 0; i < nr_disks; i++) {
            qemu->disks[i].name = qemu->texts[2 * i] = strdup(disks[i].name);
            qemu->disks[i].node = qemu->texts[2 * i + 1] = strdup(disks[i].node);
            if (!qemu->disks[i].name || !qemu->disks[i].node)
                return bf_error_set(err, BF_E_NO_MEMORY, "no memory to watch QEMU");
        }
    }
    return qemu->watch ? 0 : start_watch(qemu, err);
}

struct bf_live_disk_wish *bf_qemu_disks(const struct bf_qemu *qemu, const struct bf_plan *plan,
                                        uint32_t *ret_nr_disks)
{
    size_t nr = plan->nr_disks > 0 ? plan->nr_disks : qemu->socket.nr_disks;
    struct bf_live_disk_wish *disks = calloc(nr + 1, sizeof *disks);

    for (size_t i = 0; disks && i < nr; i++)
        disks[i] = plan->nr_disks > 0
                       ? (struct bf_live_disk_wish){plan->disks[i].name, plan->disks[i].node}
                       : (struct bf_live_disk_wish){qemu->socket.disks[i].name,
                                                    qemu->socket.disks[i].node};
    *ret_nr_disks = (uint32_t)nr;
    return disks;
}

struct bf_live *bf_qemu_live(const struct bf_qemu *qemu)
{
    return qemu && qemu->up ? qemu->live : NULL;
}

struct bf_live_watch *bf_qemu_live_watch(const struct bf_qemu *qemu)
{
    return qemu->watch;
}

bool bf_qemu_is_gone(const struct bf_qemu *qemu)
{
    return qemu->gone;
}

/* While the way is being opened, its error is the thread's. */
bool bf_qemu_is_hidden(const struct bf_qemu *qemu)
{
    return !qemu->way_busy && !qemu->up && qemu->way_err.code == BF_E_WORK_IN_PROGRESS;
}

bool bf_qemu_was_up(const struct bf_qemu *qemu)
{
    return qemu->was_up;
}

const char *bf_qemu_start(const struct bf_qemu *qemu)
{
    return qemu->start;
}

void bf_qemu_restart(struct bf_qemu *qemu)
{
    lose(qemu);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void release_if_over(struct bf_qemu *qemu)
{
    if (qemu->freed && !qemu->way_busy && !uv_is_closing((uv_handle_t *)&qemu->retry))
        uv_close((uv_handle_t *)&qemu->retry, on_timer_closed);
}

void bf_qemu_free(struct bf_qemu *qemu)
{
    if (qemu->freed)
        return;
    qemu->freed = true;
    (void)uv_timer_stop(&qemu->retry);
    drop_session(qemu);
    leave_way(qemu);
    release_if_over(qemu);
}
