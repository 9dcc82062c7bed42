#include "qmp/call.h"

#include "client_internal.h"

struct call {
    bool answered;
    json_t *result;
    struct bf_error *err;
};

static int pass_on(const struct bf_error *from, struct bf_error *err)
{
    return bf_error_set(err, from->code, "%s", from->text);
}

static void on_reply(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct call *call = ctx;

    call->answered = true;
    if (err)
        *call->err = *err;
    else
        call->result = json_incref((json_t *)result); /* counts are no part of the value */
}

int bf_qmp_wait_ready(struct bf_qmp *qmp, struct bf_error *err)
{
    while (!bf_qmp_is_ready(qmp) && !bf_qmp_end_error(qmp))
        (void)uv_run(qmp->loop, UV_RUN_ONCE);
    return bf_qmp_is_ready(qmp) ? 0 : pass_on(bf_qmp_end_error(qmp), err);
}

int bf_qmp_call(struct bf_qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ms,
                json_t **ret_result, struct bf_error *err)
{
    struct bf_error reply_err = BF_ERROR_INIT;
    struct call call = {.err = &reply_err};
    int r = bf_qmp_send(qmp, command, arguments, deadline_ms, on_reply, &call, err);

    if (r < 0)
        return r;
    while (!call.answered)
        (void)uv_run(qmp->loop, UV_RUN_ONCE);
    if (reply_err.code != BF_E_NONE)
        return pass_on(&reply_err, err);
    if (ret_result)
        *ret_result = call.result;
    else
        json_decref(call.result);
    return 0;
}

void bf_qmp_close_wait(struct bf_qmp *qmp)
{
    uv_loop_t *loop = qmp->loop;
    bool freed = false;

    qmp->ret_freed = &freed;
    bf_qmp_close(qmp);
    while (!freed)
        (void)uv_run(loop, UV_RUN_ONCE);
}
