#include "allow.h"

#include <ctype.h>
#include <stddef.h>

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
