/** Carriers that may not be there yet: their writer is at work, and gives them their names when
 * they are whole (rename).  Who opens an export of such a one waits.
 *
 * Threads: each function may be called from several at once.
 */
#ifndef PLUGIN_LATE_H
#define PLUGIN_LATE_H

#include "config.h"
#include "store.h"

#include <stdbool.h>

struct bf_late {
    const struct bf_config *config; /* borrowed: its late files */
    struct bf_store *stores;        /* one for each; opened when first asked for */
    bool *opened;
    pthread_mutex_t lock; /* over both */
};

/** @config must outlive @late.  Errors: NO_MEMORY.  Release @late after a failure too. */
int bf_late_init(struct bf_late *late, const struct bf_config *config, struct bf_error *err);
void bf_late_release(struct bf_late *late);

/** The store that has the export @name; NULL in *ret_store: none of these files.  Calls @pause
 *  (not zero: give up) as long as the file is not there.  Errors: INTERRUPTED; NOT_FOUND for a name
 *  that is none; as of bf_store_open(). */
int bf_late_find(struct bf_late *late, const char *name, int (*pause)(void),
                 struct bf_store **ret_store, struct bf_error *err);

#endif
