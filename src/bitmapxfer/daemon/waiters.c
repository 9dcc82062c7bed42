#include "waiters.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum { WATCH_INTERVAL_MS = 100 };

struct bf_waiter {
    uv_timer_t deadline;
    struct bf_service *service;
    struct bf_connection *connection;
    char id[BF_MOVE_ID_CHARS + 1]; /* "": all */
    bool watch;
    bool unseen; /* watch: something has changed since the last answer */
    enum bf_milestone milestone;
    uint64_t timeout_ms;
    struct bf_waiter *next;
};

static void on_deadline_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The connection is free for other requests, or goes. */
static void release(struct bf_waiter *waiter)
{
    struct bf_waiter **at = &waiter->service->waiters;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    waiter->connection->user = NULL;
    if (!waiter->connection->closing)
        bf_connection_unhold(waiter->connection);
    uv_close((uv_handle_t *)&waiter->deadline, on_deadline_closed);
}

/* The last answer. */
static void answer(struct bf_waiter *waiter, json_t *reply)
{
    struct bf_connection *connection = waiter->connection;

    release(waiter);
    bf_connection_send(connection, reply);
}

static void answer_error(struct bf_waiter *waiter, enum bf_code code, const char *text)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)bf_error_set(&err, code, "%s", text);
    answer(waiter, bf_control_error(&err));
}

static void on_deadline(uv_timer_t *timer)
{
    answer_error(timer->data, BF_E_DEADLINE,
                 "the time is over, and the move is not so far yet (it goes on)");
}

static bool is_reached(const struct bf_move *move, enum bf_milestone milestone)
{
    return bf_move_reached(move, milestone) || move->state == BF_MOVE_COMMITTED;
}

static json_t *wait_reply(const struct bf_move *move, bool reached)
{
    BF_CLEANUP(json_decrefp) json_t *reply = bf_control_ok();

    if (!reply || json_object_set_new(reply, "reached", json_boolean(reached)) < 0 ||
        json_object_set_new(reply, "move", bf_move_to_json(move, true)) < 0)
        return NULL;
    return bf_steal_ptr(&reply);
}

static void try_wait(struct bf_waiter *waiter, const struct bf_move *move)
{
    bool reached = is_reached(move, waiter->milestone);

    if (reached || move->state != BF_MOVE_UNDER_WAY)
        answer(waiter, wait_reply(move, reached));
}

static bool is_under_way(const struct bf_service *service, const char *id)
{
    const struct bf_move *move = bf_moves_find(&service->moves, id);

    return id[0] ? move && move->state == BF_MOVE_UNDER_WAY
                 : bf_moves_count_active(&service->moves) > 0;
}

static void try_watch(struct bf_waiter *waiter)
{
    struct bf_service *service = waiter->service;
    json_t *reply;

    if (!waiter->unseen || bf_connection_is_sending(waiter->connection))
        return;
    waiter->unseen = false;
    reply = bf_status_reply(service, waiter->id, true, true);
    if (is_under_way(service, waiter->id))
        bf_connection_send(waiter->connection, reply);
    else
        answer(waiter, reply);
}

static void begin(struct bf_waiter *waiter)
{
    struct bf_service *service = waiter->service;

    bf_connection_hold(waiter->connection);
    if (waiter->timeout_ms > 0)
        (void)uv_timer_start(&waiter->deadline, on_deadline, waiter->timeout_ms, 0);
    if (waiter->watch)
        try_watch(waiter);
    else
        try_wait(waiter, bf_moves_find(&service->moves, waiter->id));
}

void bf_waiters_add(struct bf_service *service, struct bf_connection *connection,
                    const struct bf_control_request *request)
{
    struct bf_waiter *waiter = calloc(1, sizeof *waiter);
    struct bf_error err = BF_ERROR_INIT;

    if (!waiter) {
        (void)bf_error_set(&err, BF_E_NO_MEMORY, "no memory for one more waiting client");
        bf_service_refuse(connection, &err);
        return;
    }
    waiter->service = service;
    waiter->connection = connection;
    memcpy(waiter->id, request->id, sizeof waiter->id);
    waiter->watch = request->watch;
    waiter->unseen = true;
    waiter->milestone = request->milestone;
    waiter->timeout_ms = request->timeout_ms;
    waiter->next = service->waiters;
    service->waiters = waiter;
    connection->user = waiter;
    (void)uv_timer_init(service->loop, &waiter->deadline);
    waiter->deadline.data = waiter;
    begin(waiter);
}

void bf_waiters_remove(struct bf_connection *connection)
{
    if (connection->user)
        release(connection->user);
}

void bf_waiters_on_drained(struct bf_service *service, struct bf_connection *connection)
{
    struct bf_waiter *waiter = connection->user;

    if (waiter && waiter->unseen && !uv_is_active((uv_handle_t *)&service->flush))
        (void)uv_timer_start(&service->flush, bf_waiters_on_flush, WATCH_INTERVAL_MS, 0);
}

void bf_waiters_on_changed(void *ctx, struct bf_move *move)
{
    struct bf_service *service = ctx;
    struct bf_waiter *next;

    for (struct bf_waiter *waiter = service->waiters; waiter; waiter = next) {
        next = waiter->next;
        if (waiter->id[0] && strcmp(waiter->id, move->id) != 0)
            continue;
        if (!waiter->watch) {
            try_wait(waiter, move);
            continue;
        }
        waiter->unseen = true;
        if (!uv_is_active((uv_handle_t *)&service->flush) && !service->closing)
            (void)uv_timer_start(&service->flush, bf_waiters_on_flush, WATCH_INTERVAL_MS, 0);
    }
}

void bf_waiters_on_flush(uv_timer_t *timer)
{
    struct bf_service *service = timer->data;
    struct bf_waiter *next;

    for (struct bf_waiter *waiter = service->waiters; waiter; waiter = next) {
        next = waiter->next;
        if (waiter->watch)
            try_watch(waiter);
    }
}

void bf_waiters_dismiss(struct bf_service *service)
{
    while (service->waiters)
        answer_error(service->waiters, BF_E_PEER,
                     "the daemon stops; a move that is under way goes on when it runs again");
}

static bool append_move(json_t *array, const struct bf_move *move, bool rows)
{
    return json_array_append_new(array, bf_move_to_json(move, rows)) == 0;
}

json_t *bf_status_reply(const struct bf_service *service, const char *id, bool rows, bool watch)
{
    BF_CLEANUP(json_decrefp) json_t *reply = bf_control_ok();
    bool last = !watch || !is_under_way(service, id);
    json_t *array = json_array();

    if (!reply || json_object_set_new(reply, "last", json_boolean(last)) < 0 ||
        json_object_set_new(reply, "moves", array) < 0)
        return NULL;
    for (size_t i = 0; i < service->moves.nr_items; i++) {
        const struct bf_move *move = service->moves.items[i];

        if ((!id[0] || strcmp(move->id, id) == 0) && !append_move(array, move, rows))
            return NULL;
    }
    return bf_steal_ptr(&reply);
}
