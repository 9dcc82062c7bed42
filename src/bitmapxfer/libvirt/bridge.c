#include "libvirt/bridge.h"

#include "bridge_words.h"
#include "handles.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <libvirt/libvirt-qemu.h>

enum {
    LINE_MAX_BYTES = 4 << 20,    /* of a command: libvirt's limit of a string over its wire */
    EVENTS_MAX_BYTES = 16 << 20, /* that a client leaves unread; then it is let go */
    SEND_TIMEOUT_S = 30,
};

struct bf_virt_bridge {
    struct bf_virt_domain *domain;
    char folder[64];
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    int listener;
    int wakeup; /* an eventfd: events are waiting, the domain is gone, or we are to stop */
    int events_id;
    int lifecycle_id;
    bool thread_runs;
    pthread_t thread;

    pthread_mutex_t lock; /* what follows is shared with libvirt's event thread and the owner */
    char *events;         /* lines */
    size_t nr_events_bytes;
    bool gone; /* the domain's QEMU has ended */
    bool stop;

    /* Of the bridge's thread: what the client has sent, up to no newline yet */
    char *line;
    size_t nr_line_bytes;
};

static void wake(struct bf_virt_bridge *bridge)
{
    uint64_t one = 1;

    /* It can only fail when the counter is full, and then the thread wakes all the same. */
    if (write(bridge->wakeup, &one, sizeof one) < 0)
        return;
}

/* libvirt's event thread */

static void on_event(virConnectPtr connection, virDomainPtr domain, const char *event,
                     long long seconds, unsigned micros, const char *details, void *ctx)
{
    struct bf_virt_bridge *bridge = ctx;
    BF_CLEANUP(bf_freep) char *line = bf_bridge_event(event, seconds, micros, details);
    size_t nr_bytes = line ? strlen(line) : 0;
    char *events;

    (void)connection;
    (void)domain;
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

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *ctx)
{
    struct bf_virt_bridge *bridge = ctx;

    (void)connection;
    (void)domain;
    (void)detail;
    if (event != VIR_DOMAIN_EVENT_STOPPED)
        return 0;
    (void)pthread_mutex_lock(&bridge->lock);
    bridge->gone = true;
    (void)pthread_mutex_unlock(&bridge->lock);
    wake(bridge);
    return 0;
}

/* The bridge's thread: one client */

static bool send_all(int client, const char *bytes, size_t nr_bytes)
{
    while (nr_bytes > 0) {
        ssize_t sent = send(client, bytes, nr_bytes, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        nr_bytes -= (size_t)sent;
    }
    return true;
}

static bool send_line(int client, char *line)
{
    bool sent = line && send_all(client, line, strlen(line));

    free(line);
    return sent;
}

static bool send_events(struct bf_virt_bridge *bridge, int client)
{
    BF_CLEANUP(bf_freep) char *events = NULL;
    size_t nr_bytes;
    bool over;

    (void)pthread_mutex_lock(&bridge->lock);
    events = bf_steal_ptr(&bridge->events);
    nr_bytes = bridge->nr_events_bytes;
    bridge->nr_events_bytes = 0;
    over = bridge->gone || bridge->stop;
    (void)pthread_mutex_unlock(&bridge->lock);
    return send_all(client, events, nr_bytes) && !over;
}

/* QEMU's answer to @command, or libvirt's refusal in its stead. */
static char *carry_out(struct bf_virt_bridge *bridge, const struct bf_bridge_command *command)
{
    BF_CLEANUP(bf_freep) char *result = NULL;
    const virError *error;

    if (virDomainQemuMonitorCommand(bridge->domain->domain, command->text, &result, 0) == 0)
        return bf_bridge_answer(command, result);
    error = virGetLastError();
    return bf_bridge_refusal(command, error && error->message ? error->message : "libvirt failed");
}

static bool handle(struct bf_virt_bridge *bridge, int client, const char *line, size_t nr_bytes)
{
    BF_CLEANUP(bf_bridge_command_release) struct bf_bridge_command command = {.text = NULL};
    char *answer;

    if (!bf_bridge_command_read(line, nr_bytes, &command))
        return false;
    answer = command.negotiates ? bf_bridge_answer(&command, "{\"return\":{}}")
                                : carry_out(bridge, &command);
    if (!send_events(bridge, client)) {
        free(answer);
        return false;
    }
    return send_line(client, answer);
}

/* Give the lines that are complete to handle(). */
static bool handle_lines(struct bf_virt_bridge *bridge, int client)
{
    char *at = bridge->line;
    char *end = bridge->line + bridge->nr_line_bytes;
    char *newline;

    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        if (newline > at && !handle(bridge, client, at, (size_t)(newline - at)))
            return false;
        at = newline + 1;
    }
    bridge->nr_line_bytes = (size_t)(end - at);
    memmove(bridge->line, at, bridge->nr_line_bytes);
    return bridge->nr_line_bytes < LINE_MAX_BYTES;
}

static bool receive(struct bf_virt_bridge *bridge, int client)
{
    ssize_t got = recv(client, bridge->line + bridge->nr_line_bytes,
                       LINE_MAX_BYTES - bridge->nr_line_bytes, 0);

    if (got < 0)
        return errno == EINTR;
    if (got == 0)
        return false;
    bridge->nr_line_bytes += (size_t)got;
    return handle_lines(bridge, client);
}

static bool greet(struct bf_virt_bridge *bridge, int client)
{
    BF_CLEANUP(bf_freep) char *version = NULL;

    return virDomainQemuMonitorCommand(bridge->domain->domain, "{\"execute\":\"query-version\"}",
                                       &version, 0) == 0 &&
           send_line(client, bf_bridge_greeting(version));
}

static void drain_wakeup(const struct bf_virt_bridge *bridge)
{
    uint64_t count;

    if (read(bridge->wakeup, &count, sizeof count) < 0)
        return;
}

static void serve(struct bf_virt_bridge *bridge, int client)
{
    struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    struct pollfd fds[] = {{.fd = client, .events = POLLIN},
                           {.fd = bridge->wakeup, .events = POLLIN}};
    bool on;

    (void)setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    bridge->nr_line_bytes = 0;
    on = greet(bridge, client);
    while (on && (poll(fds, 2, -1) >= 0 || errno == EINTR)) {
        if (fds[1].revents)
            drain_wakeup(bridge);
        on = send_events(bridge, client);
        if (on && fds[0].revents)
            on = receive(bridge, client);
    }
}

static bool is_over(struct bf_virt_bridge *bridge)
{
    bool over;

    (void)pthread_mutex_lock(&bridge->lock);
    over = bridge->stop || bridge->gone;
    (void)pthread_mutex_unlock(&bridge->lock);
    return over;
}

static void *run(void *ctx)
{
    struct bf_virt_bridge *bridge = ctx;
    struct pollfd fds[] = {{.fd = bridge->listener, .events = POLLIN},
                           {.fd = bridge->wakeup, .events = POLLIN}};

    while (!is_over(bridge)) {
        BF_CLEANUP(bf_fd_closep) int client = -1;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            drain_wakeup(bridge);
        if (fds[0].revents)
            client = accept4(bridge->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            serve(bridge, client);
    }
    (void)close(bridge->listener); /* nobody waits for an answer that does not come */
    bridge->listener = -1;
    return NULL;
}

/* Opening and closing */

static int listen_privately(struct bf_virt_bridge *bridge, struct bf_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(bridge->folder, sizeof bridge->folder, "/tmp/bitferry-qmp.XXXXXX");
    if (!mkdtemp(bridge->folder)) {
        bridge->folder[0] = '\0';
        return bf_error_set_errno(err, errno, "cannot make a folder in /tmp");
    }
    (void)snprintf(bridge->path, sizeof bridge->path, "%s/qmp", bridge->folder);
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
    bridge->events_id = -1;
    bridge->lifecycle_id = -1;
    bridge->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bridge->line = malloc(LINE_MAX_BYTES);
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
    r = pthread_create(&bridge->thread, NULL, run, bridge);
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
    if (bridge->events_id >= 0)
        (void)virConnectDomainQemuMonitorEventDeregister(connection, bridge->events_id);
    if (bridge->lifecycle_id >= 0)
        (void)virConnectDomainEventDeregisterAny(connection, bridge->lifecycle_id);
    if (bridge->listener >= 0)
        (void)close(bridge->listener);
    if (bridge->wakeup >= 0)
        (void)close(bridge->wakeup);
    if (bridge->folder[0]) {
        (void)unlink(bridge->path);
        (void)rmdir(bridge->folder);
    }
    (void)pthread_mutex_destroy(&bridge->lock);
    free(bridge->events);
    free(bridge->line);
    free(bridge);
}
