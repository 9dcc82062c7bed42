#include "bridge_internal.h"
#include "bridge_words.h"
#include "handles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <libvirt/libvirt-qemu.h>

enum { EVENTS_MAX_BYTES = 16 << 20 }; /* that a client leaves unread; then it is let go */

static void wake(struct bf_virt_bridge *bridge)
{
    uint64_t one = 1;

    /* It can only fail when the counter is full, and then the thread wakes all the same. */
    if (write(bridge->wakeup, &one, sizeof one) < 0)
        return;
}

/* libvirt's event thread */

static void pass_on(struct bf_virt_bridge *bridge, const char *line)
{
    size_t nr_bytes = line ? strlen(line) : 0;
    char *events;

    (void)pthread_mutex_lock(&bridge->lock);
    events = nr_bytes > 0 && bridge->nr_events_bytes + nr_bytes <= EVENTS_MAX_BYTES
                 ? realloc(bridge->events, bridge->nr_events_bytes + nr_bytes)
                 : NULL;
    if (events) {
        memcpy(events + bridge->nr_events_bytes, line, nr_bytes);
        bridge->events = events;
        bridge->nr_events_bytes += nr_bytes;
    } else {
        bridge->gone = true; /* an event would be missing: better no connection than that */
    }
    (void)pthread_mutex_unlock(&bridge->lock);
    wake(bridge);
}

static void on_event(virConnectPtr connection, virDomainPtr domain, const char *event,
                     long long seconds, unsigned micros, const char *details, void *ctx)
{
    BF_CLEANUP(bf_freep) char *line = bf_bridge_event(event, seconds, micros, details);

    (void)connection;
    (void)domain;
    pass_on(ctx, line);
}

/* QEMU's own last word may have come while nobody was connected. */
static void tell_migrated(struct bf_virt_bridge *bridge)
{
    BF_CLEANUP(bf_freep)
    char *line = bf_bridge_event("MIGRATION", 0, 0, "{\"status\":\"completed\"}");

    pass_on(bridge, line);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *ctx)
{
    struct bf_virt_bridge *bridge = ctx;

    (void)connection;
    (void)domain;
    if (event != VIR_DOMAIN_EVENT_STOPPED)
        return 0;
    if (detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED)
        tell_migrated(bridge);
    (void)pthread_mutex_lock(&bridge->lock);
    bridge->gone = true;
    (void)pthread_mutex_unlock(&bridge->lock);
    wake(bridge);
    return 0;
}

/* libvirtd has ended, or the connection to it. */
static void on_cut_off(virConnectPtr connection, int reason, void *ctx)
{
    struct bf_virt_bridge *bridge = ctx;

    (void)connection;
    (void)reason;
    (void)pthread_mutex_lock(&bridge->lock);
    bridge->gone = true;
    (void)pthread_mutex_unlock(&bridge->lock);
    wake(bridge);
}

/* Opening and closing */

static int listen_privately(struct bf_virt_bridge *bridge, struct bf_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    int r = bf_bridge_folder_make(&bridge->folder, err);

    if (r < 0)
        return r;
    (void)snprintf(bridge->path, sizeof bridge->path, "%s/qmp", bridge->folder.path);
    strcpy(address.sun_path, bridge->path);
    bridge->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bridge->listener < 0 ||
        bind(bridge->listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(bridge->listener, 1) < 0)
        return bf_error_set_errno(err, errno, "cannot listen on %s", bridge->path);
    return 0;
}

static int follow_events(struct bf_virt_bridge *bridge, struct bf_error *err)
{
    virConnectPtr connection = bridge->domain->virt->connection;
    virDomainPtr domain = bridge->domain->domain;

    bridge->events_id = virConnectDomainQemuMonitorEventRegister(connection, domain, NULL, on_event,
                                                                 bridge, NULL, 0);
    if (bridge->events_id < 0)
        return bf_virt_fail(err, "domain '%s' has no QEMU monitor that libvirt passes on",
                            bf_virt_domain_name(bridge->domain));
    /* One for each connection; where another bridge has it, this one learns by its next command. */
    bridge->hears_close =
        virConnectRegisterCloseCallback(connection, on_cut_off, bridge, NULL) == 0;
    bridge->lifecycle_id =
        virConnectDomainEventRegisterAny(connection, domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), bridge, NULL);
    return bridge->lifecycle_id < 0 ? bf_virt_fail(err, "cannot follow the life of domain '%s'",
                                                   bf_virt_domain_name(bridge->domain))
                                    : 0;
}

static int check_runs(struct bf_virt_domain *domain, struct bf_error *err)
{
    enum bf_virt_state state;
    int r = bf_virt_domain_state(domain, &state, err);

    if (r == 0 && state == BF_VIRT_SHUT_OFF)
        return bf_error_set(err, BF_E_NOT_FOUND, "domain '%s' does not run: it has no QEMU",
                            bf_virt_domain_name(domain));
    return r;
}

static struct bf_virt_bridge *new_bridge(struct bf_virt_domain *domain)
{
    struct bf_virt_bridge *bridge = calloc(1, sizeof *bridge);

    if (!bridge)
        return NULL;
    (void)pthread_mutex_init(&bridge->lock, NULL);
    bridge->domain = domain;
    bridge->listener = -1;
    bridge->folder.fd = -1;
    bridge->events_id = -1;
    bridge->lifecycle_id = -1;
    bridge->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bridge->line = malloc(BF_BRIDGE_LINE_MAX_BYTES);
    return bridge;
}

static int start(struct bf_virt_bridge *bridge, struct bf_error *err)
{
    int r;

    if (bridge->wakeup < 0 || !bridge->line)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a way to QEMU through libvirt");
    r = check_runs(bridge->domain, err);
    if (r == 0)
        r = follow_events(bridge, err);
    if (r == 0)
        r = listen_privately(bridge, err);
    if (r < 0)
        return r;
    r = pthread_create(&bridge->thread, NULL, bf_bridge_run, bridge);
    if (r != 0)
        return bf_error_set_errno(err, r, "cannot start a thread");
    bridge->thread_runs = true;
    return 0;
}

int bf_virt_bridge_open(struct bf_virt_domain *domain, struct bf_virt_bridge **ret_bridge,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_virt_bridge_closep) struct bf_virt_bridge *bridge = new_bridge(domain);
    int r;

    if (!bridge)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a way to QEMU through libvirt");
    r = start(bridge, err);
    if (r == 0)
        *ret_bridge = bf_steal_ptr(&bridge);
    return r;
}

const char *bf_virt_bridge_path(const struct bf_virt_bridge *bridge)
{
    return bridge->path;
}

static void stop_thread(struct bf_virt_bridge *bridge)
{
    (void)pthread_mutex_lock(&bridge->lock);
    bridge->stop = true;
    (void)pthread_mutex_unlock(&bridge->lock);
    wake(bridge);
    (void)pthread_join(bridge->thread, NULL);
}

void bf_virt_bridge_close(struct bf_virt_bridge *bridge)
{
    virConnectPtr connection = bridge->domain->virt->connection;

    if (bridge->thread_runs)
        stop_thread(bridge);
    if (bridge->hears_close)
        (void)virConnectUnregisterCloseCallback(connection, on_cut_off);
    if (bridge->events_id >= 0)
        (void)virConnectDomainQemuMonitorEventDeregister(connection, bridge->events_id);
    if (bridge->lifecycle_id >= 0)
        (void)virConnectDomainEventDeregisterAny(connection, bridge->lifecycle_id);
    if (bridge->listener >= 0)
        (void)close(bridge->listener);
    if (bridge->wakeup >= 0)
        (void)close(bridge->wakeup);
    bf_bridge_folder_remove(&bridge->folder);
    (void)pthread_mutex_destroy(&bridge->lock);
    free(bridge->events);
    free(bridge->line);
    free(bridge);
}
