/** The host in a URI of libvirt's. */
#ifndef CLI_URI_HOST_H
#define CLI_URI_HOST_H

#include <stdbool.h>

/** "host2" of "qemu+ssh://root@host2:22/system"; an IPv6 address keeps its brackets.  The caller
 *  frees.  NULL: it names none, or there is no memory. */
char *bf_uri_host(const char *uri);

/** Is a connection of this URI one to this very host? */
bool bf_uri_is_local(const char *uri);

#endif
