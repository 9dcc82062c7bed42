#include "storage_daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CHARDEV_TEXT_MAX = 48 };

/* A comma in a value of a -object option is written twice (QEMU, "Key values"). */
char *bf_secret_object(const char *key_file)
{
    static const char head[] = "secret,id=key,file=";
    char *text = malloc(sizeof head + 2 * strlen(key_file));
    char *to = text;

    if (!text)
        return NULL;
    to = stpcpy(to, head);
    for (; *key_file; key_file++) {
        if (*key_file == ',')
            *to++ = ',';
        *to++ = *key_file;
    }
    *to = '\0';
    return text;
}

static int spawn(const struct bf_storage_daemon_options *options, int qmp_fd,
                 struct bf_child *ret_child, struct bf_error *err)
{
    char chardev[CHARDEV_TEXT_MAX];
    BF_CLEANUP(bf_freep) char *secret = NULL;
    const char *argv[] = {options->program ? options->program : "qemu-storage-daemon",
                          "--chardev",
                          chardev,
                          "--monitor",
                          "chardev=qmp",
                          NULL,
                          NULL,
                          NULL};

    (void)snprintf(chardev, sizeof chardev, "socket,id=qmp,fd=%d", qmp_fd);
    if (options->key_file) {
        secret = bf_secret_object(options->key_file);
        if (!secret)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
        argv[5] = "--object";
        argv[6] = secret;
    }
    return bf_child_start(argv, qmp_fd, options->log_path, ret_child, err);
}

/* When the connection broke because the daemon died, say why it died. */
static int explain(struct bf_storage_daemon *daemon, const struct bf_error *why,
                   struct bf_error *err)
{
    struct bf_error death = BF_ERROR_INIT;

    if (why->code == BF_E_PEER && daemon->child.pid > 0 &&
        bf_child_wait(&daemon->child, daemon->deadline_ms, &death) < 0)
        return bf_error_set(err, death.code, "%s", death.text);
    return bf_error_set(err, why->code, "%s", why->text);
}

int bf_storage_daemon_start(const struct bf_storage_daemon_options *options,
                            struct bf_storage_daemon **ret_daemon, struct bf_error *err)
{
    BF_CLEANUP(bf_storage_daemon_freep) struct bf_storage_daemon *daemon = NULL;
    BF_CLEANUP(bf_fd_closep) int theirs = -1;
    struct bf_error why = BF_ERROR_INIT;
    int fds[2];
    int r;

    daemon = calloc(1, sizeof *daemon);
    if (!daemon || uv_loop_init(&daemon->loop) != 0) {
        free(bf_steal_ptr(&daemon));
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    }
    daemon->deadline_ms = options->deadline_ms;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return bf_error_set_errno(err, errno, "cannot make a socket pair");
    theirs = fds[1];
    r = spawn(options, theirs, &daemon->child, err);
    if (r < 0) {
        (void)close(fds[0]);
        return r;
    }
    r = bf_qmp_open_fd(&daemon->loop, fds[0], options->deadline_ms, NULL, &daemon->qmp, err);
    if (r < 0)
        return r;
    (void)close(bf_steal_fd(&theirs)); /* so that its death closes the connection */
    if (bf_qmp_wait_ready(daemon->qmp, &why) < 0)
        return explain(daemon, &why, err);
    *ret_daemon = bf_steal_ptr(&daemon);
    return 0;
}

int bf_storage_daemon_call(struct bf_storage_daemon *daemon, const char *command, json_t *arguments,
                           json_t **ret_result, struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;

    if (bf_qmp_call(daemon->qmp, command, arguments, daemon->deadline_ms, ret_result, &why) < 0)
        return explain(daemon, &why, err);
    return 0;
}

int bf_storage_daemon_quit(struct bf_storage_daemon *daemon, struct bf_error *err)
{
    int r = bf_storage_daemon_call(daemon, "quit", NULL, NULL, err);

    return r < 0 ? r : bf_child_wait(&daemon->child, daemon->deadline_ms, err);
}

void bf_storage_daemon_free(struct bf_storage_daemon *daemon)
{
    if (daemon->qmp)
        bf_qmp_close_wait(daemon->qmp);
    bf_child_kill(&daemon->child);
    (void)uv_loop_close(&daemon->loop);
    free(daemon);
}
