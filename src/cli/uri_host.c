#include "uri_host.h"

#include <string.h>

static const char *authority_of(const char *uri, size_t *ret_nr_bytes)
{
    const char *scheme_end = strstr(uri, "://");
    const char *authority = scheme_end ? scheme_end + 3 : "";

    *ret_nr_bytes = strcspn(authority, "/?#");
    return authority;
}

char *bf_uri_host(const char *uri)
{
    size_t nr_bytes;
    const char *host = authority_of(uri, &nr_bytes);
    const char *user_end = memrchr(host, '@', nr_bytes);
    const char *end;

    if (user_end) {
        nr_bytes -= (size_t)(user_end + 1 - host);
        host = user_end + 1;
    }
    end = memchr(host, host[0] == '[' ? ']' : ':', nr_bytes);
    if (end)
        nr_bytes = (size_t)(end - host) + (host[0] == '[');
    return nr_bytes > 0 ? strndup(host, nr_bytes) : NULL;
}

bool bf_uri_is_local(const char *uri)
{
    size_t nr_bytes;
    const char *authority = authority_of(uri, &nr_bytes);

    return nr_bytes == 0 && authority[0] == '/';
}
