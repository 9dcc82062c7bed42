#include "control_server.h"

#include "base/cleanup.h"
#include "daemon/log.h"
#include "private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* With more users than our own, the folder may be passed and the socket opened by all, and the
 * credentials decide; else not even that. */
static mode_t folder_mode(const struct bf_config *config)
{
    return config->nr_allow_uids > 0 ? 0711 : 0700;
}

static mode_t socket_mode(const struct bf_config *config)
{
    return config->nr_allow_uids > 0 ? 0666 : 0600;
}

bool bf_control_uid_allowed(const struct bf_config *config, uid_t uid)
{
    for (size_t i = 0; i < config->nr_allow_uids; i++) {
        if (config->allow_uids[i] == uid)
            return true;
    }
    return uid == 0 || uid == geteuid();
}

static void on_incoming(uv_stream_t *listener, int status)
{
    struct bf_control_server *server = listener->data;

    if (status == 0)
        bf_connection_accept(server);
    else
        bf_log(BF_LOG_WARNING, "a client could not connect: %s", uv_strerror(status));
}

/* The folder is ours and locked, so a socket in it is what a killed daemon left. */
static int remove_stale(const struct bf_control_server *server, struct bf_error *err)
{
    struct stat st;

    if (fstatat(server->folder_fd, BF_CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return bf_error_set(err, BF_E_EXISTS, "%s/%s is there and no socket: remove it",
                            server->config->run_dir, BF_CONTROL_NAME);
    if (unlinkat(server->folder_fd, BF_CONTROL_NAME, 0) < 0)
        return bf_error_set_errno(err, errno, "cannot remove the old socket in %s",
                                  server->config->run_dir);
    return 0;
}

/* bind() makes the socket with the modes that the umask leaves: closed, until it is opened. */
static int bind_and_listen(struct bf_control_server *server, struct bf_error *err)
{
    char path[BF_CONFIG_PATH_MAX_BYTES + sizeof "/" BF_CONTROL_NAME];
    mode_t before;
    int r;

    (void)snprintf(path, sizeof path, "%s/%s", server->config->run_dir, BF_CONTROL_NAME);
    before = umask(0177);
    r = uv_pipe_bind(&server->listener, path);
    (void)umask(before);
    if (r == 0 && chmod(path, socket_mode(server->config)) < 0)
        r = -errno;
    if (r == 0)
        r = uv_listen((uv_stream_t *)&server->listener, SOMAXCONN, on_incoming);
    if (r < 0)
        return bf_error_set_errno(err, -r, "cannot listen on %s", path);
    server->listening = true;
    return 0;
}

int bf_control_server_open(struct bf_control_server *server, uv_loop_t *loop,
                           const struct bf_config *config,
                           const struct bf_connection_handlers *handlers, void *ctx,
                           struct bf_error *err)
{
    int r;

    *server = (struct bf_control_server){
        .loop = loop,
        .config = config,
        .handlers = handlers,
        .ctx = ctx,
        .folder_fd = -1,
        .lock_fd = -1,
    };
    (void)uv_pipe_init(loop, &server->listener, 0); /* cannot fail on Unix */
    server->listener.data = server;
    r = bf_private_folder_open(AT_FDCWD, config->run_dir, folder_mode(config), &server->folder_fd,
                               err);
    if (r == 0)
        r = bf_private_folder_lock(server->folder_fd, "lock", config->run_dir, &server->lock_fd,
                                   err);
    if (r == 0)
        r = remove_stale(server, err);
    if (r == 0)
        r = bind_and_listen(server, err);
    if (r < 0)
        bf_control_server_close(server);
    return r;
}

void bf_control_server_close(struct bf_control_server *server)
{
    struct bf_connection *next;

    if (server->listening)
        (void)unlinkat(server->folder_fd, BF_CONTROL_NAME, 0);
    server->listening = false;
    if (!uv_is_closing((uv_handle_t *)&server->listener))
        uv_close((uv_handle_t *)&server->listener, NULL);
    for (struct bf_connection *each = server->connections; each; each = next) {
        next = each->next;
        bf_connection_end(each);
    }
    bf_fd_closep(&server->lock_fd);
    bf_fd_closep(&server->folder_fd);
    server->lock_fd = server->folder_fd = -1;
}

void bf_control_server_drop(struct bf_control_server *server)
{
    struct bf_connection *next;

    for (struct bf_connection *each = server->connections; each; each = next) {
        next = each->next;
        bf_connection_close(each);
    }
}
