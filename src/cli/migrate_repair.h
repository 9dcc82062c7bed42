/** The bitmaps of a source whose migration failed.
 *
 * A failed migration with QEMU's dirty-bitmaps capability leaves bitmaps that look persistent and
 * are never stored again: after the next shutdown they are gone (QEMU 7.2 and 10.0).  Each is put
 * into a temporary that records on, removed, made anew and filled again; at every moment one of the
 * two records, so that no write is missed.
 */
#ifndef CLI_MIGRATE_REPAIR_H
#define CLI_MIGRATE_REPAIR_H

#include "migrate_look.h"

/** Of all persistent, recording, consistent bitmaps of these disks; *ret_nr tells how many. */
int bf_repair(struct bf_virt_domain *domain, size_t *ret_nr, struct bf_error *err);

/** Remove these inconsistent bitmaps, which nothing can use any more, from @look's domain. */
int bf_repair_drop_inconsistent(struct bf_virt_domain *domain, const struct bf_look *look,
                                struct bf_error *err);

#endif
