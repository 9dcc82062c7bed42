/** The hook has until a moment, whatever it waits for. */
#ifndef HOOK_DEADLINE_H
#define HOOK_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/** Milliseconds of the monotonic clock. */
int64_t deadline_after_ms(int timeout_ms);

bool deadline_is_over(int64_t deadline_ms);

/** Is @fd ready for @events (poll(2)) before the deadline?  False: not in time, or an error. */
bool deadline_wait(int fd, short events, int64_t deadline_ms);

#endif
