#include "deadline.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_after_ms(int timeout_ms)
{
    return now_ms() + timeout_ms;
}

bool deadline_is_over(int64_t deadline_ms)
{
    return now_ms() >= deadline_ms;
}

bool deadline_wait(int fd, short events, int64_t deadline_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    int64_t left_ms;

    while ((left_ms = deadline_ms - now_ms()) > 0) {
        int r = poll(&pollfd, 1, (int)left_ms);

        if (r > 0)
            return true;
        if (r < 0 && errno != EINTR)
            return false;
    }
    return false;
}
