/** Run a command and append to FILE how it went, as one line of JSON:
 *
 *     bench-measure FILE LABEL COMMAND [ARGUMENT...]
 *     {"label":"LABEL","wall_ns":N,"cpu_ns":N,"peak_kib":N}
 *
 * LABEL is JSON text already.  The CPU time is that of the command and of the children it waited
 * for.  The peak of resident memory is of the command alone: wait4() gives the largest of all
 * descendants, which here is QEMU, so the command is stopped at its end and /proc is read.
 * Exits as the command did.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct outcome {
    int status;
    long peak_kib;
    struct rusage usage;
};

static void die(const char *what)
{
    fprintf(stderr, "bench-measure: %s: %s\n", what, strerror(errno));
    exit(99);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t timeval_ns(const struct timeval *time)
{
    return ((int64_t)time->tv_sec * 1000000 + time->tv_usec) * 1000;
}

static pid_t start(char **command)
{
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid > 0)
        return pid;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        die("ptrace");
    execvp(command[0], command);
    die(command[0]);
    return -1;
}

static long read_peak_kib(pid_t pid)
{
    char path[64];
    char line[256];
    long peak_kib = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    if (!file)
        die(path);
    while (fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %ld", &peak_kib) != 1)
        ;
    (void)fclose(file);
    return peak_kib;
}

/* The stop is of a ptrace event and not of a signal that the command is to get. */
static bool is_event(int status)
{
    return status >> 16 != 0;
}

/* The command stops behind its first exec, for each signal, and at its end.  Without
 * PTRACE_O_TRACEEXEC a second exec would look like a signal. */
static void follow(pid_t pid, struct outcome *outcome)
{
    bool running = false;

    for (;;) {
        int signal;

        if (wait4(pid, &outcome->status, 0, &outcome->usage) < 0)
            die("wait4");
        if (!WIFSTOPPED(outcome->status))
            return;
        signal = running && !is_event(outcome->status) ? WSTOPSIG(outcome->status) : 0;
        if (outcome->status >> 16 == PTRACE_EVENT_EXIT)
            outcome->peak_kib = read_peak_kib(pid);
        if (!running &&
            ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC) < 0)
            die("ptrace");
        running = true;
        if (ptrace(PTRACE_CONT, pid, NULL, signal) < 0)
            die("ptrace");
    }
}

int main(int argc, char **argv)
{
    struct outcome outcome = {0};
    int64_t start_ns;
    int64_t wall_ns;
    FILE *file;

    if (argc < 4) {
        fprintf(stderr, "usage: bench-measure FILE LABEL COMMAND [ARGUMENT...]\n");
        return 2;
    }
    start_ns = now_ns();
    follow(start(argv + 3), &outcome);
    wall_ns = now_ns() - start_ns;
    file = fopen(argv[1], "ae");
    if (!file)
        die(argv[1]);
    fprintf(
        file, "{\"label\":%s,\"wall_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64 ",\"peak_kib\":%ld}\n",
        argv[2], wall_ns, timeval_ns(&outcome.usage.ru_utime) + timeval_ns(&outcome.usage.ru_stime),
        outcome.peak_kib);
    if (fclose(file) != 0)
        die(argv[1]);
    return WIFEXITED(outcome.status) ? WEXITSTATUS(outcome.status) : 128 + WTERMSIG(outcome.status);
}
