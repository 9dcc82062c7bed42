#include "live/spill.h"

#include "empty_carrier.h"
#include "live/transaction.h"
#include "op.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct spill_op {
    struct bf_live_op op;
    char *path;
    char node[BF_LIVE_NODE_NAME_MAX + 1];
    struct bf_live_actions actions; /* add, merge, of each bitmap */
    size_t nr_run;
    bool has_node;
    bool stays; /* the node was there before */
};

static void release(struct bf_live_op *op)
{
    struct spill_op *spill_op = (struct spill_op *)op;

    free(spill_op->path);
    bf_live_actions_release(&spill_op->actions);
    free(spill_op);
}

static void on_removed(struct bf_live_op *op, const json_t *result, const struct bf_error *err);

/* The file of a lost QEMU stays: it may be writing to it still. */
static void tidy(struct spill_op *spill_op)
{
    struct bf_live_op *op = &spill_op->op;
    bool failed = op->err.code != BF_E_NONE;

    if (!op->lost && spill_op->has_node) {
        if (spill_op->stays)
            bf_live_op_call(op, "blockdev-set-active",
                            json_pack("{s:s, s:b}", "node-name", spill_op->node, "active", 0),
                            on_removed);
        else
            bf_live_op_call(op, "blockdev-del", json_pack("{s:s}", "node-name", spill_op->node),
                            on_removed);
        return;
    }
    if (failed && !op->lost)
        (void)unlink(spill_op->path);
    bf_live_op_finish(op, failed ? &op->err : NULL);
}

static void fail(struct spill_op *spill_op, const struct bf_error *err)
{
    (void)bf_error_set(&spill_op->op.err, err->code, "%s", err->text);
    tidy(spill_op);
}

static void on_removed(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct spill_op *spill_op = (struct spill_op *)op;

    (void)result;
    spill_op->has_node = false;
    if (!err) {
        tidy(spill_op);
        return;
    }
    op->lost = true; /* the node may be there still, or write */
    fail(spill_op, err);
}

static void on_merged(struct bf_live_op *op, const json_t *result, const struct bf_error *err);

/* One command after the other: nobody sees the carrier before it is whole, and a transaction would
 * wait for the guest's I/O, and hold QEMU's main loop for twice as long. */
static void merge_next(struct spill_op *spill_op)
{
    struct bf_live_op *op = &spill_op->op;
    const json_t *action = json_array_get(spill_op->actions.list, spill_op->nr_run++);

    if (op->stopped)
        (void)bf_error_set(&op->err, BF_E_INTERRUPTED, "the spill was stopped");
    if (op->stopped || !action) {
        tidy(spill_op);
        return;
    }
    bf_live_op_call(op, json_string_value(json_object_get(action, "type")),
                    json_incref(json_object_get(action, "data")), on_merged);
}

static void on_merged(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct spill_op *spill_op = (struct spill_op *)op;

    (void)result;
    if (err)
        fail(spill_op, err);
    else
        merge_next(spill_op);
}

static void on_added(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct spill_op *spill_op = (struct spill_op *)op;

    (void)result;
    if (err) {
        fail(spill_op, err);
        return;
    }
    spill_op->has_node = true;
    merge_next(spill_op);
}

static void add_item(struct spill_op *spill_op, const struct bf_live_spill_item *item)
{
    const struct bf_live_add add = {
        .node = spill_op->node,
        .name = item->name,
        .granularity_bytes = item->granularity_bytes,
        .recording = item->recording,
        .persistent = true,
    };

    bf_live_actions_add(&spill_op->actions, &add);
    bf_live_actions_merge(&spill_op->actions, spill_op->node, item->name, item->node, item->bitmap);
}

static int prepare(struct spill_op *spill_op, const struct bf_live_spill *spill,
                   struct bf_error *err)
{
    spill_op->path = strdup(spill->path);
    if (!spill_op->path)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a spill");
    spill_op->stays = spill_op->has_node = spill->open_node != NULL;
    if (spill_op->stays)
        (void)snprintf(spill_op->node, sizeof spill_op->node, "%s", spill->open_node);
    else
        bf_live_node_name(spill_op->op.live, spill_op->node);
    bf_live_actions_begin(&spill_op->actions);
    for (uint32_t i = 0; i < spill->nr_items; i++)
        add_item(spill_op, &spill->items[i]);
    if (spill_op->actions.broken)
        return bf_error_set(err, BF_E_UNSUPPORTED,
                            "a spill cannot be said in JSON: a bitmap's name is not UTF-8, or "
                            "there is no memory");
    if (spill_op->stays)
        return 0;
    return bf_empty_carrier_make(spill->path, spill->size_bytes, &spill_op->op.live->identity, err);
}

/* The file is of no use after a crash, so nothing need be flushed to the disk. */
static json_t *node_of(const char *node, const char *path)
{
    return json_pack("{s:s, s:s, s:{s:b}, s:{s:s, s:s, s:{s:b}}}", "driver", "qcow2", "node-name",
                     node, "cache", "no-flush", 1, "file", "driver", "file", "filename", path,
                     "cache", "no-flush", 1);
}

static int begin(struct spill_op *spill_op, struct bf_error *err)
{
    const json_t *action;

    if (!spill_op->stays)
        return bf_live_op_start(&spill_op->op, "blockdev-add",
                                node_of(spill_op->node, spill_op->path), on_added, err);
    action = json_array_get(spill_op->actions.list, spill_op->nr_run++);
    return bf_live_op_start(&spill_op->op, json_string_value(json_object_get(action, "type")),
                            json_incref(json_object_get(action, "data")), on_merged, err);
}

int bf_live_spill(struct bf_live *live, const struct bf_live_spill *spill, uint64_t deadline_ms,
                  bf_live_done_fn done, void *ctx, struct bf_live_op **ret_op, struct bf_error *err)
{
    struct spill_op *spill_op = calloc(1, sizeof *spill_op);
    int r;

    if (!spill_op)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a spill");
    bf_live_op_init(&spill_op->op, live, deadline_ms, release);
    spill_op->op.done = done;
    spill_op->op.ctx = ctx;
    r = prepare(spill_op, spill, err);
    if (r < 0) {
        release(&spill_op->op);
        return r;
    }
    r = begin(spill_op, err);
    if (r < 0)
        (void)unlink(spill->path);
    else if (ret_op)
        *ret_op = &spill_op->op;
    return r;
}

/* --- carriers that are opened before --- */

struct open_op {
    struct bf_live_op op;
    char *path;
};

static void release_open(struct bf_live_op *op)
{
    struct open_op *open_op = (struct open_op *)op;

    free(open_op->path);
    free(open_op);
}

static void on_opened(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    (void)result;
    if (err && !op->lost)
        (void)unlink(((struct open_op *)op)->path);
    bf_live_op_finish(op, err);
}

bool bf_live_can_open_carriers(const struct bf_live *live)
{
    return bf_qmp_has_command(live->qmp, "blockdev-set-active");
}

/* Beside those of bf_live_node_name(), which have no letter. */
void bf_live_carrier_node(const struct bf_live *live, uint32_t index,
                          char buf[BF_LIVE_NODE_NAME_MAX + 1])
{
    (void)snprintf(buf, BF_LIVE_NODE_NAME_MAX + 1, "%sc%" PRIu32, live->node_prefix,
                   index % 1000000);
}

int bf_live_carrier_open(struct bf_live *live, const char *path, uint64_t size_bytes,
                         const char *node, uint64_t deadline_ms, bf_live_done_fn done, void *ctx,
                         struct bf_error *err)
{
    struct open_op *open_op = calloc(1, sizeof *open_op);
    int r;

    if (!open_op || !(open_op->path = strdup(path))) {
        free(open_op);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a carrier");
    }
    bf_live_op_init(&open_op->op, live, deadline_ms, release_open);
    open_op->op.done = done;
    open_op->op.ctx = ctx;
    r = bf_empty_carrier_make(path, size_bytes, &live->identity, err);
    if (r < 0) {
        release_open(&open_op->op);
        return r;
    }
    r = bf_live_op_start(&open_op->op, "blockdev-add", node_of(node, path), on_opened, err);
    if (r < 0)
        (void)unlink(path);
    return r;
}
