/* bridge_probe URI DOMAIN: talks to the domain's QEMU through libvirt and tells each thing that
 * happens, until QEMU has ended. */
#include "libvirt/bridge.h"
#include "qmp/client.h"

#include <signal.h>
#include <stdio.h>

enum { NR_PIPELINED = 200, DEADLINE_MS = 60000 };

struct probe {
    struct bf_qmp *qmp;
    unsigned nr_answered;
    bool failed;
};

static void say(const char *what, const char *detail)
{
    (void)printf("%s %s\n", what, detail);
    (void)fflush(stdout);
}

static void send_command(struct probe *probe, const char *command, bf_qmp_reply_fn reply)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_qmp_send(probe->qmp, command, NULL, DEADLINE_MS, reply, probe, &err) < 0)
        say("cannot send", err.text);
}

static void on_refused(void *ctx, const json_t *result, const struct bf_error *err)
{
    (void)ctx;
    say(result ? "taken" : "refused", err ? err->text : "");
}

static void on_done(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct probe *probe = ctx;

    (void)result;
    probe->failed |= err != NULL;
}

static void on_status(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct probe *probe = ctx;

    probe->failed |= err != NULL;
    if (++probe->nr_answered == NR_PIPELINED)
        say("answered", json_string_value(json_object_get(result, "status")));
}

static void on_ready(void *ctx, const struct bf_error *err)
{
    struct probe *probe = ctx;

    say("ready", err ? err->text : "");
    probe->failed |= err != NULL;
    if (err)
        return;
    send_command(probe, "no-such-command", on_refused);
    for (unsigned i = 0; i < NR_PIPELINED; i++)
        send_command(probe, "query-status", on_status);
    send_command(probe, "stop", on_done);
    send_command(probe, "cont", on_done);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
    (void)ctx;
    (void)data;
    say("event", name);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct probe *probe = ctx;

    (void)err;
    say("closed", "");
    bf_qmp_close(probe->qmp);
}

int main(int argc, char **argv)
{
    BF_CLEANUP(bf_virt_closep) struct bf_virt *virt = NULL;
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *domain = NULL;
    BF_CLEANUP(bf_virt_bridge_closep) struct bf_virt_bridge *bridge = NULL;
    struct probe probe = {.qmp = NULL};
    struct bf_qmp_handlers handlers = {on_ready, on_event, on_closed, &probe, NULL};
    struct bf_error err = BF_ERROR_INIT;
    uv_loop_t loop;

    (void)signal(SIGPIPE, SIG_IGN);
    if (argc != 3 || uv_loop_init(&loop) < 0 || bf_virt_open(argv[1], &virt, &err) < 0 ||
        bf_virt_domain_find(virt, argv[2], &domain, &err) < 0 ||
        bf_virt_bridge_open(domain, &bridge, &err) < 0 ||
        bf_qmp_open_path(&loop, bf_virt_bridge_path(bridge), DEADLINE_MS, &handlers, &probe.qmp,
                         &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return probe.failed || uv_loop_close(&loop) < 0;
}
