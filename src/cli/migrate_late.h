/** The source's counts as late as they can be had: while libvirt migrates.
 *
 * What was captured before is older than what the guest wrote while its disks were copied.  A
 * bitmap of which QEMU loses just that would still have the captured count, and even its digest.
 */
#ifndef CLI_MIGRATE_LATE_H
#define CLI_MIGRATE_LATE_H

#include "migrate_look.h"

struct bf_monitor;

struct bf_late {
    struct bf_monitor *monitor; /* NULL: not opened, or over */
    bool over;                  /* it does not answer (any more) */
};

/** Look once: top layers of @before get the counts that have grown, and their digests count no
 *  more.  What fails is let be. */
void bf_late_look(struct bf_late *late, struct bf_virt_domain *domain, struct bf_look *before);
void bf_late_end(struct bf_late *late);

#endif
