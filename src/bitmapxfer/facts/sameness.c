#include "facts/facts.h"

#include <string.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The inode, which stays the same by whatever way a file is reached. */
static const char *last_word(const char *text)
{
    const char *space = strrchr(text, ' ');

    return space ? space + 1 : text;
}

enum bf_sameness bf_image_compare(const char *a, const char *b)
{
    if (a[0] == '\0' || b[0] == '\0')
        return BF_SAMENESS_UNKNOWN;
    if (strcmp(a, b) == 0)
        return BF_SAMENESS_SAME;
    if ((begins(a, "host ") && begins(b, "host ")) ||
        (begins(a, "device ") && begins(b, "device ")))
        return BF_SAMENESS_OTHER; /* each is unique among all hosts */
    if (begins(a, "device ") || begins(b, "device "))
        return BF_SAMENESS_UNKNOWN;
    return strcmp(last_word(a), last_word(b)) == 0 ? BF_SAMENESS_UNKNOWN : BF_SAMENESS_OTHER;
}
