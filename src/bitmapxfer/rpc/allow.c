#include "rpc/allow.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The last star is widened by one byte whenever what follows it does not fit: quadratic at worst.
 */
bool bf_rpc_pattern_matches(const char *pattern, const char *name)
{
    const char *star = NULL;
    const char *star_name = name;

    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            star_name = name;
        } else if (*pattern && same_letter(*pattern, *name)) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++star_name;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool bf_rpc_list_matches(const char *list, const char *name)
{
    static const char separators[] = ", \t";
    char pattern[BF_RPC_PATTERN_MAX_BYTES + 1];

    for (;;) {
        size_t nr_chars;

        list += strspn(list, separators);
        nr_chars = strcspn(list, separators);
        if (nr_chars == 0)
            return false;
        if (nr_chars < sizeof pattern) {
            memcpy(pattern, list, nr_chars);
            pattern[nr_chars] = '\0';
            if (bf_rpc_pattern_matches(pattern, name))
                return true;
        }
        list += nr_chars;
    }
}
