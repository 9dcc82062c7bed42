#include "base/fail_point.h"

#ifdef BF_FAIL_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void bf_fail_point(const char *name)
{
    const char *wanted = getenv("BITFERRY_FAIL_POINT");
    size_t length = strlen(name);

    if (!wanted || strncmp(wanted, name, length) != 0 || wanted[length] != ':')
        return;
    if (strcmp(wanted + length, ":kill") == 0)
        (void)raise(SIGKILL);
    else if (strcmp(wanted + length, ":stop") == 0)
        (void)raise(SIGSTOP);
}
#endif
