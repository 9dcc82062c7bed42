#include "modes/plan.h"

#include <stddef.h>
#include <string.h>

static const char *const mode_names[BF_NR_MODES] = {"auto", "shared", "stream", "nbd"};

const char *bf_mode_name(enum bf_mode mode)
{
    return (size_t)mode < BF_NR_MODES ? mode_names[mode] : "unknown";
}

bool bf_mode_find(const char *name, enum bf_mode *ret_mode)
{
    for (unsigned i = 0; i < BF_NR_MODES; i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *ret_mode = (enum bf_mode)i;
            return true;
        }
    }
    return false;
}

const char *bf_why_text(enum bf_why why)
{
    static const char *const texts[] = {
#define TEXT(name, sentence) sentence,
        BF_WHYS(TEXT)
#undef TEXT
    };

    return (size_t)why < BF_NR_WHYS ? texts[why] : "unknown";
}

static const struct {
    const char *name;
    const char *text;
} fates[] = {
#define ROW(name, word, sentence) {word, sentence},
    BF_FATES(ROW)
#undef ROW
};

const char *bf_mode_fate_name(enum bf_mode_fate fate)
{
    return (size_t)fate < BF_NR_FATES ? fates[fate].name : "unknown";
}

const char *bf_mode_fate_text(enum bf_mode_fate fate)
{
    return (size_t)fate < BF_NR_FATES ? fates[fate].text : "unknown";
}

static const struct {
    const char *name;
    const char *text;
} warnings[] = {
#define ROW(name, sentence) {#name, sentence},
    BF_WARNINGS(ROW)
#undef ROW
};

const char *bf_warning_name(unsigned warning)
{
    return warning < BF_NR_WARNINGS ? warnings[warning].name : "UNKNOWN";
}

const char *bf_warning_text(unsigned warning)
{
    return warning < BF_NR_WARNINGS ? warnings[warning].text : "unknown";
}
