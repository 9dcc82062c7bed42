#include "service.h"

#include "base/cleanup.h"
#include "daemon/log.h"
#include "waiters.h"

void bf_service_refuse(struct bf_connection *connection, const struct bf_error *error)
{
    bf_connection_send(connection, bf_control_error(error));
}

static struct bf_move *find(const struct bf_service *service,
                            const struct bf_control_request *request, struct bf_error *err)
{
    struct bf_move *move = bf_moves_find(&service->moves, request->id);

    if (!move)
        (void)bf_error_set(err, BF_E_NOT_FOUND, "bitferry-%s knows no move %s",
                           bf_role_name(service->config->role), request->id);
    return move;
}

static int check_abort(const struct bf_service *service, const struct bf_move *move,
                       struct bf_error *err)
{
    if (move->state == BF_MOVE_QUARANTINED)
        return bf_error_set(err, BF_E_INVALID, "the move %s is quarantined: nothing runs for it",
                            move->id);
    if (move->state != BF_MOVE_UNDER_WAY && move->state != BF_MOVE_ABORTED)
        return bf_error_set(err, BF_E_INVALID, "the move %s has ended already: %s", move->id,
                            bf_move_state_name(move->state));
    if (!service->driver)
        return bf_error_set(
            err, BF_E_UNSUPPORTED,
            "the move %s was begun by a daemon that moves live VMs; this one cannot", move->id);
    return 0;
}

static int abort_move(struct bf_service *service, struct bf_connection *connection,
                      const struct bf_control_request *request, struct bf_error *err)
{
    struct bf_move *move = find(service, request, err);
    json_t *reply;

    if (!move || check_abort(service, move, err) < 0)
        return -1;
    if (move->state == BF_MOVE_UNDER_WAY) {
        bf_log(BF_LOG_INFO, "move %s: an operator wants it ended", move->id);
        service->driver->abort(move);
    }
    reply = bf_control_ok();
    if (reply && json_object_set_new(reply, "move", bf_move_to_json(move, true)) < 0) {
        json_decref(reply);
        reply = NULL;
    }
    bf_connection_send(connection, reply);
    return 0;
}

static int run(struct bf_service *service, struct bf_connection *connection,
               struct bf_control_request *request, struct bf_error *err)
{
    switch (request->op) {
    case BF_OP_START:
    case BF_OP_EXPECT:
        bf_service_start(service, connection, request);
        return 0;
    case BF_OP_LIST:
        bf_connection_send(connection, bf_status_reply(service, "", false, false));
        return 0;
    case BF_OP_STATUS:
        if (request->id[0] && !find(service, request, err))
            return -1;
        if (request->watch)
            bf_waiters_add(service, connection, request);
        else
            bf_connection_send(connection, bf_status_reply(service, request->id, true, false));
        return 0;
    case BF_OP_WAIT:
        if (!find(service, request, err))
            return -1;
        bf_waiters_add(service, connection, request);
        return 0;
    case BF_OP_ABORT:
        return abort_move(service, connection, request, err);
    case BF_OP_HOOK:
        bf_service_hook(service, connection, request);
        return 0;
    case BF_NR_OPS:
        break;
    }
    return bf_error_set(err, BF_E_INVALID, "no such request");
}

static void on_line(void *ctx, struct bf_connection *connection, const char *line,
                    size_t line_bytes)
{
    struct bf_control_request request;
    struct bf_error err = BF_ERROR_INIT;

    if (bf_control_request_parse(line, line_bytes, &request, &err) < 0 ||
        run(ctx, connection, &request, &err) < 0)
        bf_service_refuse(connection, &err);
    bf_control_request_release(&request);
}

static void on_drained(void *ctx, struct bf_connection *connection)
{
    bf_waiters_on_drained(ctx, connection);
}

static void on_gone(void *ctx, struct bf_connection *connection)
{
    (void)ctx;
    bf_waiters_remove(connection);
}

static const struct bf_connection_handlers handlers = {on_line, on_drained, on_gone};

int bf_service_open(struct bf_service *service, uv_loop_t *loop, const struct bf_config *config,
                    const struct bf_move_driver_ops *driver, void (*idle)(void *ctx), void *ctx,
                    struct bf_error *err)
{
    int r;

    *service = (struct bf_service){
        .loop = loop,
        .config = config,
        .driver = driver,
        .idle = idle,
        .ctx = ctx,
        .moves = {.changed = bf_waiters_on_changed, .ended = bf_service_on_ended, .ctx = service},
    };
    (void)uv_timer_init(loop, &service->flush);
    (void)uv_timer_init(loop, &service->reaper);
    service->flush.data = service->reaper.data = service;
    r = bf_state_dir_open(config->state_dir, &service->state, err);
    /* The socket's folder has a lock as well: take it before any move is taken up. */
    if (r == 0)
        r = bf_control_server_open(&service->server, loop, config, &handlers, service, err);
    service->opened = r == 0;
    service->host = (struct bf_driver_host){bf_service_on_announced, service};
    if (r == 0 && driver && driver->open)
        driver->open(loop, config, &service->host);
    if (r == 0)
        r = bf_service_load(service, err);
    if (r < 0)
        bf_service_close(service);
    return r;
}

void bf_service_event(struct bf_service *service, enum bf_driver_event event)
{
    if (event == BF_DRIVER_RELOAD && service->driver && service->driver->reload)
        service->driver->reload(service->loop, service->config);
    for (size_t i = 0; i < service->moves.nr_items; i++) {
        struct bf_move *move = service->moves.items[i];

        if (move->driver && !move->freeing && move->state == BF_MOVE_UNDER_WAY)
            service->driver->event(move, event);
    }
}

void bf_service_drain(struct bf_service *service)
{
    if (service->draining)
        return;
    service->draining = true;
    bf_service_event(service, BF_DRIVER_DRAIN);
    (void)uv_timer_start(&service->reaper, bf_service_on_reap, 0, 0);
}

void bf_service_close(struct bf_service *service)
{
    if (service->closing)
        return;
    service->closing = true;
    for (size_t i = 0; i < service->moves.nr_items; i++)
        bf_service_free_driver(service, service->moves.items[i]);
    if (service->opened && service->driver && service->driver->close)
        service->driver->close();
    if (service->opened) {
        bf_waiters_dismiss(service);
        bf_control_server_close(&service->server);
    }
    uv_close((uv_handle_t *)&service->flush, NULL);
    uv_close((uv_handle_t *)&service->reaper, NULL);
}

void bf_service_release(struct bf_service *service)
{
    for (size_t i = 0; i < service->moves.nr_items; i++) {
        if (service->moves.items[i]->folder)
            bf_move_folder_close(bf_steal_ptr(&service->moves.items[i]->folder));
    }
    bf_moves_release(&service->moves);
    bf_state_dir_close(&service->state);
}
