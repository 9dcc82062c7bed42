#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t caught_signal;
static int wake_pipe[2] = {-1, -1};

static void on_signal(int signum)
{
    int saved_errno = errno;

    caught_signal = signum;
    /* A full pipe is as readable as can be, so a failure here changes nothing. */
    if (write(wake_pipe[1], "", 1) < 0) {
    }
    errno = saved_errno;
}

int bf_interrupt_install(struct bf_error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction old;

    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return bf_error_set_errno(err, errno, "cannot make a pipe");
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        /* nohup and shells without job control ignore some on purpose: let it be so. */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &action, NULL);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return 0;
}

bool bf_interrupted(void)
{
    return caught_signal != 0;
}

int bf_interrupt_signal(void)
{
    return caught_signal;
}

int bf_interrupt_check(struct bf_error *err)
{
    if (!caught_signal)
        return 0;
    return bf_error_set(err, BF_E_INTERRUPTED, "ended by SIG%s", sigabbrev_np(caught_signal));
}

int bf_interrupt_fd(void)
{
    return wake_pipe[0];
}
