#include "live/transaction.h"

#include "op.h"

/* Takes @data over; NULL (a name that JSON cannot say) breaks the list. */
static void append(struct bf_live_actions *actions, const char *type, json_t *data)
{
    if (!data || json_array_append_new(actions->list,
                                       json_pack("{s:s, s:o}", "type", type, "data", data)) < 0)
        actions->broken = true;
}

void bf_live_actions_begin(struct bf_live_actions *actions)
{
    actions->list = json_array();
    actions->broken = !actions->list;
}

void bf_live_actions_release(struct bf_live_actions *actions)
{
    json_decref(actions->list);
    actions->list = NULL;
}

static json_t *place(const char *node, const char *name)
{
    return json_pack("{s:s, s:s}", "node", node, "name", name);
}

void bf_live_actions_add(struct bf_live_actions *actions, const struct bf_live_add *add)
{
    append(actions, "block-dirty-bitmap-add",
           json_pack("{s:s, s:s, s:I, s:b, s:b}", "node", add->node, "name", add->name,
                     "granularity", (json_int_t)add->granularity_bytes, "persistent",
                     add->persistent, "disabled", !add->recording));
}

void bf_live_actions_merge(struct bf_live_actions *actions, const char *node, const char *target,
                           const char *source_node, const char *source)
{
    append(actions, "block-dirty-bitmap-merge",
           json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "node", node, "target", target, "bitmaps",
                     "node", source_node, "name", source));
}

void bf_live_actions_remove(struct bf_live_actions *actions, const char *node, const char *name)
{
    append(actions, "block-dirty-bitmap-remove", place(node, name));
}

void bf_live_actions_disable(struct bf_live_actions *actions, const char *node, const char *name)
{
    append(actions, "block-dirty-bitmap-disable", place(node, name));
}

void bf_live_actions_snapshot(struct bf_live_actions *actions, const char *node, const char *name,
                              const char *source, uint64_t granularity_bytes)
{
    const struct bf_live_add add = {
        .node = node, .name = name, .granularity_bytes = granularity_bytes};

    bf_live_actions_add(actions, &add);
    bf_live_actions_merge(actions, node, name, node, source);
}

void bf_live_actions_record(struct bf_live_actions *actions, const char *node, const char *name,
                            uint64_t granularity_bytes)
{
    const struct bf_live_add add = {
        .node = node, .name = name, .granularity_bytes = granularity_bytes, .recording = true};

    bf_live_actions_add(actions, &add);
}

static json_t *sources_of(const struct bf_live_publish *publish)
{
    const char *const names[] = {publish->snapshot, publish->tracker, publish->delta};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i] && json_array_append_new(list, place(publish->final.node, names[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* One merge of all: QEMU makes two copies of the bitmap for each merge, whatever is merged. */
void bf_live_actions_publish(struct bf_live_actions *actions, const struct bf_live_publish *publish)
{
    const char *node = publish->final.node;

    bf_live_actions_add(actions, &publish->final);
    append(actions, "block-dirty-bitmap-merge",
           json_pack("{s:s, s:s, s:o}", "node", node, "target", publish->final.name, "bitmaps",
                     sources_of(publish)));
    bf_live_actions_remove(actions, node, publish->snapshot);
}

static void release(struct bf_live_op *op)
{
    free(op);
}

static void on_done(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    (void)result;
    bf_live_op_finish(op, err);
}

static int run(struct bf_live *live, json_t *list, uint64_t deadline_ms, bf_live_done_fn done,
               void *ctx, struct bf_error *err)
{
    struct bf_live_op *op = calloc(1, sizeof *op);
    json_t *arguments = json_pack("{s:O}", "actions", list);

    if (!op || !arguments) {
        free(op);
        json_decref(arguments);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a transaction");
    }
    bf_live_op_init(op, live, deadline_ms, release);
    op->done = done;
    op->ctx = ctx;
    return bf_live_op_start(op, "transaction", arguments, on_done, err);
}

static int cannot_say(struct bf_error *err)
{
    return bf_error_set(
        err, BF_E_UNSUPPORTED,
        "a change of bitmaps cannot be said in JSON: a bitmap's name is not UTF-8, or "
        "there is no memory");
}

int bf_live_run(struct bf_live *live, struct bf_live_actions *actions, uint64_t deadline_ms,
                bf_live_done_fn done, void *ctx, struct bf_error *err)
{
    int r;

    if (actions->broken)
        r = cannot_say(err);
    else
        r = run(live, actions->list, deadline_ms, done, ctx, err);
    bf_live_actions_release(actions);
    return r;
}

/* --- the same, apart --- */

struct apart_op {
    struct bf_live_op op;
    uint32_t nr_waiting;
};

static void release_apart(struct bf_live_op *op)
{
    free((struct apart_op *)op);
}

static void on_one_done(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct apart_op *apart_op = (struct apart_op *)op;

    (void)result;
    if (err && op->err.code == BF_E_NONE)
        op->err = *err;
    if (--apart_op->nr_waiting == 0)
        bf_live_op_finish(op, op->err.code == BF_E_NONE ? NULL : &op->err);
}

static int send_apart(struct apart_op *apart_op, json_t *list, struct bf_error *err)
{
    size_t index;
    json_t *action;

    apart_op->nr_waiting = (uint32_t)json_array_size(list);
    json_array_foreach(list, index, action)
    {
        const char *command = json_string_value(json_object_get(action, "type"));
        json_t *arguments = json_incref(json_object_get(action, "data"));

        if (index > 0)
            bf_live_op_call(&apart_op->op, command, arguments, on_one_done);
        else if (bf_live_op_start(&apart_op->op, command, arguments, on_one_done, err) < 0)
            return -1;
    }
    return 0;
}

int bf_live_run_apart(struct bf_live *live, struct bf_live_actions *actions, uint64_t deadline_ms,
                      bf_live_done_fn done, void *ctx, struct bf_error *err)
{
    struct apart_op *apart_op = calloc(1, sizeof *apart_op);
    int r;

    if (actions->broken || !apart_op) {
        free(apart_op);
        r = cannot_say(err);
    } else {
        bf_live_op_init(&apart_op->op, live, deadline_ms, release_apart);
        apart_op->op.done = done;
        apart_op->op.ctx = ctx;
        apart_op->op.apart = true;
        r = send_apart(apart_op, actions->list, err);
    }
    bf_live_actions_release(actions);
    return r;
}

/* --- one after the other --- */

struct each_op {
    struct bf_live_op op;
    json_t *list;
    size_t *at; /* the caller's */
};

static void release_each(struct bf_live_op *op)
{
    struct each_op *each_op = (struct each_op *)op;

    json_decref(each_op->list);
    free(each_op);
}

/* What an action is called in a transaction it is called by itself, too. */
static const char *command_at(const struct each_op *each_op, json_t **ret_arguments)
{
    const json_t *action = json_array_get(each_op->list, *each_op->at);

    *ret_arguments = json_incref(json_object_get(action, "data"));
    return json_string_value(json_object_get(action, "type"));
}

static void on_next_done(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct each_op *each_op = (struct each_op *)op;
    const char *command;
    json_t *arguments;

    (void)result;
    if (!err && ++*each_op->at < json_array_size(each_op->list)) {
        command = command_at(each_op, &arguments);
        bf_live_op_call(op, command, arguments, on_next_done);
    } else {
        bf_live_op_finish(op, err);
    }
}

static int run_each(struct bf_live *live, json_t *list, size_t *at, uint64_t deadline_ms,
                    bf_live_done_fn done, void *ctx, struct bf_error *err)
{
    struct each_op *each_op = calloc(1, sizeof *each_op);
    const char *command;
    json_t *arguments;

    if (!each_op)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to change bitmaps");
    bf_live_op_init(&each_op->op, live, deadline_ms, release_each);
    each_op->op.done = done;
    each_op->op.ctx = ctx;
    each_op->list = json_incref(list);
    each_op->at = at;
    command = command_at(each_op, &arguments);
    return bf_live_op_start(&each_op->op, command, arguments, on_next_done, err);
}

int bf_live_run_each(struct bf_live *live, struct bf_live_actions *actions, size_t *at,
                     uint64_t deadline_ms, bf_live_done_fn done, void *ctx, struct bf_error *err)
{
    int r;

    if (actions->broken)
        r = cannot_say(err);
    else if (*at >= json_array_size(actions->list))
        r = bf_error_set(err, BF_E_INVALID, "no change of a bitmap is left to be made");
    else
        r = run_each(live, actions->list, at, deadline_ms, done, ctx, err);
    bf_live_actions_release(actions);
    return r;
}
