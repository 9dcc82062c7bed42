#include "daemon/control.h"

#include "base/cleanup.h"

#include <string.h>

/* Which op takes which keys; "schema" and "op" belong to all. */
static const struct op {
    const char *name;
    bool plan, peer, id, id_required, watch, wait, hook;
} ops[BF_NR_OPS] = {
    [BF_OP_START] = {.name = "start", .plan = true, .peer = true},
    [BF_OP_EXPECT] = {.name = "expect", .plan = true},
    [BF_OP_LIST] = {.name = "list"},
    [BF_OP_STATUS] = {.name = "status", .id = true, .watch = true},
    [BF_OP_WAIT] = {.name = "wait", .id = true, .id_required = true, .wait = true},
    [BF_OP_ABORT] = {.name = "abort", .id = true, .id_required = true},
    [BF_OP_HOOK] = {.name = "hook", .hook = true},
};

const char *bf_control_op_name(enum bf_control_op op)
{
    return ops[op].name;
}

static bool takes(const struct op *op, const char *key)
{
    return strcmp(key, "schema") == 0 || strcmp(key, "op") == 0 ||
           (op->plan && bf_plan_has_key(key, op->peer)) || (op->id && strcmp(key, "id") == 0) ||
           (op->watch && strcmp(key, "watch") == 0) ||
           (op->wait && (strcmp(key, "for") == 0 || strcmp(key, "timeout_ms") == 0)) ||
           (op->hook &&
            (strcmp(key, "event") == 0 || strcmp(key, "vm") == 0 || strcmp(key, "uuid") == 0));
}

static int check_schema(const json_t *object, struct bf_error *err)
{
    const json_t *schema = json_object_get(object, "schema");

    if (!json_is_integer(schema))
        return bf_error_set(err, BF_E_PROTOCOL, "a request needs \"schema\":%d", BF_CONTROL_SCHEMA);
    if (json_integer_value(schema) != BF_CONTROL_SCHEMA)
        return bf_error_set(err, BF_E_VERSION,
                            "the request is of schema %lld, and this daemon knows schema %d: use "
                            "the bitferry program of the daemon's version",
                            (long long)json_integer_value(schema), BF_CONTROL_SCHEMA);
    return 0;
}

static int find_op(const json_t *object, enum bf_control_op *ret_op, struct bf_error *err)
{
    const char *name = json_string_value(json_object_get(object, "op"));

    for (enum bf_control_op op = BF_OP_START; name && op < BF_NR_OPS; op++) {
        if (strcmp(ops[op].name, name) == 0) {
            *ret_op = op;
            return 0;
        }
    }
    return bf_error_set(err, BF_E_INVALID,
                        "'op' is start, expect, list, status, wait, abort or hook, not '%.100s'",
                        name ? name : "");
}

static int check_keys(const struct op *op, json_t *object, struct bf_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (!takes(op, key))
            return bf_error_set(err, BF_E_INVALID, "'%s' takes no '%.100s'", op->name, key);
    }
    return 0;
}

static int read_id(const struct op *op, const json_t *object, struct bf_control_request *request,
                   struct bf_error *err)
{
    const json_t *value = json_object_get(object, "id");
    const char *id = json_string_value(value);

    if (!op->id || (!value && !op->id_required))
        return 0;
    if (!id || !bf_move_id_valid(id))
        return bf_error_set(err, BF_E_INVALID, "'id' must be a move's id, %d hexadecimal digits",
                            BF_MOVE_ID_CHARS);
    memcpy(request->id, id, sizeof request->id);
    return 0;
}

static int read_watch(const struct op *op, const json_t *object, struct bf_control_request *request,
                      struct bf_error *err)
{
    const json_t *watch = json_object_get(object, "watch");

    if (!op->watch || !watch)
        return 0;
    if (!json_is_boolean(watch))
        return bf_error_set(err, BF_E_INVALID, "'watch' is true or false");
    request->watch = json_is_true(watch);
    return 0;
}

static int read_wait(const struct op *op, const json_t *object, struct bf_control_request *request,
                     struct bf_error *err)
{
    const char *milestone = json_string_value(json_object_get(object, "for"));
    const json_t *timeout = json_object_get(object, "timeout_ms");
    json_int_t timeout_ms = json_integer_value(timeout);

    if (!op->wait)
        return 0;
    if (!milestone || !bf_milestone_find(milestone, &request->milestone))
        return bf_error_set(err, BF_E_INVALID, "'for' is frozen, installed or committed");
    if (timeout &&
        (!json_is_integer(timeout) || timeout_ms < 1 || timeout_ms > BF_CONTROL_TIMEOUT_MAX_MS))
        return bf_error_set(err, BF_E_INVALID, "'timeout_ms' is a number from 1 to %d",
                            BF_CONTROL_TIMEOUT_MAX_MS);
    request->timeout_ms = (uint64_t)timeout_ms;
    return 0;
}

static int read_event(const struct op *op, const json_t *object, struct bf_control_request *request,
                      struct bf_error *err)
{
    const char *event = json_string_value(json_object_get(object, "event"));

    if (!op->hook)
        return 0;
    if (!event || !event[0] || strlen(event) > BF_CONTROL_EVENT_MAX_BYTES ||
        strspn(event, "abcdefghijklmnopqrstuvwxyz- ") != strlen(event))
        return bf_error_set(err, BF_E_INVALID,
                            "'event' has 1 to %d small letters, blanks and hyphens",
                            BF_CONTROL_EVENT_MAX_BYTES);
    (void)strcpy(request->event, event);
    return bf_plan_read_vm(object, &request->plan, err);
}

static int read_request(json_t *object, struct bf_control_request *request, struct bf_error *err)
{
    const struct op *op;
    int r = check_schema(object, err);

    if (r == 0)
        r = find_op(object, &request->op, err);
    if (r < 0)
        return r;
    op = &ops[request->op];
    r = check_keys(op, object, err);
    if (r == 0)
        r = read_id(op, object, request, err);
    if (r == 0)
        r = read_watch(op, object, request, err);
    if (r == 0)
        r = read_wait(op, object, request, err);
    if (r == 0)
        r = read_event(op, object, request, err);
    if (r == 0 && op->plan)
        r = bf_plan_from_json(object, op->peer, &request->plan, err);
    return r;
}

int bf_control_request_parse(const char *line, size_t line_bytes,
                             struct bf_control_request *ret_request, struct bf_error *err)
{
    json_error_t why;
    BF_CLEANUP(json_decrefp)
    json_t *object = json_loadb(line, line_bytes, JSON_REJECT_DUPLICATES, &why);

    *ret_request = (struct bf_control_request){.op = BF_OP_LIST};
    if (!json_is_object(object))
        return bf_error_set(err, BF_E_PROTOCOL, "a request is one JSON object in a line%s%s",
                            object ? "" : ": ", object ? "" : why.text);
    return read_request(object, ret_request, err);
}

void bf_control_request_release(struct bf_control_request *request)
{
    bf_plan_release(&request->plan);
}

json_t *bf_control_ok(void)
{
    return json_pack("{s:i, s:b}", "schema", BF_CONTROL_SCHEMA, "ok", 1);
}

json_t *bf_control_error(const struct bf_error *error)
{
    json_t *message = json_string(error->text);

    /* A text that quotes what is no UTF-8, or that was cut in the middle of a character. */
    if (!message)
        message = json_string("(the message cannot be shown)");
    return json_pack("{s:i, s:{s:s, s:o, s:i}}", "schema", BF_CONTROL_SCHEMA, "error", "code",
                     bf_code_name(error->code), "message", message, "exit",
                     bf_code_exit(error->code));
}
