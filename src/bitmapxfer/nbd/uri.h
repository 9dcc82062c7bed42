/** The parts of an NBD URI, as far as they concern us; libnbd parses it again to connect. */
#ifndef NBD_URI_H
#define NBD_URI_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct bf_nbd_uri {
    bool tls;
    bool tcp;
    bool unix_socket;
    const char *path; /* where it begins in the URI: at its '/', or where it would be */
    size_t nr_path_bytes;
    const char *rest; /* "?query#fragment", or "" */
};

/** The parts point into @uri.  Errors: USAGE for what is no NBD URI. */
int bf_nbd_uri_parse(const char *uri, struct bf_nbd_uri *ret_parts, struct bf_error *err);

/** Does the query have a parameter whose name begins with @prefix? */
bool bf_nbd_uri_has_parameter(const struct bf_nbd_uri *parts, const char *prefix);

#endif
