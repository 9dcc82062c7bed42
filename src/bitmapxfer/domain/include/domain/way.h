/** The way to the QEMU of a libvirt domain: libvirt/bridge.h, with a connection of its own each
 * time, so that a libvirtd that was restarted is reached again. */
#ifndef DOMAIN_WAY_H
#define DOMAIN_WAY_H

#include "drive/way.h"

#include <stdbool.h>

/** @uri NULL: libvirt's default.  @arriving: the domain comes by a migration; until that has ended,
 *  libvirt answers no command there, and open() says DEADLINE at once.  Errors: UNSUPPORTED (built
 *  without libvirt), NO_MEMORY. */
int bf_domain_way(const char *uri, const char *uuid, bool arriving, struct bf_way *ret_way,
                  struct bf_error *err);

#endif
