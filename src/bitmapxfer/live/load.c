#include "live/load.h"

#include "base/cleanup.h"
#include "empty_carrier.h"
#include "live/transaction.h"
#include "op.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct load_op {
    struct bf_live_op op;
    char *path;
    char node[BF_LIVE_NODE_NAME_MAX + 1]; /* the carrier's, and its export's id and name */
    json_t *transaction;
    bool has_node;
    bool has_export;
};

static void release(struct bf_live_op *op)
{
    struct load_op *load_op = (struct load_op *)op;

    free(load_op->path);
    json_decref(load_op->transaction);
    free(load_op);
}

/* Leaving: export and node go in that order, after a success too */

static void tidy(struct load_op *load_op);

static void fail(struct load_op *load_op, const struct bf_error *err)
{
    (void)bf_error_set(&load_op->op.err, err->code, "%s", err->text);
    tidy(load_op);
}

/* True: go on.  What cannot be removed makes it unknown what is left. */
static bool removed(struct load_op *load_op, const struct bf_error *err)
{
    if (!err)
        return true;
    load_op->op.lost = true;
    fail(load_op, err);
    return false;
}

static void on_node_removed(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    (void)result;
    load_op->has_node = false;
    if (removed(load_op, err))
        tidy(load_op);
}

static bool lists(const json_t *exports, const char *id)
{
    size_t i;
    json_t *item;

    json_array_foreach(exports, i, item)
    {
        const char *other = json_string_value(json_object_get(item, "id"));

        if (other && strcmp(other, id) == 0)
            return true;
    }
    return false;
}

/* An export ends some turns of QEMU's loop after it was told to; the node is in use until then. */
static void on_exports(struct bf_live_op *op, const json_t *exports, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    load_op->has_export = err || lists(exports, load_op->node);
    if (!removed(load_op, err))
        return;
    if (load_op->has_export)
        bf_live_op_call(op, "query-block-exports", NULL, on_exports);
    else
        tidy(load_op);
}

static void on_export_removed(struct bf_live_op *op, const json_t *result,
                              const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    (void)result;
    if (removed(load_op, err))
        bf_live_op_call(op, "query-block-exports", NULL, on_exports);
}

static void tidy(struct load_op *load_op)
{
    struct bf_live_op *op = &load_op->op;

    if (op->lost || (!load_op->has_export && !load_op->has_node))
        bf_live_op_finish(op, op->err.code != BF_E_NONE ? &op->err : NULL);
    else if (load_op->has_export)
        bf_live_op_call(op, "block-export-del",
                        json_pack("{s:s, s:s}", "id", load_op->node, "mode", "hard"),
                        on_export_removed);
    else
        bf_live_op_call(op, "blockdev-del", json_pack("{s:s}", "node-name", load_op->node),
                        on_node_removed);
}

/* Loading */

static void on_merged(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    (void)result;
    if (err)
        fail(load_op, err);
    else
        tidy(load_op);
}

static void merge(struct load_op *load_op)
{
    if (load_op->op.stopped) {
        (void)bf_error_set(&load_op->op.err, BF_E_INTERRUPTED, "the load was stopped");
        tidy(load_op);
        return;
    }
    bf_live_op_call(&load_op->op, "transaction", json_incref(load_op->transaction), on_merged);
}

/* Making the carrier active: before QEMU 10.0 an export does so, even one that comes to nothing for
 * want of a server.  To start one would be in the way of whoever is to start the mirrors' at any
 * time. */

static void on_exported(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    (void)result;
    load_op->has_export = !err;
    if (!err || (!op->lost && strstr(err->text, "NBD server not running")))
        merge(load_op);
    else
        fail(load_op, err);
}

static void export_for_a_moment(struct load_op *load_op)
{
    bf_live_op_call(&load_op->op, "block-export-add",
                    json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", load_op->node,
                              "node-name", load_op->node, "name", load_op->node, "writable", 0),
                    on_exported);
}

static void on_status(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;
    const char *status = json_string_value(json_object_get(result, "status"));

    if (err)
        fail(load_op, err);
    else if (status && strcmp(status, "inmigrate") == 0)
        export_for_a_moment(load_op);
    else
        merge(load_op);
}

static void on_activated(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    (void)result;
    if (err)
        fail(load_op, err);
    else
        merge(load_op);
}

/* Adding it with `active: true` would not do: QEMU 10.0 heeds that only where nothing comes in. */
static void on_added(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct load_op *load_op = (struct load_op *)op;

    (void)result;
    load_op->has_node = !err;
    if (err)
        fail(load_op, err);
    else if (bf_qmp_has_command(op->live->qmp, "blockdev-set-active"))
        bf_live_op_call(op, "blockdev-set-active",
                        json_pack("{s:s, s:b}", "node-name", load_op->node, "active", 1),
                        on_activated);
    else if (bf_qmp_has_command(op->live->qmp, "query-status"))
        bf_live_op_call(op, "query-status", NULL, on_status);
    else
        merge(load_op);
}

/* Beginning */

static json_t *node_of(const struct load_op *load_op)
{
    return json_pack("{s:s, s:s, s:b, s:n, s:{s:s, s:s, s:b}}", "driver", "qcow2", "node-name",
                     load_op->node, "read-only", 1, "backing", "file", "driver", "file", "filename",
                     load_op->path, "read-only", 1);
}

static json_t *transaction_for(const struct load_op *load_op, const struct bf_live_load *load)
{
    struct bf_live_actions actions;
    json_t *arguments = NULL;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < load->nr_items; i++) {
        const struct bf_live_load_item *item = &load->items[i];
        const struct bf_live_add add = {
            .node = load->node, .name = item->bitmap, .granularity_bytes = item->granularity_bytes};

        bf_live_actions_add(&actions, &add);
        bf_live_actions_merge(&actions, load->node, item->bitmap, load_op->node, item->name);
    }
    if (!actions.broken)
        arguments = json_pack("{s:O}", "actions", actions.list);
    bf_live_actions_release(&actions);
    return arguments;
}

static int give_to_qemu(const struct load_op *load_op, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = open(load_op->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot open the carrier %s", load_op->path);
    return bf_carrier_give(fd, load_op->path, &load_op->op.live->identity, err);
}

static int prepare(struct load_op *load_op, const struct bf_live_load *load, struct bf_error *err)
{
    load_op->path = strdup(load->path);
    if (!load_op->path)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to load a carrier");
    bf_live_node_name(load_op->op.live, load_op->node);
    load_op->transaction = transaction_for(load_op, load);
    if (!load_op->transaction)
        return bf_error_set(err, BF_E_UNSUPPORTED,
                            "a bitmap in the carrier %s has a name that is not UTF-8: QEMU cannot "
                            "be told to load it",
                            load->path);
    return give_to_qemu(load_op, err);
}

int bf_live_load(struct bf_live *live, const struct bf_live_load *load, uint64_t deadline_ms,
                 bf_live_done_fn done, void *ctx, struct bf_live_op **ret_op, struct bf_error *err)
{
    struct load_op *load_op = calloc(1, sizeof *load_op);
    int r;

    if (!load_op)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to load a carrier");
    bf_live_op_init(&load_op->op, live, deadline_ms, release);
    load_op->op.done = done;
    load_op->op.ctx = ctx;
    r = prepare(load_op, load, err);
    if (r < 0) {
        release(&load_op->op);
        return r;
    }
    r = bf_live_op_start(&load_op->op, "blockdev-add", node_of(load_op), on_added, err);
    if (r == 0 && ret_op)
        *ret_op = &load_op->op;
    return r;
}
