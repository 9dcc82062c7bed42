#include "options.h"

#include "target.h"

int bf_option_deadline(const struct bf_arguments *args, size_t index, uint64_t *ret_deadline_ms,
                       struct bf_error *err)
{
    enum { DAY_S = 86400 };
    uint64_t deadline_s = BF_TARGET_DEADLINE_MS / 1000;
    int ret = bf_option_number(args, index, 1, DAY_S, &deadline_s, err);

    *ret_deadline_ms = deadline_s * 1000;
    return ret;
}
