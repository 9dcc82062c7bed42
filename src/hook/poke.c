#include "poke.h"

#include "base/cleanup.h"
#include "daemon/control.h"
#include "deadline.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LOG_DAEMON_WARNING = 3 << 3 | 4 }; /* syslog(3) */

static int connect_to(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    BF_CLEANUP(bf_fd_closep) int fd = -1;

    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* On a Unix socket this is done at once, or fails: EAGAIN means that too many wait already. */
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return bf_steal_fd(&fd);
}

static bool send_all(int fd, const char *text, size_t nr_bytes, int64_t deadline_ms)
{
    size_t at = 0;

    while (at < nr_bytes && deadline_wait(fd, POLLOUT, deadline_ms)) {
        ssize_t sent = send(fd, text + at, nr_bytes - at, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        at += sent > 0 ? (size_t)sent : 0;
    }
    return at == nr_bytes;
}

static char *request_line(const struct poke *poke)
{
    json_t *request = json_pack("{s:i, s:s, s:s, s:s, s:s}", "schema", BF_CONTROL_SCHEMA, "op",
                                "hook", "event", poke->event, "vm", poke->vm, "uuid", poke->uuid);
    BF_CLEANUP(bf_freep) char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    char *line = NULL;

    json_decref(request);
    return text && asprintf(&line, "%s\n", text) >= 0 ? line : NULL;
}

bool poke_send(const struct poke *poke, const char *path, int64_t deadline_ms)
{
    BF_CLEANUP(bf_freep) char *line = request_line(poke);
    BF_CLEANUP(bf_fd_closep) int fd = line ? connect_to(path, SOCK_STREAM) : -1;

    return fd >= 0 && send_all(fd, line, strlen(line), deadline_ms);
}

void poke_warn(const struct poke *poke)
{
    char line[512];
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int nr_bytes = snprintf(line, sizeof line,
                            "<%d>bitferry-hook: no daemon could be told of '%s' of the VM %.200s: "
                            "its move goes on without bitferry",
                            LOG_DAEMON_WARNING, poke->event, poke->vm);

    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    (void)fprintf(stderr, "%s\n", strchr(line, '>') + 1);
    fd = connect_to("/dev/log", SOCK_DGRAM);
    if (fd >= 0)
        (void)send(fd, line, (size_t)nr_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}
