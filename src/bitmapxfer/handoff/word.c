#include "handoff/word.h"

#include <stddef.h>

const char *bf_step_name(enum bf_step step)
{
    static const char *const names[] = {
#define NAME(name) #name,
        BF_STEPS(NAME)
#undef NAME
    };

    return (size_t)step < BF_NR_STEPS ? names[step] : "UNKNOWN";
}
