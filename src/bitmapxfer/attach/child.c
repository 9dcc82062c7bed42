#include "attach/child.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_CANNOT_EXEC = 127 };

/* Our environment with LC_ALL=C in front, which makes the messages ones that can be understood. */
static char **plain_environment(void)
{
    size_t nr = 0;
    char **copy;

    while (environ[nr])
        nr++;
    copy = calloc(nr + 2, sizeof *copy);
    if (!copy)
        return NULL;
    copy[0] = (char *)(uintptr_t) "LC_ALL=C";
    nr = 1;
    for (char **variable = environ; *variable; variable++) {
        if (strncmp(*variable, "LC_ALL=", 7) != 0)
            copy[nr++] = *variable;
    }
    return copy;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(const char *const argv[], char **env, int keep_fd, int log_fd, pid_t parent)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    /* A terminal's Ctrl-C is for us: we end the child in good order. */
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || null_fd < 0)
        _exit(EXIT_CANNOT_EXEC);
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0)
        _exit(EXIT_CANNOT_EXEC);
    if (keep_fd >= 0 && fcntl(keep_fd, F_SETFD, 0) < 0)
        _exit(EXIT_CANNOT_EXEC);
    (void)execvpe(argv[0], (char *const *)(uintptr_t)argv, env);
    _exit(EXIT_CANNOT_EXEC);
}

int bf_child_start(const char *const argv[], int keep_fd, const char *log_path,
                   struct bf_child *ret_child, struct bf_error *err)
{
    struct bf_child child = {.program = argv[0]};
    pid_t parent = getpid();
    BF_CLEANUP(bf_fd_closep) int log_fd = -1;
    BF_CLEANUP(bf_freep) char **env = plain_environment();

    if (!env)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    if (snprintf(child.log_path, sizeof child.log_path, "%s", log_path) >=
        (int)sizeof child.log_path)
        return bf_error_set(err, BF_E_INVALID, "the path %.200s... is too long", log_path);
    log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log_fd < 0)
        return bf_error_set_errno(err, errno, "cannot create %s", log_path);
    child.pid = fork();
    if (child.pid < 0)
        return bf_error_set_errno(err, errno, "cannot start %s", argv[0]);
    if (child.pid == 0)
        become(argv, env, keep_fd, log_fd, parent);
    *ret_child = child;
    return 0;
}

void bf_child_last_words(const char *log_path, char *buf, size_t buf_bytes)
{
    char line[1024];
    FILE *log = fopen(log_path, "re");

    buf[0] = '\0';
    if (!log)
        return;
    while (fgets(line, sizeof line, log)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[strspn(line, " \t")] != '\0')
            (void)snprintf(buf, buf_bytes, "%s", line);
    }
    (void)fclose(log);
}

static int judge(const struct bf_child *child, int status, struct bf_error *err)
{
    char words[512];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CANNOT_EXEC)
        return bf_error_set(
            err, BF_E_CHILD_FAILED,
            "cannot run %s: is it installed and in PATH? (Debian: packages qemu-utils "
            "and qemu-system-common)",
            child->program);
    bf_child_last_words(child->log_path, words, sizeof words);
    if (WIFSIGNALED(status))
        return bf_error_set(err, BF_E_CHILD_FAILED, "%s was ended by signal %d (%s)%s%s",
                            child->program, WTERMSIG(status), strsignal(WTERMSIG(status)),
                            words[0] ? "; its last words: " : "", words);
    return bf_error_set(err, BF_E_CHILD_FAILED, "%s failed (exit %d)%s%s", child->program,
                        WEXITSTATUS(status), words[0] ? ": " : "", words);
}

/* Wait until the child has ended, at most @deadline_ms; true if it has.  A signal to us that is not
 * ignored ends the wait too, for the caller to look at. */
static bool ended_in_time(pid_t pid, uint64_t deadline_ms)
{
    int timeout_ms = deadline_ms > INT32_MAX ? INT32_MAX : (int)deadline_ms;
    BF_CLEANUP(bf_fd_closep) int pid_fd = pidfd_open(pid, 0);
    struct pollfd poll_fd = {.fd = pid_fd, .events = POLLIN};

    return pid_fd >= 0 && poll(&poll_fd, 1, timeout_ms) == 1;
}

int bf_child_wait(struct bf_child *child, uint64_t deadline_ms, struct bf_error *err)
{
    int status = 0;

    if (!ended_in_time(child->pid, deadline_ms)) {
        bf_child_kill(child);
        return bf_error_set(err, BF_E_DEADLINE, "%s did not end within %llu ms and was killed",
                            child->program, (unsigned long long)deadline_ms);
    }
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    return judge(child, status, err);
}

void bf_child_kill(struct bf_child *child)
{
    if (child->pid <= 0)
        return;
    (void)kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
}

int bf_child_run(const char *const argv[], const char *log_path, uint64_t deadline_ms,
                 struct bf_error *err)
{
    struct bf_child child;
    int r = bf_child_start(argv, BF_CHILD_NO_FD, log_path, &child, err);

    return r < 0 ? r : bf_child_wait(&child, deadline_ms, err);
}

int bf_child_ask(const char *const argv[], uint64_t deadline_ms, int *ret_said_fd,
                 struct bf_error *err)
{
    const char *folder = getenv("TMPDIR");
    BF_CLEANUP(bf_freep) char *path = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int r;

    if (!folder || folder[0] != '/')
        folder = "/tmp";
    if (asprintf(&path, "%s/bitferry-said.XXXXXX", folder) < 0) {
        path = NULL;
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a file in %s", folder);
    r = bf_child_run(argv, path, deadline_ms, err);
    (void)unlink(path);
    if (r == 0 && ret_said_fd)
        *ret_said_fd = bf_steal_fd(&fd);
    return r;
}
