#include "pace.h"

bool bf_pace_is_hopeless(uint64_t elapsed_ms, uint64_t limit_ms, uint64_t data_bytes,
                         uint64_t left_bytes)
{
    double rest_ms;

    if (elapsed_ms >= limit_ms)
        return true;
    if (elapsed_ms < limit_ms / 4 || data_bytes == 0)
        return false;
    rest_ms = (double)elapsed_ms * (double)left_bytes / (double)data_bytes;
    return (double)elapsed_ms + rest_ms / 2 > (double)limit_ms;
}
