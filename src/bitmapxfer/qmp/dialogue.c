#include "client_internal.h"
#include "message.h"

#include "base/cleanup.h"

/* The commands of the negotiation have no deadline of their own: opening as a whole has one.  When
 * the connection ends meanwhile, their callbacks get the error that ended it. */

static int learn_commands(struct bf_qmp *qmp, const json_t *list, struct bf_error *err)
{
    size_t nr_commands = json_array_size(list);

    qmp->commands = json_object();
    if (!qmp->commands)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the list of QMP commands");
    for (size_t i = 0; i < nr_commands; i++) {
        const json_t *name = json_object_get(json_array_get(list, i), "name");

        if (!json_is_string(name))
            return bf_error_set(err, BF_E_PROTOCOL, "query-commands: a command has no name");
        if (json_object_set_new(qmp->commands, json_string_value(name), json_true()) < 0)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the list of QMP commands");
    }
    if (nr_commands == 0)
        return bf_error_set(err, BF_E_PROTOCOL, "query-commands: QEMU listed no command");
    return 0;
}

static void on_commands(void *ctx, const json_t *result, const struct bf_error *reply_err)
{
    struct bf_qmp *qmp = ctx;
    struct bf_error err = BF_ERROR_INIT;

    if (reply_err) {
        bf_qmp_end(qmp, reply_err);
        return;
    }
    if (learn_commands(qmp, result, &err) < 0) {
        bf_qmp_end(qmp, &err);
        return;
    }
    bf_qmp_set_state(qmp, BF_QMP_STATE_READY);
    if (qmp->handlers.ready)
        qmp->handlers.ready(qmp->handlers.ctx, NULL);
}

static void on_capabilities(void *ctx, const json_t *result, const struct bf_error *reply_err)
{
    struct bf_qmp *qmp = ctx;
    struct bf_error err = BF_ERROR_INIT;

    (void)result;
    if (reply_err)
        bf_qmp_end(qmp, reply_err);
    else if (bf_qmp_send_now(qmp, "query-commands", NULL, UINT64_MAX, on_commands, qmp, &err) < 0)
        bf_qmp_end(qmp, &err);
}

/* Receiving */

static int take_greeting(struct bf_qmp *qmp, const struct bf_qmp_message *message,
                         struct bf_error *err)
{
    if (message->kind != BF_QMP_GREETING)
        return bf_error_set(err, BF_E_PROTOCOL, "%s does not begin with a QMP greeting",
                            qmp->link.name);
    qmp->version = message->version;
    bf_qmp_set_state(qmp, BF_QMP_STATE_NEGOTIATING);
    return bf_qmp_send_now(qmp, "qmp_capabilities", NULL, UINT64_MAX, on_capabilities, qmp, err);
}

static void answer(const struct bf_qmp_command *command, const struct bf_qmp_message *message)
{
    struct bf_error err = BF_ERROR_INIT;

    if (message->kind == BF_QMP_ERROR)
        (void)bf_error_set(&err, BF_E_QMP_ERROR, "%s: %s (%s)", command->name, message->error_text,
                           message->error_class);
    else if (message->inexact)
        (void)bf_error_set(&err, BF_E_PROTOCOL,
                           "%s: the answer has a number that 64 bits with sign do not hold",
                           command->name);
    if (err.code != BF_E_NONE)
        command->reply(command->ctx, NULL, &err);
    else
        command->reply(command->ctx, message->result, NULL);
}

static int take_answer(struct bf_qmp *qmp, const struct bf_qmp_message *message,
                       struct bf_error *err)
{
    BF_CLEANUP(bf_freep)
    struct bf_qmp_command *command = bf_qmp_inflight_take(&qmp->inflight, message->id);

    if (!command)
        return bf_error_set(err, BF_E_PROTOCOL, "QEMU answered a command that was not sent (id %s)",
                            message->id);
    if (qmp->handlers.answered)
        qmp->handlers.answered(qmp->handlers.ctx, command->name,
                               (uv_hrtime() - command->sent_ns) / 1000);
    if (!command->expired && command->reply)
        answer(command, message);
    return 0;
}

/* A client that connects while QEMU starts may be greeted twice, by two threads at the same time
 * (seen on 7.2).  Later a greeting would mean that QEMU has forgotten what was agreed. */
static int take_second_greeting(const struct bf_qmp *qmp, struct bf_error *err)
{
    if (qmp->state == BF_QMP_STATE_NEGOTIATING)
        return 0;
    return bf_error_set(err, BF_E_PROTOCOL, "QEMU sent a second QMP greeting");
}

static int take_message(struct bf_qmp *qmp, const struct bf_qmp_message *message,
                        struct bf_error *err)
{
    if (message->id && bf_qmp_inflight_is_foreign(&qmp->inflight, message->id))
        return 0;
    if (qmp->state == BF_QMP_STATE_GREETING)
        return take_greeting(qmp, message, err);
    switch (message->kind) {
    case BF_QMP_RETURN:
    case BF_QMP_ERROR:
        return take_answer(qmp, message, err);
    case BF_QMP_EVENT:
        if (qmp->handlers.event)
            qmp->handlers.event(qmp->handlers.ctx, message->event, message->data);
        return 0;
    case BF_QMP_GREETING:
        break;
    }
    return take_second_greeting(qmp, err);
}

int bf_qmp_take_line(struct bf_qmp *qmp, const char *line, size_t line_bytes, struct bf_error *err)
{
    BF_CLEANUP(bf_qmp_message_release) struct bf_qmp_message message;
    int r = bf_qmp_message_parse(line, line_bytes, &message, err);

    return r < 0 ? r : take_message(qmp, &message, err);
}
