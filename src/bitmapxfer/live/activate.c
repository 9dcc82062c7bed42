#include "live/activate.h"

#include "op.h"

#include <string.h>

struct activate_op {
    struct bf_live_op op;
    char **nodes;
    uint32_t nr_nodes;
    uint32_t at;
    char *server_path; /* or NULL */
    char export_name[BF_LIVE_NODE_NAME_MAX + 1];
    bool has_server; /* ours */
};

static void release(struct bf_live_op *op)
{
    struct activate_op *activate = (struct activate_op *)op;

    for (uint32_t i = 0; activate->nodes && i < activate->nr_nodes; i++)
        free(activate->nodes[i]);
    free(activate->nodes);
    free(activate->server_path);
    free(activate);
}

static void on_server_stopped(struct bf_live_op *op, const json_t *result,
                              const struct bf_error *err)
{
    (void)result;
    if (err)
        (void)bf_error_set(&op->err, err->code, "%s", err->text);
    bf_live_op_finish(op, op->err.code != BF_E_NONE ? &op->err : NULL);
}

static void leave(struct activate_op *activate)
{
    struct bf_live_op *op = &activate->op;

    if (activate->has_server && !op->lost)
        bf_live_op_call(op, "nbd-server-stop", NULL, on_server_stopped);
    else
        bf_live_op_finish(op, op->err.code != BF_E_NONE ? &op->err : NULL);
}

static void fail(struct activate_op *activate, const struct bf_error *err)
{
    (void)bf_error_set(&activate->op.err, err->code, "%s", err->text);
    leave(activate);
}

static void activate_next(struct activate_op *activate);

/* The last step for a node, whichever way it was made active. */
static void on_node_done(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct activate_op *activate = (struct activate_op *)op;

    (void)result;
    activate->at++;
    if (err)
        fail(activate, err);
    else
        activate_next(activate);
}

static void export_for_a_moment(struct activate_op *activate);

static void on_server_started(struct bf_live_op *op, const json_t *result,
                              const struct bf_error *err)
{
    struct activate_op *activate = (struct activate_op *)op;

    (void)result;
    activate->has_server = !err;
    if (err)
        fail(activate, err);
    else
        export_for_a_moment(activate);
}

static void on_exported(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct activate_op *activate = (struct activate_op *)op;
    bool no_server = err && !op->lost && strstr(err->text, "NBD server not running");

    (void)result;
    if (!err)
        bf_live_op_call(op, "block-export-del",
                        json_pack("{s:s, s:s}", "id", activate->export_name, "mode", "hard"),
                        on_node_done);
    else if (no_server && !activate->server_path)
        on_node_done(op, NULL, NULL);
    else if (no_server && !activate->has_server)
        bf_live_op_call(op, "nbd-server-start",
                        json_pack("{s:{s:s, s:{s:s}}}", "addr", "type", "unix", "data", "path",
                                  activate->server_path),
                        on_server_started);
    else
        fail(activate, err);
}

static void export_for_a_moment(struct activate_op *activate)
{
    bf_live_op_call(&activate->op, "block-export-add",
                    json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id",
                              activate->export_name, "node-name", activate->nodes[activate->at],
                              "name", activate->export_name, "writable", 0),
                    on_exported);
}

static void activate_next(struct activate_op *activate)
{
    struct bf_live_op *op = &activate->op;

    if (activate->at == activate->nr_nodes) {
        leave(activate);
    } else if (bf_qmp_has_command(op->live->qmp, "blockdev-set-active")) {
        bf_live_op_call(
            op, "blockdev-set-active",
            json_pack("{s:s, s:b}", "node-name", activate->nodes[activate->at], "active", 1),
            on_node_done);
    } else {
        bf_live_node_name(op->live, activate->export_name); /* an export ends some turns later */
        export_for_a_moment(activate);
    }
}

static void on_status(struct bf_live_op *op, const json_t *result, const struct bf_error *err)
{
    struct activate_op *activate = (struct activate_op *)op;

    (void)result;
    if (err)
        fail(activate, err);
    else
        activate_next(activate);
}

static bool prepare(struct activate_op *activate, const char *const *nodes, uint32_t nr_nodes,
                    const char *server_path)
{
    bool whole;

    activate->nodes = calloc(nr_nodes + 1U, sizeof *activate->nodes);
    activate->server_path = server_path ? strdup(server_path) : NULL;
    whole = activate->nodes && (activate->server_path || !server_path);
    for (uint32_t i = 0; i < nr_nodes && whole; i++) {
        activate->nodes[i] = strdup(nodes[i]);
        whole = activate->nodes[i] != NULL;
    }
    activate->nr_nodes = activate->nodes ? nr_nodes : 0;
    return whole;
}

int bf_live_activate(struct bf_live *live, const char *const *nodes, uint32_t nr_nodes,
                     const char *server_path, uint64_t deadline_ms, bf_live_done_fn done, void *ctx,
                     struct bf_error *err)
{
    struct activate_op *activate = calloc(1, sizeof *activate);

    if (!activate)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to activate nodes");
    bf_live_op_init(&activate->op, live, deadline_ms, release);
    activate->op.done = done;
    activate->op.ctx = ctx;
    if (!prepare(activate, nodes, nr_nodes, server_path)) {
        release(&activate->op);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to activate nodes");
    }
    /* Any first answer makes the op one that always ends from the loop. */
    return bf_live_op_start(&activate->op, "query-status", NULL, on_status, err);
}
