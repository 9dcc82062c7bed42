/** The daemon's log: one line an event on the standard error, which systemd puts into the journal.
 *
 * At BF_LOG_DEBUG a line begins with the time of day, to the microsecond, unless systemd adds it.
 * A line that cannot be written at once (the disk is full, the journal is stuck) is lost and
 * counted, and the number is told with the next one: the loop never waits for its log.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

/** The numbers of syslog(3), which journald takes as "<4>" at a line's begin. */
enum bf_log_level {
    BF_LOG_ERROR = 3,
    BF_LOG_WARNING = 4,
    BF_LOG_INFO = 6,
    BF_LOG_DEBUG = 7,
};

/** @program is borrowed.  Before this, lines go to fd 2 under the name "bitferry". */
void bf_log_open(int fd, const char *program, enum bf_log_level most);

/** One line, no newline at its end; control characters in it are replaced by '?'. */
void bf_log(enum bf_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Lines lost so far. */
uint64_t bf_log_lost(void);

#endif
