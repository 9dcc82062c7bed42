/* The moves of former runs: what their folders say. */
#include "service.h"

#include "base/cleanup.h"
#include "daemon/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *payload_json(const struct bf_journal_record *record)
{
    return json_loadb((const char *)record->payload, record->nr_payload_bytes, 0, NULL);
}

static int misunderstood(const struct bf_move *move, uint32_t kind, struct bf_error *err)
{
    return bf_error_set(err, BF_E_VERSION,
                        "the journal of the move %s holds a record (of kind %u) that this version "
                        "does not understand",
                        move->id, (unsigned)kind);
}

static int read_begun(struct bf_move *move, const struct bf_journal_record *record,
                      struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *begun = payload_json(record);
    const char *role = "";
    json_int_t begun_s = 0;
    int schema = 0;

    if (json_unpack(begun, "{s:i, s:s, s:I}", "schema", &schema, "role", &role, "begun_s",
                    &begun_s) < 0 ||
        schema != 1 || strcmp(role, bf_role_name(move->role)) != 0)
        return misunderstood(move, record->kind, err);
    move->begun_s = begun_s;
    return bf_plan_from_json(begun, move->role == BF_ROLE_SOURCE, &move->plan, err);
}

static int read_ended(struct bf_move *move, const struct bf_journal_record *record,
                      struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *ended = payload_json(record);
    json_t *shown = NULL;
    json_int_t ended_s = 0;
    int schema = 0;
    int state = 0;
    int milestones = 0;

    if (json_unpack(ended, "{s:i, s:o, s:i, s:i, s:I}", "schema", &schema, "move", &shown, "state",
                    &state, "milestones", &milestones, "ended_s", &ended_s) < 0 ||
        schema != 1 || state <= BF_MOVE_UNDER_WAY || state >= BF_NR_MOVE_STATES ||
        !json_is_object(shown))
        return misunderstood(move, record->kind, err);
    move->state = (enum bf_move_state)state;
    move->milestones = (unsigned)milestones;
    move->ended_s = ended_s;
    move->record = json_incref(shown);
    return 0;
}

static bool is_driver_kind(const struct bf_service *service, uint32_t kind)
{
    return service->driver && kind >= BF_JOURNAL_FIRST_DRIVER &&
           kind <= service->driver->last_record_kind;
}

/* @cursor is left behind BEGUN, where the driver goes on reading. */
static int read_records(const struct bf_service *service, struct bf_move *move,
                        struct bf_journal_cursor *cursor, struct bf_error *err)
{
    struct bf_journal_cursor ahead;
    struct bf_journal_record record;
    int r = bf_journal_next(cursor, &record, err);

    if (r <= 0)
        return r;
    r = read_begun(move, &record, err);
    ahead = *cursor;
    while (r >= 0 && (r = bf_journal_next(&ahead, &record, err)) > 0) {
        if (record.kind == BF_JOURNAL_ENDED)
            r = read_ended(move, &record, err);
        else if (!is_driver_kind(service, record.kind))
            r = misunderstood(move, record.kind, err);
    }
    return r;
}

static void quarantine(struct bf_service *service, struct bf_move *move,
                       const struct bf_error *reason)
{
    struct bf_error err = BF_ERROR_INIT;

    if (move->folder)
        bf_move_folder_close(bf_steal_ptr(&move->folder));
    if (bf_move_folder_quarantine(&service->state, move->id, &err) < 0)
        bf_log(BF_LOG_ERROR, "%s", err.text);
    move->state = BF_MOVE_QUARANTINED;
    move->phase = "quarantined";
    move->error = *reason;
    bf_log(BF_LOG_ERROR, "move %s: quarantined, nothing is done about it: %s", move->id,
           reason->text);
}

static void take_up(struct bf_service *service, struct bf_move *move,
                    struct bf_journal_cursor *cursor)
{
    struct bf_error err = BF_ERROR_INIT;

    bf_log(BF_LOG_INFO, "move %s: taken up again for %s", move->id, move->plan.vm);
    if (service->driver->recover(move, service->loop, service->config, cursor, &err) == 0) {
        service->nr_drivers++;
        return;
    }
    bf_move_end(move, BF_MOVE_FAILED, &err);
    bf_move_folder_close(bf_steal_ptr(&move->folder));
}

/* Without a driver a move that is under way stays as it is, for a daemon that has one. */
static void load_open(struct bf_service *service, struct bf_move *move,
                      struct bf_journal_cursor *cursor)
{
    struct bf_error err = BF_ERROR_INIT;

    if (read_records(service, move, cursor, &err) < 0) {
        quarantine(service, move, &err);
        return;
    }
    if (move->state == BF_MOVE_UNDER_WAY && service->driver) {
        take_up(service, move, cursor);
        return;
    }
    if (move->state == BF_MOVE_UNDER_WAY)
        bf_log(BF_LOG_WARNING, "move %s: left as it is: this daemon cannot move live VMs",
               move->id);
    bf_move_folder_close(bf_steal_ptr(&move->folder));
}

static int load_one(void *ctx, const char *id)
{
    struct bf_service *service = ctx;
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_journal_cursor cursor;
    struct bf_move *move = NULL;
    int r = bf_moves_add(&service->moves, service->config->role, id, &move, NULL);

    if (r < 0)
        return r;
    r = bf_move_folder_open(&service->state, service->config->state_dir, id, &move->folder, &bytes,
                            &cursor, &err);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        quarantine(service, move, &err);
    else
        load_open(service, move, &cursor);
    return 0;
}

static int load_quarantined(void *ctx, const char *id)
{
    struct bf_service *service = ctx;
    struct bf_move *move = bf_moves_find(&service->moves, id);
    int r;

    if (move)
        return 0;
    r = bf_moves_add(&service->moves, service->config->role, id, &move, NULL);
    if (r < 0)
        return r;
    move->state = BF_MOVE_QUARANTINED;
    move->phase = "quarantined";
    (void)bf_error_set(&move->error, BF_E_IMAGE_CORRUPT,
                       "its journal could not be understood; look at %s/quarantine/%s",
                       service->config->state_dir, id);
    return 0;
}

static int compare_begun(const void *a, const void *b)
{
    const struct bf_move *left = *(struct bf_move *const *)a;
    const struct bf_move *right = *(struct bf_move *const *)b;

    return (left->begun_s > right->begun_s) - (left->begun_s < right->begun_s);
}

int bf_service_load(struct bf_service *service, struct bf_error *err)
{
    int r = bf_state_dir_list(&service->state, false, load_one, service, err);

    if (r == 0)
        r = bf_state_dir_list(&service->state, true, load_quarantined, service, err);
    if (r < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the moves of former runs");
    if (service->moves.nr_items > 0)
        qsort(service->moves.items, service->moves.nr_items, sizeof service->moves.items[0],
              compare_begun);
    bf_service_forget(service);
    return 0;
}

/* Over, and nothing of it runs: only the folder is left. */
static bool is_history(const struct bf_move *move)
{
    return move->state != BF_MOVE_UNDER_WAY && move->state != BF_MOVE_QUARANTINED &&
           !move->driver && !move->folder;
}

void bf_service_forget(struct bf_service *service)
{
    struct bf_moves *moves = &service->moves;
    struct bf_error err = BF_ERROR_INIT;
    size_t nr_history = 0;

    for (size_t i = 0; i < moves->nr_items; i++)
        nr_history += is_history(moves->items[i]);
    for (size_t i = 0; i < moves->nr_items && nr_history > service->config->keep_moves;) {
        struct bf_move *move = moves->items[i];

        if (!is_history(move)) {
            i++;
            continue;
        }
        if (bf_move_folder_remove(&service->state, move->id, &err) < 0)
            bf_log(BF_LOG_WARNING, "%s", err.text);
        bf_error_clear(&err);
        bf_moves_remove(moves, move);
        nr_history--;
    }
}
