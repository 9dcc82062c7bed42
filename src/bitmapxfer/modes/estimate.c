#include "modes/plan.h"

uint64_t bf_estimate_downtime_ms(uint64_t stream_bits, uint64_t bandwidth_bytes_s)
{
    uint64_t bandwidth = bandwidth_bytes_s > 0 ? bandwidth_bytes_s : BF_DEFAULT_BANDWIDTH_BYTES_S;
    uint64_t seconds = stream_bits / bandwidth;
    uint64_t rest = stream_bits % bandwidth;

    if (seconds > UINT64_MAX / 1000 - 1)
        return UINT64_MAX;
    return seconds * 1000 + (rest > UINT64_MAX / 1000 ? 1000 : rest * 1000 / bandwidth) +
           (rest > 0);
}
