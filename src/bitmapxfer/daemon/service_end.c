/* How a move ends: its last record, its driver, its folder. */
#include "service.h"

#include "base/cleanup.h"
#include "daemon/log.h"

#include <string.h>

static char *ended_text(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp)
    json_t *ended = json_pack("{s:i, s:o, s:i, s:i, s:I}", "schema", 1, "move",
                              bf_move_to_json(move, true), "state", (int)move->state, "milestones",
                              (int)move->milestones, "ended_s", (json_int_t)move->ended_s);

    return ended ? json_dumps(ended, JSON_COMPACT) : NULL;
}

/* What its journal says last may be anything on the way to the end.  Taken up again, a move that
 * was given up could be told otherwise; one that was committed ends the same way. */
static void give_folder_up(struct bf_service *service, const struct bf_move *move)
{
    struct bf_error err = BF_ERROR_INIT;

    if (move->state != BF_MOVE_COMMITTED &&
        bf_move_folder_remove(&service->state, move->id, &err) < 0)
        bf_log(BF_LOG_ERROR, "move %s: %s: it is taken up again at the next start", move->id,
               err.text);
}

static void write_end(struct bf_service *service, struct bf_move *move)
{
    BF_CLEANUP(bf_freep) char *text = ended_text(move);
    struct bf_error err = BF_ERROR_INIT;

    if (!text)
        (void)bf_error_set(&err, BF_E_NO_MEMORY, "no memory");
    else if (move->folder)
        (void)bf_move_folder_append(move->folder, BF_JOURNAL_ENDED, text, strlen(text), &err);
    if (err.code == BF_E_NONE)
        return;
    bf_log(BF_LOG_ERROR, "move %s: its end is not in its journal: %s", move->id, err.text);
    give_folder_up(service, move);
}

static void on_driver_closed(struct bf_move *move)
{
    struct bf_service *service = move->moves->ctx;

    move->driver = NULL;
    service->nr_drivers--;
    if (move->folder)
        bf_move_folder_close(bf_steal_ptr(&move->folder));
    if (!service->closing && !uv_is_closing((uv_handle_t *)&service->reaper))
        bf_service_forget(service);
}

void bf_service_free_driver(struct bf_service *service, struct bf_move *move)
{
    if (!move->driver || move->freeing)
        return;
    move->freeing = true;
    service->driver->free(move, on_driver_closed);
}

/* A driver ends its move from deep inside itself, so it is freed from here. */
void bf_service_on_reap(uv_timer_t *timer)
{
    struct bf_service *service = timer->data;

    /* From the youngest: what is forgotten meanwhile goes from the list, and is older. */
    for (size_t i = service->moves.nr_items; i-- > 0;) {
        if (i < service->moves.nr_items && service->moves.items[i]->state != BF_MOVE_UNDER_WAY)
            bf_service_free_driver(service, service->moves.items[i]);
    }
    if (service->draining && service->idle && bf_moves_count_active(&service->moves) == 0)
        service->idle(service->ctx);
}

void bf_service_on_ended(void *ctx, struct bf_move *move)
{
    struct bf_service *service = ctx;
    bool good = move->state == BF_MOVE_COMMITTED;

    write_end(service, move);
    bf_log(good ? BF_LOG_INFO : BF_LOG_WARNING, "move %s: %s -> %s%s%s", move->id, move->phase,
           bf_move_state_name(move->state), move->error.text[0] ? ": " : "", move->error.text);
    if (!service->closing)
        (void)uv_timer_start(&service->reaper, bf_service_on_reap, 0, 0);
}
