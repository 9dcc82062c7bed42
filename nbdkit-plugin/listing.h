/** The list of exports, for people: `nbdinfo --list`. */
#ifndef PLUGIN_LISTING_H
#define PLUGIN_LISTING_H

#include "store.h"

enum {
    BF_DESCRIPTION_MAX = 4096, /* bytes without the NUL; nbdkit and the NBD protocol take no more */
    BF_LISTING_MAX = 10000,    /* exports that nbdkit and libnbd take in a list */
};

/** One line of "key value, ..." about a bitmap.  What cannot be computed is said in it. */
void bf_listing_describe(struct bf_store *store, struct bf_served which,
                         char buf[BF_DESCRIPTION_MAX + 1]);

/** Call @function for every bitmap, in order; its non-zero return ends the walk and is returned.
 *  Errors: LIMIT for more than BF_LISTING_MAX. */
int bf_listing_each(struct bf_store *store,
                    int (*function)(void *ctx, const char *name, const char *description),
                    void *ctx, struct bf_error *err);

#endif
