#include "op.h"

#include <string.h>

void bf_live_op_init(struct bf_live_op *op, struct bf_live *live, uint64_t deadline_ms,
                     void (*release)(struct bf_live_op *op))
{
    uv_update_time(live->loop);
    op->live = live;
    op->expires_ms = uv_now(live->loop) + deadline_ms;
    op->release = release;
}

/* QEMU has no error class for it: the text of bdrv_dirty_bitmap_check(), 7.2 to 10.0. */
static bool says_busy(const struct bf_error *err)
{
    return strstr(err->text, "is currently in use by another") != NULL;
}

static void on_reply(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_op *op = ctx;
    struct bf_error busy = BF_ERROR_INIT;

    if (err && err->code != BF_E_QMP_ERROR) {
        op->lost = true;
    } else if (err && says_busy(err)) {
        (void)bf_error_set(&busy, BF_E_BITMAP_BUSY,
                           "a backup, an export or a migration uses it: %s", err->text);
        err = &busy;
    }
    op->step(op, result, err);
}

static int send_now(struct bf_live_op *op, const char *command, json_t *arguments,
                    bf_live_step_fn step, struct bf_error *err)
{
    uint64_t now_ms = uv_now(op->live->loop);

    op->step = step;
    if (now_ms < op->expires_ms)
        return bf_qmp_send(op->live->qmp, command, arguments, op->expires_ms - now_ms, on_reply, op,
                           err);
    json_decref(arguments);
    return bf_error_set(err, BF_E_DEADLINE, "no time is left for '%s'", command);
}

int bf_live_op_start(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step, struct bf_error *err)
{
    struct bf_error send_err = BF_ERROR_INIT;

    if (send_now(op, command, arguments, step, &send_err) == 0)
        return 0;
    op->release(op);
    return bf_error_set(err, send_err.code, "%s", send_err.text);
}

void bf_live_op_call(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step)
{
    struct bf_error err = BF_ERROR_INIT;

    if (send_now(op, command, arguments, step, &err) < 0) {
        op->lost = true;
        step(op, NULL, &err);
    }
}

void bf_live_op_finish(struct bf_live_op *op, const struct bf_error *err)
{
    bf_live_done_fn done = op->done;
    void *ctx = op->ctx;
    struct bf_error kept = BF_ERROR_INIT;
    enum bf_live_end end = !err ? BF_LIVE_DONE : op->lost ? BF_LIVE_UNKNOWN : BF_LIVE_REFUSED;

    if (err)
        kept = *err; /* it may live in @op */
    op->release(op);
    if (done)
        done(ctx, end, err ? &kept : NULL);
}

void bf_live_op_stop(struct bf_live_op *op)
{
    op->stopped = true;
}
