#include "handoff/drop.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *text;
} drops[] = {
#define ROW(name, sentence) {#name, sentence},
    BF_DROPS(ROW)
#undef ROW
};

const char *bf_drop_name(enum bf_drop drop)
{
    return (size_t)drop < BF_NR_DROPS ? drops[drop].name : "UNKNOWN";
}

const char *bf_drop_text(enum bf_drop drop)
{
    return (size_t)drop < BF_NR_DROPS ? drops[drop].text : "unknown reason";
}
