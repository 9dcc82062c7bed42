#include "base/fail_point.h"

#ifdef BF_FAIL_POINTS
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* "kill", or "kill:3" the third time */
static bool is_now(const char *action, const char *wanted)
{
    static unsigned long nr_passed;
    size_t length = strlen(action);

    if (strncmp(wanted, action, length) != 0)
        return false;
    if (wanted[length] == ':')
        return ++nr_passed == strtoul(wanted + length + 1, NULL, 10);
    return wanted[length] == '\0';
}

void bf_fail_point(const char *name)
{
    const char *wanted = getenv("BITFERRY_FAIL_POINT");
    size_t length = strlen(name);

    if (!wanted || strncmp(wanted, name, length) != 0 || wanted[length] != ':')
        return;
    if (is_now("kill", wanted + length + 1))
        (void)raise(SIGKILL);
    else if (is_now("stop", wanted + length + 1))
        (void)raise(SIGSTOP);
}
#endif
