#include "drive/server.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/log.h"
#include "daemon/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum {
    STOP_GRACE_MS = 3000,
    FIXED_ARGUMENTS = 20,
    PARAMETER_BYTES = PATH_MAX + 32,
    PID_BYTES = 24
};

struct bf_server {
    uv_loop_t *loop;
    int listen_fd;
    uint16_t port;
    uint8_t token[BF_SERVER_TOKEN_BYTES];
    char *tls; /* the option for nbdkit; NULL: plain TCP */
    bool verify_peer;
    char *log_path;
    char *token_path;
    char **parameters; /* late=DISK=PATH */
    size_t nr_parameters;
    struct bf_process *process;
    unsigned restarts;
    bool wanted;  /* something is to be served */
    bool restart; /* when the old child is gone */
    bool freed;
    bf_server_failed *failed;
    void (*closed)(void *ctx);
    void *ctx;
};

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory to serve bitmaps");
}

static void release_parameters(struct bf_server *server)
{
    for (size_t i = 0; i < server->nr_parameters; i++)
        free(server->parameters[i]);
    free(server->parameters);
    server->parameters = NULL;
    server->nr_parameters = 0;
}

static void release(struct bf_server *server)
{
    release_parameters(server);
    if (server->listen_fd >= 0)
        (void)close(server->listen_fd);
    free(server->tls);
    if (server->token_path)
        (void)unlink(server->token_path);
    free(server->log_path);
    free(server->token_path);
    free(server);
}

/* Our plugin beside this program, as in the build folder; else by name, where nbdkit has its own.
 */
static const char *plugin_path(char buf[PATH_MAX])
{
    static const char file[] = "nbdkit-bitferry-plugin.so";
    ssize_t length = readlink("/proc/self/exe", buf, PATH_MAX - sizeof file);
    char *slash;

    if (length < 0)
        return "bitferry";
    buf[length] = '\0';
    slash = strrchr(buf, '/');
    if (!slash)
        return "bitferry";
    memcpy(slash + 1, file, sizeof file);
    return access(buf, R_OK) == 0 ? buf : "bitferry";
}

static void on_exited(void *ctx, struct bf_process *process, int64_t status, int signum);

/* nbdkit takes a socket of ours as systemd would give it, and wants its own pid in LISTEN_PID: the
 * shell knows it, and becomes nbdkit.  Our plugin ends it should we be gone by then. */
static void fill_argv(const struct bf_server *server, const char **argv, char *self, char *plugin,
                      char *token)
{
    enum { SELF = 3 };
    static const char *const fixed[] = {"sh",
                                        "-c",
                                        "LISTEN_PID=$$ LISTEN_FDS=1 BITFERRY_PARENT=$0 exec \"$@\"",
                                        "",
                                        "nbdkit",
                                        "--foreground",
                                        "--exit-with-parent",
                                        "--readonly"};
    size_t nr = sizeof fixed / sizeof fixed[0];

    memcpy(argv, fixed, sizeof fixed);
    (void)snprintf(self, PID_BYTES, "%ld", (long)getpid());
    argv[SELF] = self;
    argv[nr++] = server->tls ? "--tls=require" : "--tls=off";
    if (server->tls)
        argv[nr++] = server->tls;
    if (server->verify_peer)
        argv[nr++] = "--tls-verify-peer";
    argv[nr++] = plugin_path(plugin);
    (void)snprintf(token, PARAMETER_BYTES, "token=+%s", server->token_path);
    argv[nr++] = token;
    for (size_t i = 0; i < server->nr_parameters; i++)
        argv[nr++] = server->parameters[i];
}

static int spawn(struct bf_server *server, struct bf_error *err)
{
    char self[PID_BYTES];
    char plugin[PATH_MAX];
    char token[PARAMETER_BYTES];
    BF_CLEANUP(bf_freep)
    const char **argv = calloc(FIXED_ARGUMENTS + server->nr_parameters, sizeof *argv);
    BF_CLEANUP(bf_fd_closep)
    int log_fd = open(server->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (!argv)
        return no_memory(err);
    if (log_fd < 0)
        return bf_error_set_errno(err, errno, "cannot write %s", server->log_path);
    fill_argv(server, argv, self, plugin, token);
    return bf_process_start(server->loop, argv, log_fd, server->listen_fd, on_exited, server,
                            &server->process, err);
}

static void fail(struct bf_server *server, struct bf_error *err)
{
    server->wanted = false;
    server->failed(server->ctx, err);
}

static void on_exited(void *ctx, struct bf_process *process, int64_t status, int signum)
{
    struct bf_server *server = ctx;
    struct bf_error err = BF_ERROR_INIT;

    (void)process;
    server->process = NULL;
    if (server->freed) {
        if (server->closed)
            server->closed(server->ctx);
        release(server);
        return;
    }
    if (!server->wanted)
        return;
    if (!server->restart && ++server->restarts > BF_SERVER_RESTARTS_MAX) {
        (void)bf_error_set(&err, BF_E_CHILD_FAILED,
                           "nbdkit ended again and again (status %lld, signal %d): see %s",
                           (long long)status, signum, server->log_path);
        fail(server, &err);
        return;
    }
    if (!server->restart)
        bf_log(BF_LOG_WARNING, "nbdkit ended (status %lld, signal %d): it is started again",
               (long long)status, signum);
    server->restart = false;
    if (spawn(server, &err) < 0)
        fail(server, &err);
}

static int parse_address(const char *text, struct sockaddr_storage *ret_address,
                         socklen_t *ret_length)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(ret_address, &in, sizeof in);
        *ret_length = sizeof in;
        return 0;
    }
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        memcpy(ret_address, &in6, sizeof in6);
        *ret_length = sizeof in6;
        return 0;
    }
    return -1;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (address->ss_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    memcpy(&in6, address, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    struct sockaddr_in6 in6; /* the port is at the same place in both */

    memcpy(&in6, address, sizeof in6);
    return ntohs(in6.sin6_port);
}

static int bind_socket(struct bf_server *server, const struct bf_server_spec *spec,
                       struct bf_error *err)
{
    struct sockaddr_storage address = {0};
    socklen_t length = 0;

    if (parse_address(spec->address, &address, &length) < 0)
        return bf_error_set(err, BF_E_INVALID, "'%.100s' is no address to serve bitmaps on",
                            spec->address);
    if (!server->tls && !is_loopback(&address))
        return bf_error_set(err, BF_E_PERMISSION,
                            "without TLS bitmaps are served on loopback only, not on %s",
                            spec->address);
    server->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (server->listen_fd < 0 ||
        bind(server->listen_fd, (const struct sockaddr *)&address, length) < 0 ||
        listen(server->listen_fd, SOMAXCONN) < 0 ||
        getsockname(server->listen_fd, (struct sockaddr *)&address, &length) < 0)
        return bf_error_set_errno(err, errno, "cannot serve bitmaps on %s", spec->address);
    server->port = port_of(&address);
    return 0;
}

static int write_token(struct bf_server *server, struct bf_error *err)
{
    char text[BF_SERVER_TOKEN_BYTES * 2 + 1];
    BF_CLEANUP(bf_fd_closep) int fd = -1;

    if (getrandom(server->token, sizeof server->token, 0) != sizeof server->token)
        return bf_error_set_errno(err, errno, "cannot draw a random token");
    bf_hex_encode(server->token, sizeof server->token, text);
    (void)unlink(server->token_path);
    fd = open(server->token_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, sizeof text - 1) != sizeof text - 1)
        return bf_error_set_errno(err, errno, "cannot write %s", server->token_path);
    return 0;
}

/* With keys a client has proven itself when the handshake succeeds. */
static int set_tls(struct bf_server *server, const struct bf_server_spec *spec,
                   struct bf_error *err)
{
    int r = 0;

    server->verify_peer = spec->tls_certificates != NULL;
    if (spec->tls_certificates)
        r = asprintf(&server->tls, "--tls-certificates=%s", spec->tls_certificates);
    else if (spec->psk_file)
        r = asprintf(&server->tls, "--tls-psk=%s", spec->psk_file);
    if (r >= 0)
        return 0;
    server->tls = NULL;
    return no_memory(err);
}

static int set_up(struct bf_server *server, const struct bf_server_spec *spec, struct bf_error *err)
{
    int r;

    r = set_tls(server, spec, err);
    if (r < 0)
        return r;
    if (asprintf(&server->log_path, "%s/nbdkit.log", spec->folder) < 0)
        server->log_path = NULL;
    if (asprintf(&server->token_path, "%s/token", spec->folder) < 0)
        server->token_path = NULL;
    if (!server->log_path || !server->token_path)
        return no_memory(err);
    r = write_token(server, err);
    return r < 0 ? r : bind_socket(server, spec, err);
}

int bf_server_new(uv_loop_t *loop, const struct bf_server_spec *spec, bf_server_failed *failed,
                  void *ctx, struct bf_server **ret_server, struct bf_error *err)
{
    struct bf_server *server = calloc(1, sizeof *server);
    int r;

    if (!server)
        return no_memory(err);
    *server = (struct bf_server){.loop = loop, .listen_fd = -1, .failed = failed, .ctx = ctx};
    r = set_up(server, spec, err);
    if (r < 0)
        release(server);
    else
        *ret_server = server;
    return r;
}

static int set_parameters(struct bf_server *server, const struct bf_server_carrier *carriers,
                          size_t nr_carriers, struct bf_error *err)
{
    release_parameters(server);
    server->parameters = calloc(nr_carriers + 1, sizeof *server->parameters);
    if (!server->parameters)
        return no_memory(err);
    for (size_t i = 0; i < nr_carriers; i++) {
        if (asprintf(&server->parameters[i], "late=%s=%s", carriers[i].disk, carriers[i].path) < 0)
            return no_memory(err);
        server->nr_parameters++;
    }
    return 0;
}

int bf_server_serve(struct bf_server *server, const struct bf_server_carrier *carriers,
                    size_t nr_carriers, struct bf_error *err)
{
    int r = set_parameters(server, carriers, nr_carriers, err);

    if (r < 0)
        return r;
    server->wanted = true;
    server->restarts = 0;
    server->restart = server->process != NULL;
    if (!server->process)
        return spawn(server, err);
    bf_process_stop(server->process, STOP_GRACE_MS);
    return 0;
}

uint16_t bf_server_port(const struct bf_server *server)
{
    return server->port;
}

const uint8_t *bf_server_token(const struct bf_server *server)
{
    return server->token;
}

void bf_server_stop(struct bf_server *server)
{
    server->wanted = false;
    server->restart = false;
    if (server->process)
        bf_process_stop(server->process, STOP_GRACE_MS);
}

void bf_server_free(struct bf_server *server, void (*closed)(void *ctx), void *ctx)
{
    bf_server_stop(server);
    server->freed = true;
    server->closed = closed;
    server->ctx = ctx;
    if (server->process)
        return;
    if (closed)
        closed(ctx);
    release(server);
}
