/* A move as clients see it. */
#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/move.h"
#include "move_checkpoints.h"
#include "move_words.h"

#include <string.h>
#include <time.h>

static const char *const outcomes[BF_NR_ROW_OUTCOMES] = {
    [BF_ROW_PENDING] = "pending", [BF_ROW_CARRIED] = "carried", [BF_ROW_WIDENED] = "widened",
    [BF_ROW_NATIVE] = "native",   [BF_ROW_DROPPED] = "dropped",
};

/* What is no UTF-8 gets question marks: JSON has no other way. */
static json_t *lossy_text(const char *text)
{
    BF_CLEANUP(bf_freep) char *copy = NULL;

    if (bf_utf8_valid(text, strlen(text)))
        return json_string(text);
    copy = strdup(text);
    for (char *at = copy; at && *at; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    return copy ? json_string(copy) : NULL;
}

static json_t *time_text(int64_t at_s)
{
    time_t at = (time_t)at_s;
    struct tm utc;
    char text[32];

    if (!gmtime_r(&at, &utc) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return json_null();
    return json_string(text);
}

static json_t *reason_to_json(const char *name, const char *message, enum bf_code code)
{
    return json_pack("{s:s, s:o, s:i}", "code", name, "message", lossy_text(message ? message : ""),
                     "exit", bf_code_exit(code));
}

json_t *bf_move_reason_to_json(enum bf_code code, const char *message)
{
    return reason_to_json(bf_code_name(code), message, code);
}

json_t *bf_move_row_reason_to_json(const struct bf_move_row *row)
{
    return reason_to_json(row->reason_name, row->message, row->reason);
}

const char *bf_row_outcome_name(enum bf_row_outcome outcome)
{
    return outcomes[outcome];
}

static json_t *row_to_json(const struct bf_move_row *row)
{
    BF_CLEANUP(json_decrefp)
    json_t *object = json_pack("{s:o, s:o, s:s, s:I, s:I, s:s}", "disk", lossy_text(row->disk),
                               "bitmap", lossy_text(row->bitmap), "phase", row->phase, "done_bytes",
                               (json_int_t)row->done_bytes, "total_bytes",
                               (json_int_t)row->total_bytes, "outcome", outcomes[row->outcome]);

    if (object && row->outcome == BF_ROW_DROPPED &&
        json_object_set_new(object, "reason", bf_move_row_reason_to_json(row)) < 0)
        return NULL;
    if (object && row->proof && json_object_set_new(object, "proof", json_string(row->proof)) < 0)
        return NULL;
    if (object && row->note && json_object_set_new(object, "note", lossy_text(row->note)) < 0)
        return NULL;
    return bf_steal_ptr(&object);
}

static json_t *rows_to_json(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < move->nr_rows; i++) {
        if (json_array_append_new(array, row_to_json(&move->rows[i])) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *disk_to_json(const struct bf_move_disk *disk)
{
    json_t *object = json_pack("{s:o, s:s, s:s}", "disk", lossy_text(disk->name), "mode",
                               disk->mode, "why", disk->why);

    if (object && disk->mirror_bytes > 0)
        (void)json_object_set_new(object, "mirror",
                                  json_pack("{s:I, s:I}", "done_bytes",
                                            (json_int_t)disk->mirrored_bytes, "total_bytes",
                                            (json_int_t)disk->mirror_bytes));
    return object;
}

static json_t *modes_to_json(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < move->nr_disks; i++) {
        const struct bf_move_disk *disk = &move->disks[i];

        if (json_array_append_new(array, disk_to_json(disk)) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *warnings_to_json(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < move->nr_warnings; i++) {
        if (json_array_append_new(array, lossy_text(move->warnings[i])) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *milestones_to_json(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (enum bf_milestone each = BF_MILESTONE_FROZEN; array && each <= BF_MILESTONE_COMMITTED;
         each++) {
        if (bf_move_reached(move, each) &&
            json_array_append_new(array, json_string(bf_milestone_name(each))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static bool put_end(const struct bf_move *move, json_t *object)
{
    if (move->state == BF_MOVE_UNDER_WAY)
        return true;
    return (move->error.code == BF_E_NONE ||
            json_object_set_new(object, "reason",
                                bf_move_reason_to_json(move->error.code, move->error.text)) == 0) &&
           json_object_set_new(object, "ended", time_text(move->ended_s)) == 0 &&
           json_object_set_new(object, "exit", json_integer(bf_move_exit(move))) == 0;
}

static json_t *record_to_json(const struct bf_move *move, bool rows)
{
    json_t *object = json_copy(move->record);

    if (object && !rows) {
        (void)json_object_del(object, "how");
        (void)json_object_del(object, "warnings");
        (void)json_object_del(object, "bitmaps");
        (void)json_object_del(object, "checkpoints");
    }
    return object;
}

/* The plan's own are shown with what became of them, or not at all. */
static bool put_checkpoints(const struct bf_move *move, bool rows, json_t *object)
{
    (void)json_object_del(object, "checkpoints");
    return !rows || move->checkpoints.nr_items == 0 ||
           json_object_set_new(object, "checkpoints", bf_move_checkpoints_to_json(move)) == 0;
}

json_t *bf_move_to_json(const struct bf_move *move, bool rows)
{
    BF_CLEANUP(json_decrefp) json_t *object = NULL;

    if (move->record)
        return record_to_json(move, rows);
    object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "id", move->id, "role",
                       bf_role_name(move->role), "state", bf_move_state_name(move->state), "phase",
                       move->phase, "milestones", milestones_to_json(move), "begun",
                       time_text(move->begun_s));
    if (!object || (move->plan.vm && !bf_plan_to_json(&move->plan, object)) ||
        (move->peer_id[0] &&
         json_object_set_new(object, "peer_move", json_string(move->peer_id)) < 0) ||
        (move->hook[0] && json_object_set_new(object, "hook", json_string(move->hook)) < 0) ||
        !put_end(move, object) ||
        (rows && (json_object_set_new(object, "how", modes_to_json(move)) < 0 ||
                  json_object_set_new(object, "warnings", warnings_to_json(move)) < 0 ||
                  json_object_set_new(object, "bitmaps", rows_to_json(move)) < 0)) ||
        !put_checkpoints(move, rows, object))
        return NULL;
    return bf_steal_ptr(&object);
}

static bool misses_definitions(const struct bf_move *move)
{
    for (size_t i = 0; move->definitions && i < move->checkpoints.nr_items; i++) {
        if (move->definitions[i] == BF_DEFINITION_MISSING)
            return true;
    }
    return false;
}

/* The codes of the single bitmaps' ends, put together. */
static int committed_exit(const struct bf_move *move)
{
    size_t nr_dropped = 0;

    for (size_t i = 0; i < move->nr_rows; i++)
        nr_dropped +=
            move->rows[i].outcome == BF_ROW_DROPPED || move->rows[i].outcome == BF_ROW_PENDING;
    if (nr_dropped == 0)
        return misses_definitions(move) ? BF_EXIT_SOME_DROPPED : BF_EXIT_OK;
    return nr_dropped == move->nr_rows ? BF_EXIT_NONE_CARRIED : BF_EXIT_SOME_DROPPED;
}

int bf_move_exit(const struct bf_move *move)
{
    switch (move->state) {
    case BF_MOVE_UNDER_WAY:
        return BF_EXIT_OK;
    case BF_MOVE_COMMITTED:
        return move->record ? (int)json_integer_value(json_object_get(move->record, "exit"))
                            : committed_exit(move);
    case BF_MOVE_FAILED:
    case BF_MOVE_ABORTED:
    case BF_MOVE_QUARANTINED:
    case BF_NR_MOVE_STATES:
        break;
    }
    return move->error.code == BF_E_NONE ? BF_EXIT_NONE_CARRIED : bf_code_exit(move->error.code);
}
