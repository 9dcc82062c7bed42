#include "serve_command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* In the child. */
static void become(const char *command, const struct bf_listener *listener, bool tls)
{
    char port[8] = "";

    if (listener->port != 0)
        (void)snprintf(port, sizeof port, "%u", listener->port);
    (void)setenv("uri", listener->uri, 1);
    (void)setenv("nbd", listener->uri, 1);
    (void)setenv("unixsocket", listener->socket_path ? listener->socket_path : "", 1);
    (void)setenv("port", port, 1);
    (void)setenv("exportname", "", 1);
    if (tls)
        (void)setenv("tls", "2", 1);
    else
        (void)unsetenv("tls");
    (void)signal(SIGPIPE, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

int bf_serve_command_start(const char *command, const struct bf_listener *listener, bool tls,
                           struct bf_serve_command *ret_running, struct bf_error *err)
{
    pid_t pid = fork();
    int ret = 0;

    if (pid < 0)
        return bf_error_set_errno(err, errno, "cannot start a shell");
    if (pid == 0)
        become(command, listener, tls);
    /* As system(3): Ctrl-C is for the command, which may be a shell that goes on after it. */
    (void)signal(SIGINT, SIG_IGN);
    *ret_running = (struct bf_serve_command){.pid = pid, .pid_fd = pidfd_open(pid, 0)};
    if (ret_running->pid_fd < 0) {
        ret = bf_error_set_errno(err, errno, "cannot watch the command");
        (void)bf_serve_command_end(ret_running, SIGTERM);
    }
    return ret;
}

int bf_serve_command_end(struct bf_serve_command *running, int signum)
{
    int status = 0;

    if (signum != 0)
        (void)kill(running->pid, SIGTERM);
    while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR)
        ;
    bf_fd_closep(&running->pid_fd);
    running->pid_fd = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
