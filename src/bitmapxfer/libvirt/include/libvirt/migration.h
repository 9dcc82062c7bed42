/** libvirt's own migration, under way in a thread. */
#ifndef BF_LIBVIRT_MIGRATION_H
#define BF_LIBVIRT_MIGRATION_H

#include "libvirt/domain.h"
#include "libvirt/migrate_options.h"

struct bf_virt_migration;

/** @domain, @dest and @options must outlive it.  Errors: NO_MEMORY, IO (no thread). */
int bf_virt_migration_start(struct bf_virt_domain *domain, struct bf_virt *dest,
                            const char *dest_uri, const struct bf_virt_migrate_options *options,
                            struct bf_virt_migration **ret_migration, struct bf_error *err);

/** Has it ended?  Waits for that at most @timeout_ms. */
bool bf_virt_migration_wait(struct bf_virt_migration *migration, unsigned timeout_ms);

/** Bytes of memory and disks; false: not known now. */
bool bf_virt_migration_progress(struct bf_virt_migration *migration, uint64_t *ret_done_bytes,
                                uint64_t *ret_total_bytes);

/** Ask libvirt to give it up; wait on. */
void bf_virt_migration_abort(struct bf_virt_migration *migration);

int bf_virt_migration_to_postcopy(struct bf_virt_migration *migration, struct bf_error *err);

/** Waits for the end and frees it.  Errors: INTERRUPTED if it was aborted, else what libvirt says
 *  (PEER). */
int bf_virt_migration_finish(struct bf_virt_migration *migration, struct bf_error *err);

#endif
