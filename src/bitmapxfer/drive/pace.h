/** Will what travels arrive in time?  Pure. */
#ifndef DRIVE_PACE_H
#define DRIVE_PACE_H

#include <stdbool.h>
#include <stdint.h>

/** Over the limit, or, once a quarter of it has passed, sure to be at the rate seen so far: even if
 * half of what is left were holes, which cost nothing.
 *  @data_bytes: what came, without holes. */
bool bf_pace_is_hopeless(uint64_t elapsed_ms, uint64_t limit_ms, uint64_t data_bytes,
                         uint64_t left_bytes);

#endif
