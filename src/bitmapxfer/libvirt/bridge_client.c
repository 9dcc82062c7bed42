/* The bridge's thread: QMP with one client after the other. */
#include "bridge_internal.h"
#include "bridge_words.h"
#include "handles.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <libvirt/libvirt-qemu.h>

enum { SEND_TIMEOUT_S = 30 };

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

/* QEMU's answer to @command, or libvirt's refusal in its stead; NULL: libvirtd is gone. */
static char *carry_out(struct bf_virt_bridge *bridge, const struct bf_bridge_command *command)
{
    BF_CLEANUP(bf_freep) char *result = NULL;
    virErrorPtr error;
    char *refusal = NULL;

    if (virDomainQemuMonitorCommand(bridge->domain->domain, command->text, &result, 0) == 0)
        return bf_bridge_answer(command, result);
    error = virSaveLastError(); /* the next call forgets it */
    if (virConnectIsAlive(bridge->domain->virt->connection) != 0)
        refusal =
            bf_bridge_refusal(command, error && error->message ? error->message : "libvirt failed");
    virFreeError(error);
    return refusal;
}

static bool handle(struct bf_virt_bridge *bridge, int client, const char *line, size_t nr_bytes)
{
    BF_CLEANUP(bf_bridge_command_release) struct bf_bridge_command command = {.text = NULL};
    char *answer;

    if (!bf_bridge_command_read(line, nr_bytes, &command))
        return false;
    answer = command.negotiates ? bf_bridge_answer(&command, "{\"return\":{}}")
                                : carry_out(bridge, &command);
    if (!answer || !send_events(bridge, client)) {
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
    return bridge->nr_line_bytes < BF_BRIDGE_LINE_MAX_BYTES;
}

static bool receive(struct bf_virt_bridge *bridge, int client)
{
    ssize_t got = recv(client, bridge->line + bridge->nr_line_bytes,
                       BF_BRIDGE_LINE_MAX_BYTES - bridge->nr_line_bytes, 0);

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

void *bf_bridge_run(void *ctx)
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
