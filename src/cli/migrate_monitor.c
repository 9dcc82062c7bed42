#include "migrate_monitor.h"

#include "libvirt/bridge.h"
#include "qmp/call.h"

enum { DEADLINE_MS = 60000 }; /* libvirt itself waits 30 s for another job of the domain */

struct bf_monitor {
    struct bf_virt_bridge *bridge;
    uv_loop_t loop;
    struct bf_qmp *qmp;
};

static int connect_qmp(struct bf_monitor *monitor, struct bf_error *err)
{
    int r = bf_qmp_open_path(&monitor->loop, bf_virt_bridge_path(monitor->bridge), DEADLINE_MS,
                             NULL, &monitor->qmp, err);

    return r < 0 ? r : bf_qmp_wait_ready(monitor->qmp, err);
}

int bf_monitor_open(struct bf_virt_domain *domain, struct bf_monitor **ret_monitor,
                    struct bf_error *err)
{
    struct bf_monitor *monitor = calloc(1, sizeof *monitor);
    int r;

    if (!monitor || uv_loop_init(&monitor->loop) < 0) {
        free(monitor);
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    r = bf_virt_bridge_open(domain, &monitor->bridge, err);
    if (r == 0)
        r = connect_qmp(monitor, err);
    if (r < 0) {
        bf_monitor_close(monitor);
        return bf_error_prefix(err, "QEMU of domain '%s'", bf_virt_domain_name(domain));
    }
    *ret_monitor = monitor;
    return 0;
}

void bf_monitor_close(struct bf_monitor *monitor)
{
    if (monitor->qmp)
        bf_qmp_close_wait(monitor->qmp);
    (void)uv_run(&monitor->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&monitor->loop);
    if (monitor->bridge)
        bf_virt_bridge_close(monitor->bridge);
    free(monitor);
}

int bf_monitor_call(struct bf_monitor *monitor, const char *command, json_t *arguments,
                    json_t **ret_result, struct bf_error *err)
{
    return bf_qmp_call(monitor->qmp, command, arguments, DEADLINE_MS, ret_result, err);
}
