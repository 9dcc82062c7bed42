#include "live/clean.h"

#include "live/transaction.h"
#include "op.h"

#include <string.h>

/* Exports first (they hold nodes), then bitmaps (all at once; one by one where one of them
 * refuses), then nodes. */
struct clean_op {
    struct bf_live_op op;
    char *prefix;
    json_t *work; /* what is still to be said: [command, arguments], in order */
    size_t nr_worked;
    json_t *removals; /* of bitmaps, as actions */
};

static void release(struct bf_live_op *op)
{
    struct clean_op *clean_op = (struct clean_op *)op;

    free(clean_op->prefix);
    json_decref(clean_op->work);
    json_decref(clean_op->removals);
    free(clean_op);
}

static bool begins_with(const char *text, const char *prefix)
{
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

static void finish(struct clean_op *clean_op)
{
    struct bf_live_op *op = &clean_op->op;

    bf_live_op_finish(op, op->err.code != BF_E_NONE ? &op->err : NULL);
}

static void remember(struct clean_op *clean_op, const struct bf_error *err)
{
    (void)bf_error_set(&clean_op->op.err, err->code, "%s", err->text);
}

/* Takes @arguments over. */
static void plan(struct clean_op *clean_op, const char *command, json_t *arguments)
{
    (void)json_array_append_new(clean_op->work, json_pack("[s, o]", command, arguments));
}

static void on_worked(struct bf_live_op *op, const json_t *result, const struct bf_error *err);

static void work_on(struct clean_op *clean_op)
{
    const json_t *item = json_array_get(clean_op->work, clean_op->nr_worked++);

    if (item)
        bf_live_op_call(&clean_op->op, json_string_value(json_array_get(item, 0)),
                        json_incref(json_array_get(item, 1)), on_worked);
    else
        finish(clean_op);
}

static void on_worked(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct clean_op *clean_op = (struct clean_op *)op;

    (void)result;
    if (err)
        remember(clean_op, err);
    if (op->lost)
        finish(clean_op);
    else
        work_on(clean_op);
}

/* The removals one by one go before the nodes that are planned already. */
static void on_bitmaps_removed(struct bf_live_op *op, const json_t *result,
                               const struct bf_error *err)
{
    struct clean_op *clean_op = (struct clean_op *)op;
    size_t i;
    json_t *removal;

    (void)result;
    if (op->lost) {
        remember(clean_op, err);
        finish(clean_op);
        return;
    }
    if (err) {
        json_array_foreach(clean_op->removals, i, removal)(void) json_array_insert_new(
            clean_op->work, i,
            json_pack("[s, O]", "block-dirty-bitmap-remove", json_object_get(removal, "data")));
    }
    work_on(clean_op);
}

static void plan_node(struct clean_op *clean_op, struct bf_live_actions *actions,
                      const json_t *node)
{
    const char *node_name = json_string_value(json_object_get(node, "node-name"));
    size_t i;
    json_t *bitmap;

    json_array_foreach(json_object_get(node, "dirty-bitmaps"), i, bitmap)
    {
        const char *name = json_string_value(json_object_get(bitmap, "name"));

        if (begins_with(name, clean_op->prefix))
            bf_live_actions_remove(actions, node_name, name);
    }
    if (begins_with(node_name, clean_op->op.live->node_prefix))
        plan(clean_op, "blockdev-del", json_pack("{s:s}", "node-name", node_name));
}

static void on_nodes(struct bf_live_op *op, const json_t *nodes, const struct bf_error *err)
{
    struct clean_op *clean_op = (struct clean_op *)op;
    struct bf_live_actions actions;
    size_t i;
    json_t *node;

    if (err) {
        remember(clean_op, err);
        finish(clean_op);
        return;
    }
    bf_live_actions_begin(&actions);
    json_array_foreach(nodes, i, node) plan_node(clean_op, &actions, node);
    clean_op->removals = actions.list;
    if (json_array_size(clean_op->removals) == 0)
        work_on(clean_op);
    else
        bf_live_op_call(op, "transaction", json_pack("{s:O}", "actions", clean_op->removals),
                        on_bitmaps_removed);
}

/* Exports */

static void on_exports(struct bf_live_op *op, const json_t *exports, const struct bf_error *err);

/* An answer that there is no such export any more is as good as any. */
static void on_export_removed(struct bf_live_op *op, const json_t *result,
                              const struct bf_error *err)
{
    struct clean_op *clean_op = (struct clean_op *)op;

    (void)result;
    if (op->lost) {
        remember(clean_op, err);
        finish(clean_op);
        return;
    }
    bf_live_op_call(op, "query-block-exports", NULL, on_exports);
}

static const json_t *find_export(const json_t *exports, const char *prefix)
{
    size_t i;
    json_t *item;

    json_array_foreach(exports, i, item)
    {
        if (begins_with(json_string_value(json_object_get(item, "id")), prefix))
            return item;
    }
    return NULL;
}

/* An export ends some turns of QEMU's loop after it was told to: ask until it is gone. */
static void on_exports(struct bf_live_op *op, const json_t *exports, const struct bf_error *err)
{
    struct clean_op *clean_op = (struct clean_op *)op;
    const json_t *found;

    if (err) {
        remember(clean_op, err);
        finish(clean_op);
        return;
    }
    found = find_export(exports, op->live->node_prefix);
    if (found && !json_is_true(json_object_get(found, "shutting-down")))
        bf_live_op_call(op, "block-export-del",
                        json_pack("{s:O, s:s}", "id", json_object_get(found, "id"), "mode", "hard"),
                        on_export_removed);
    else if (found)
        bf_live_op_call(op, "query-block-exports", NULL, on_exports);
    else
        bf_live_op_call(op, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), on_nodes);
}

int bf_live_clean(struct bf_live *live, const char *bitmap_prefix, uint64_t deadline_ms,
                  bf_live_done_fn done, void *ctx, struct bf_error *err)
{
    struct clean_op *clean_op;

    if (strlen(bitmap_prefix) < BF_LIVE_TAG_CHARS)
        return bf_error_set(err, BF_E_INVALID, "'%s' is no prefix of a move's bitmaps",
                            bitmap_prefix);
    clean_op = calloc(1, sizeof *clean_op);
    if (!clean_op)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to clean up");
    bf_live_op_init(&clean_op->op, live, deadline_ms, release);
    clean_op->op.done = done;
    clean_op->op.ctx = ctx;
    clean_op->prefix = strdup(bitmap_prefix);
    clean_op->work = json_array();
    if (!clean_op->prefix || !clean_op->work) {
        release(&clean_op->op);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to clean up");
    }
    return bf_live_op_start(&clean_op->op, "query-block-exports", NULL, on_exports, err);
}
