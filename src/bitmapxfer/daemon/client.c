#include "daemon/client.h"

#include "daemon/control.h"
#include "daemon/lines.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { CALL_TIMEOUT_MS = 30000 };

struct bf_client {
    int fd;
    int interrupt_fd;
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    struct bf_lines lines;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int left_ms(int64_t deadline_ms)
{
    int64_t left = deadline_ms - now_ms();

    return deadline_ms < 0 ? -1 : left > 0 ? (int)left : 0;
}

/* Until the socket is ready for @events.  @deadline_ms -1: none. */
static int wait_ready(const struct bf_client *client, short events, int64_t deadline_ms,
                      struct bf_error *err)
{
    struct pollfd fds[2] = {
        {.fd = client->fd, .events = events},
        {.fd = client->interrupt_fd, .events = POLLIN},
    };
    int r;

    do {
        r = poll(fds, 2, left_ms(deadline_ms));
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return bf_error_set_errno(err, errno, "cannot wait for the daemon");
    if (r == 0)
        return bf_error_set(err, BF_E_DEADLINE, "the daemon at %s does not answer", client->path);
    if (fds[1].revents != 0)
        return bf_error_set(err, BF_E_INTERRUPTED, "ended by a signal (the daemon goes on)");
    return 0;
}

static int open_socket(struct bf_client *client, struct bf_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, client->path, sizeof address.sun_path);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a socket");
    if (connect(client->fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    if (errno == ENOENT || errno == ECONNREFUSED)
        return bf_error_set(err, BF_E_PEER,
                            "no daemon listens at %s: is it running? (systemctl status "
                            "bitferry-source bitferry-dest; --socket names another place)",
                            client->path);
    return bf_error_set_errno(err, errno, "cannot connect to the daemon at %s", client->path);
}

int bf_client_open(const char *path, int interrupt_fd, struct bf_client **ret_client,
                   struct bf_error *err)
{
    BF_CLEANUP(bf_client_closep) struct bf_client *client = calloc(1, sizeof *client);
    int r;

    if (!client)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    client->fd = -1;
    client->interrupt_fd = interrupt_fd;
    bf_lines_init(&client->lines, BF_CONTROL_REPLY_MAX_BYTES);
    if (path[0] == '\0' || strlen(path) >= sizeof client->path)
        return bf_error_set(err, BF_E_INVALID, "the path of a socket has 1 to %zu bytes, '%s' %zu",
                            sizeof client->path - 1, path, strlen(path));
    memcpy(client->path, path, strlen(path));
    r = open_socket(client, err);
    if (r < 0)
        return r;
    *ret_client = bf_steal_ptr(&client);
    return 0;
}

void bf_client_close(struct bf_client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    bf_lines_release(&client->lines);
    free(client);
}

int bf_client_send(struct bf_client *client, json_t *request, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = NULL;
    int64_t deadline_ms = now_ms() + CALL_TIMEOUT_MS;
    size_t nr_bytes;
    size_t at = 0;

    if (json_object_set_new(request, "schema", json_integer(BF_CONTROL_SCHEMA)) == 0)
        text = json_dumps(request, JSON_COMPACT);
    if (!text)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a request");
    nr_bytes = strlen(text) + 1;
    text[nr_bytes - 1] = '\n'; /* instead of the NUL */
    while (at < nr_bytes) {
        ssize_t sent;
        int r = wait_ready(client, POLLOUT, deadline_ms, err);

        if (r < 0)
            return r;
        sent = send(client->fd, text + at, nr_bytes - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        /* A daemon that refuses us closes, and its reason may still be read. */
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return bf_error_set_errno(err, errno, "cannot write to the daemon");
        at += sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

static int read_more(struct bf_client *client, int64_t deadline_ms, struct bf_error *err)
{
    char *room = NULL;
    size_t room_bytes = 0;
    ssize_t got;
    int r = wait_ready(client, POLLIN, deadline_ms, err);

    if (r < 0)
        return r;
    if (bf_lines_reserve(&client->lines, &room, &room_bytes) < 0)
        return bf_error_set(err, BF_E_LIMIT, "the daemon's answer is too long");
    got = recv(client->fd, room, room_bytes, 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return bf_error_set(err, BF_E_PEER, "the daemon closed the connection");
    if (got < 0)
        return errno == EINTR ? 0 : bf_error_set_errno(err, errno, "cannot read from the daemon");
    bf_lines_commit(&client->lines, (size_t)got);
    return 0;
}

static enum bf_code find_code(const char *name)
{
    static const enum bf_code codes[] = {
#define BF_LIST_CODE(code, errnum, exit_code) BF_E_##code,
        BF_ERROR_CODES(BF_LIST_CODE)
#undef BF_LIST_CODE
    };

    for (size_t i = 1; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(bf_code_name(codes[i]), name) == 0)
            return codes[i];
    }
    return BF_E_PEER; /* a newer daemon's */
}

static int judge(json_t *reply, struct bf_error *err)
{
    const json_t *error = json_object_get(reply, "error");
    const char *code = json_string_value(json_object_get(error, "code"));
    const char *message = json_string_value(json_object_get(error, "message"));

    if (json_integer_value(json_object_get(reply, "schema")) != BF_CONTROL_SCHEMA)
        return bf_error_set(err, BF_E_VERSION, "the daemon speaks another version of the protocol");
    if (json_is_true(json_object_get(reply, "ok")))
        return 0;
    if (!code || !message)
        return bf_error_set(err, BF_E_PROTOCOL, "the daemon's answer is none");
    return bf_error_set(err, find_code(code), "%s", message);
}

int bf_client_receive(struct bf_client *client, int timeout_ms, json_t **ret_reply,
                      struct bf_error *err)
{
    int64_t deadline_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
    BF_CLEANUP(json_decrefp) json_t *reply = NULL;
    size_t line_bytes = 0;
    const char *line;
    int r;

    while (!(line = bf_lines_next(&client->lines, &line_bytes))) {
        r = read_more(client, deadline_ms, err);
        if (r < 0)
            return r;
    }
    reply = json_loadb(line, line_bytes, 0, NULL);
    if (!json_is_object(reply))
        return bf_error_set(err, BF_E_PROTOCOL, "the daemon's answer is no JSON object");
    r = judge(reply, err);
    if (r == 0)
        *ret_reply = bf_steal_ptr(&reply);
    return r;
}

int bf_client_call(struct bf_client *client, json_t *request, json_t **ret_reply,
                   struct bf_error *err)
{
    int r = bf_client_send(client, request, err);

    return r < 0 ? r : bf_client_receive(client, CALL_TIMEOUT_MS, ret_reply, err);
}
