#include "daemon/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 }; /* under PIPE_BUF: a pipe that is ready takes it without waiting */

static struct {
    int fd;
    const char *program;
    enum bf_log_level most;
    bool journal;
    uint64_t lost;
    uint64_t lost_told;
} sink = {.fd = 2, .program = "bitferry", .most = BF_LOG_INFO};

static bool put(const char *line, size_t nr_bytes)
{
    struct pollfd ready = {.fd = sink.fd, .events = POLLOUT};
    ssize_t sent = send(sink.fd, line, nr_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno == ENOTSOCK && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT))
        sent = write(sink.fd, line, nr_bytes);
    return sent == (ssize_t)nr_bytes;
}

/* The journal has its own. */
static void put_time(char *buf, size_t nr_bytes)
{
    struct timespec now;
    struct tm local;
    size_t at;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)localtime_r(&now.tv_sec, &local);
    at = strftime(buf, nr_bytes, "%H:%M:%S", &local);
    (void)snprintf(buf + at, nr_bytes - at, ".%06ld ", now.tv_nsec / 1000);
}

static void put_line(enum bf_log_level level, const char *text)
{
    char line[LINE_MAX_BYTES];
    char prefix[32] = "";
    int length;

    if (sink.journal)
        (void)snprintf(prefix, sizeof prefix, "<%d>", (int)level);
    else if (sink.most == BF_LOG_DEBUG)
        put_time(prefix, sizeof prefix);
    length = snprintf(line, sizeof line - 1, "%s%s: %s", prefix, sink.program, text);
    if (length >= (int)sizeof line - 1)
        length = (int)sizeof line - 2;
    for (int i = 0; i < length; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[length++] = '\n';
    if (!put(line, (size_t)length))
        sink.lost++;
}

static void tell_lost(void)
{
    uint64_t lost = sink.lost;
    char text[64];

    if (lost == sink.lost_told)
        return;
    (void)snprintf(text, sizeof text, "%" PRIu64 " lines of this log could not be written",
                   lost - sink.lost_told);
    put_line(BF_LOG_WARNING, text);
    if (sink.lost == lost)
        sink.lost_told = lost;
    else
        sink.lost = lost; /* this line was not one of the daemon's own */
}

void bf_log_open(int fd, const char *program, enum bf_log_level most)
{
    sink.fd = fd;
    sink.program = program;
    sink.most = most;
    sink.journal = getenv("JOURNAL_STREAM") != NULL && !isatty(fd);
}

void bf_log(enum bf_log_level level, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;

    if (level > sink.most)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell_lost();
    put_line(level, text);
}

uint64_t bf_log_lost(void)
{
    return sink.lost;
}
