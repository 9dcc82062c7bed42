#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_DIGITS_MAX = 4 };

int bf_layer_name_encode(const char *disk, unsigned depth, char buf[BF_DISK_NAME_MAX + 1],
                         struct bf_error *err)
{
    int nr_chars = depth == 0 ? snprintf(buf, BF_DISK_NAME_MAX + 1, "%s", disk)
                              : snprintf(buf, BF_DISK_NAME_MAX + 1, "%s[%u]", disk, depth);

    if (nr_chars < 0 || nr_chars > BF_DISK_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID,
                            "the name of disk '%.255s' is too long for its images", disk);
    return 0;
}

/* "[12]" at the end, canonical: no zero in front, and something before it. */
static unsigned depth_of(const char *bracket)
{
    size_t nr_digits = strspn(bracket + 1, "0123456789");

    if (nr_digits == 0 || nr_digits > DEPTH_DIGITS_MAX || bracket[1] == '0' ||
        strcmp(bracket + 1 + nr_digits, "]") != 0)
        return 0;
    return (unsigned)strtoul(bracket + 1, NULL, 10);
}

unsigned bf_layer_name_decode(const char *name, char disk[BF_DISK_NAME_MAX + 1])
{
    const char *bracket = strrchr(name, '[');
    unsigned depth = bracket && bracket != name ? depth_of(bracket) : 0;

    (void)snprintf(disk, BF_DISK_NAME_MAX + 1, "%.*s",
                   (int)(depth > 0 ? (size_t)(bracket - name) : strlen(name)), name);
    return depth;
}
