#include "nbdkit_child.h"

#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
    START_DEADLINE_MS = 30000,
    STOP_DEADLINE_MS = 5000,
    EXIT_CANNOT_EXEC = 127,
    FIRST_LISTEN_FD = 3, /* sd_listen_fds(3) */
    FIXED_ARGUMENTS = 16,
};

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
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

/* What connects us with the child while it starts. */
struct pipes {
    int ready[2];    /* nbdkit writes its "pid file" there when it serves */
    int messages[2]; /* its stderr */
};

static void close_pipes(struct pipes *pipes)
{
    for (int i = 0; i < 2; i++) {
        bf_fd_closep(&pipes->ready[i]);
        bf_fd_closep(&pipes->messages[i]);
    }
}

/* In the child.  Sockets go to 3 and on, the pipes behind them: first up, out of the way. */
static void become(const char **argv, const struct bf_listener *listener, const struct pipes *pipes)
{
    int nr_fds = (int)listener->nr_fds;
    int above = FIRST_LISTEN_FD + BF_LISTENER_SOCKETS_MAX + 2;
    int fds[BF_LISTENER_SOCKETS_MAX + 1];
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    char text[32];

    for (int i = 0; i < nr_fds; i++)
        fds[i] = fcntl(listener->fds[i], F_DUPFD_CLOEXEC, above);
    fds[nr_fds] = fcntl(pipes->ready[1], F_DUPFD_CLOEXEC, above);
    (void)dup2(null_fd, STDIN_FILENO);
    (void)dup2(null_fd, STDOUT_FILENO);
    (void)dup2(pipes->messages[1], STDERR_FILENO);
    for (int i = 0; i <= nr_fds; i++) {
        if (dup2(fds[i], FIRST_LISTEN_FD + i) < 0)
            _exit(EXIT_CANNOT_EXEC);
    }
    (void)snprintf(text, sizeof text, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", text, 1);
    (void)snprintf(text, sizeof text, "%d", nr_fds);
    (void)setenv("LISTEN_FDS", text, 1);
    /* A terminal's Ctrl-C is for us: we end nbdkit when its clients are done. */
    (void)setpgid(0, 0);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)execvp(argv[0], (char *const *)argv);
    (void)fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(EXIT_CANNOT_EXEC);
}

/* Free the array, not the strings; the two that are made here live in @tls and @pid_file. */
static const char **make_arguments(const struct bf_nbdkit_request *request, const char *plugin,
                                   char *pid_file, size_t pid_file_bytes, char *tls,
                                   size_t tls_bytes)
{
    const char **argv = calloc(FIXED_ARGUMENTS + request->nr_parameters, sizeof *argv);
    size_t nr = 0;

    if (!argv)
        return NULL;
    (void)snprintf(pid_file, pid_file_bytes, "/dev/fd/%zu",
                   FIRST_LISTEN_FD + request->listener->nr_fds);
    argv[nr++] = request->nbdkit ? request->nbdkit : "nbdkit";
    argv[nr++] = "--foreground";
    argv[nr++] = "--exit-with-parent";
    argv[nr++] = "--readonly";
    argv[nr++] = "--threads=4"; /* of each connection; with the default of 16 their start and their
                                   turns cost more than they bring (measured) */
    argv[nr++] = "--pidfile";
    argv[nr++] = pid_file;
    if (request->tls_certificates) {
        (void)snprintf(tls, tls_bytes, "--tls-certificates=%s", request->tls_certificates);
        argv[nr++] = "--tls=require";
        argv[nr++] = "--tls-verify-peer";
        argv[nr++] = tls;
    } else {
        argv[nr++] = "--tls=off";
    }
    argv[nr++] = plugin;
    for (size_t i = 0; i < request->nr_parameters; i++)
        argv[nr++] = request->parameters[i];
    return argv;
}

static int spawn(const struct bf_nbdkit_request *request, const struct pipes *pipes,
                 struct bf_nbdkit *nbdkit, struct bf_error *err)
{
    char plugin[PATH_MAX];
    char pid_file[32];
    char tls[PATH_MAX + 32];
    BF_CLEANUP(bf_freep)
    const char **argv =
        make_arguments(request, plugin_path(plugin), pid_file, sizeof pid_file, tls, sizeof tls);

    if (!argv)
        return no_memory(err);
    nbdkit->pid = fork();
    if (nbdkit->pid < 0)
        return bf_error_set_errno(err, errno, "cannot start %s", argv[0]);
    if (nbdkit->pid == 0)
        become(argv, request->listener, pipes);
    nbdkit->pid_fd = pidfd_open(nbdkit->pid, 0);
    return nbdkit->pid_fd < 0 ? bf_error_set_errno(err, errno, "cannot watch %s", argv[0]) : 0;
}

/* The last line that nbdkit has said, without its own prefix. */
static void last_words(int messages, char *buf, size_t nr_bytes)
{
    size_t used = 0;
    ssize_t got;
    char *line;

    while (used < nr_bytes - 1 && (got = read(messages, buf + used, nr_bytes - 1 - used)) > 0)
        used += (size_t)got;
    while (used > 0 && buf[used - 1] == '\n')
        used--;
    buf[used] = '\0';
    line = strrchr(buf, '\n');
    line = line ? line + 1 : buf;
    if (strncmp(line, "nbdkit: ", 8) == 0)
        line += 8;
    memmove(buf, line, strlen(line) + 1);
}

/* Until nbdkit has written its pid, or is gone. */
static int wait_ready(const struct bf_nbdkit *nbdkit, int ready, struct bf_error *err)
{
    struct pollfd fds[] = {
        {.fd = ready, .events = POLLIN},
        {.fd = nbdkit->pid_fd, .events = POLLIN},
        {.fd = bf_interrupt_fd(), .events = POLLIN},
    };
    char words[1024];
    int nr;

    do {
        nr = poll(fds, sizeof fds / sizeof fds[0], START_DEADLINE_MS);
    } while (nr < 0 && errno == EINTR && !bf_interrupted());
    if (bf_interrupted())
        return bf_interrupt_check(err);
    if (nr == 0)
        return bf_error_set(err, BF_E_DEADLINE, "nbdkit did not start within %d s",
                            START_DEADLINE_MS / 1000);
    if (fds[0].revents & POLLIN)
        return 0;
    last_words(nbdkit->messages, words, sizeof words);
    return bf_error_set(err, BF_E_CHILD_FAILED, "nbdkit could not start: %s",
                        words[0] ? words : "it does not say why");
}

int bf_nbdkit_start(const struct bf_nbdkit_request *request, struct bf_nbdkit *ret_nbdkit,
                    struct bf_error *err)
{
    struct pipes pipes = {{-1, -1}, {-1, -1}};
    struct bf_nbdkit nbdkit = {.pid = -1, .pid_fd = -1, .messages = -1};
    int ret = 0;

    if (pipe2(pipes.ready, O_CLOEXEC) < 0 || pipe2(pipes.messages, O_CLOEXEC) < 0 ||
        fcntl(pipes.messages[0], F_SETFL, O_NONBLOCK) < 0)
        ret = bf_error_set_errno(err, errno, "cannot make a pipe");
    if (ret == 0)
        ret = spawn(request, &pipes, &nbdkit, err);
    if (ret == 0) {
        nbdkit.messages = bf_steal_fd(&pipes.messages[0]);
        ret = wait_ready(&nbdkit, pipes.ready[0], err);
    }
    close_pipes(&pipes);
    if (ret < 0)
        bf_nbdkit_stop(&nbdkit);
    else
        *ret_nbdkit = nbdkit;
    return ret;
}

void bf_nbdkit_forward(const struct bf_nbdkit *nbdkit)
{
    char buf[4096];
    ssize_t got;

    while ((got = read(nbdkit->messages, buf, sizeof buf)) > 0)
        (void)fwrite(buf, 1, (size_t)got, stderr);
}

void bf_nbdkit_stop(struct bf_nbdkit *nbdkit)
{
    struct pollfd ended = {.fd = nbdkit->pid_fd, .events = POLLIN};
    int nr = 0;

    if (nbdkit->pid > 0) {
        (void)kill(nbdkit->pid, SIGTERM);
        do {
            nr = poll(&ended, 1, STOP_DEADLINE_MS);
        } while (nr < 0 && errno == EINTR);
        if (nr <= 0)
            (void)kill(nbdkit->pid, SIGKILL);
        while (waitpid(nbdkit->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (nbdkit->messages >= 0)
        bf_nbdkit_forward(nbdkit);
    bf_fd_closep(&nbdkit->messages);
    bf_fd_closep(&nbdkit->pid_fd);
    *nbdkit = (struct bf_nbdkit){.pid = -1, .pid_fd = -1, .messages = -1};
}
