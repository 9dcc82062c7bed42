#include "op.h"

#include <string.h>

/* About as short as a write of a guest takes that nothing holds up, so that hardly any waits for a
 * second command; and what holds nobody up needs no rest. */
enum { REST_MS = 3, BUSY_NS = 2000000 };

void bf_live_op_init(struct bf_live_op *op, struct bf_live *live, uint64_t deadline_ms,
                     void (*release)(struct bf_live_op *op))
{
    uv_update_time(live->loop);
    op->live = live;
    op->expires_ms = uv_now(live->loop) + deadline_ms;
    op->release = release;
}

/* --- answers --- */

/* QEMU has no error class for it: the text of bdrv_dirty_bitmap_check(), 7.2 to 10.0. */
static bool says_busy(const struct bf_error *err)
{
    return strstr(err->text, "is currently in use by another") != NULL;
}

static void note_busy(const struct bf_live_op *op)
{
    struct bf_live *live = op->live;
    uint64_t now_ns = uv_hrtime();

    live->busy_ns += now_ns - op->sent_ns;
    if (live->busy_ns < BUSY_NS)
        return;
    live->busy_ns = 0;
    live->rested_ns = now_ns + REST_MS * UINT64_C(1000000);
}

static void on_reply(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct bf_live_op *op = ctx;
    struct bf_error busy = BF_ERROR_INIT;

    note_busy(op);
    if (err && err->code != BF_E_QMP_ERROR) {
        op->lost = true;
    } else if (err && says_busy(err)) {
        (void)bf_error_set(&busy, BF_E_BITMAP_BUSY,
                           "a backup, an export or a migration uses it: %s", err->text);
        err = &busy;
    }
    op->step(op, result, err);
}

/* --- commands --- */

static int send_now(struct bf_live_op *op, const char *command, json_t *arguments,
                    bf_live_step_fn step, struct bf_error *err)
{
    uint64_t now_ms = uv_now(op->live->loop);

    op->step = step;
    op->sent_ns = uv_hrtime();
    if (now_ms < op->expires_ms)
        return bf_qmp_send(op->live->qmp, command, arguments, op->expires_ms - now_ms, on_reply, op,
                           err);
    json_decref(arguments);
    return bf_error_set(err, BF_E_DEADLINE, "no time is left for '%s'", command);
}

static void call_now(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step)
{
    struct bf_error err = BF_ERROR_INIT;

    if (send_now(op, command, arguments, step, &err) < 0) {
        op->lost = true;
        step(op, NULL, &err);
    }
}

static void on_rested(uv_timer_t *timer)
{
    struct bf_live *live = timer->data;
    struct bf_live_op *op = live->resting;

    live->resting = NULL;
    while (op) {
        struct bf_live_op *next = op->next_resting;

        call_now(op, op->command, op->arguments, op->step);
        op = next;
    }
}

/* Takes the command over if it is to wait. */
static bool rest(struct bf_live_op *op, const char *command, json_t *arguments,
                 bf_live_step_fn step)
{
    struct bf_live *live = op->live;
    struct bf_live_op **last = &live->resting;
    uint64_t now_ns = uv_hrtime();

    if (!live->rests || op->apart || live->closing || now_ns >= live->rested_ns)
        return false;
    op->command = command;
    op->arguments = arguments;
    op->step = step;
    op->next_resting = NULL;
    while (*last)
        last = &(*last)->next_resting;
    *last = op;
    if (!uv_is_active((uv_handle_t *)&live->timer)) {
        uv_update_time(live->loop);
        (void)uv_timer_start(&live->timer, on_rested, (live->rested_ns - now_ns) / 1000000 + 1, 0);
    }
    return true;
}

int bf_live_op_start(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step, struct bf_error *err)
{
    struct bf_error send_err = BF_ERROR_INIT;

    if (rest(op, command, arguments, step) ||
        send_now(op, command, arguments, step, &send_err) == 0)
        return 0;
    op->release(op);
    return bf_error_set(err, send_err.code, "%s", send_err.text);
}

void bf_live_op_call(struct bf_live_op *op, const char *command, json_t *arguments,
                     bf_live_step_fn step)
{
    if (!rest(op, command, arguments, step))
        call_now(op, command, arguments, step);
}

/* Nothing of it is under way in QEMU, but as for any that was not answered a new session finds that
 * out. */
void bf_live_op_rests_end(struct bf_live *live)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_live_op *op = live->resting;

    (void)bf_error_set(&err, BF_E_INTERRUPTED, "the connection to QEMU is being closed");
    live->resting = NULL;
    while (op) {
        struct bf_live_op *next = op->next_resting;

        json_decref(op->arguments);
        op->lost = true;
        op->step(op, NULL, &err);
        op = next;
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
