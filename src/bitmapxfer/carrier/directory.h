/** The bitmap directory of a carrier while it is being written. */
#ifndef CARRIER_DIRECTORY_H
#define CARRIER_DIRECTORY_H

#include "layout.h"

struct bf_directory_entry {
    struct bf_directory_entry *next;
    struct bf_geometry geometry;
    uint64_t table_offset;
    bool recording;
    char name[];
};

/** Zero-initialised is empty.  Entries in the order in which they came, and a search tree over
 * their names, so that a peer that sends 65,535 of them costs no quadratic time. */
struct bf_directory {
    struct bf_directory_entry *first;
    struct bf_directory_entry *last;
    void *names;
    uint64_t nr_bytes; /* as it is stored */
    uint32_t nr_bitmaps;
};

void bf_directory_release(struct bf_directory *directory);

/** Append a bitmap; the directory owns *@ret_entry, whose table_offset is for the caller to fill
 * in. Errors: EXISTS, LIMIT (more bitmaps or longer names than QEMU reads), NO_MEMORY. */
int bf_directory_add(struct bf_directory *directory, const char *name,
                     const struct bf_geometry *geometry, bool recording,
                     struct bf_directory_entry **ret_entry, struct bf_error *err);

#endif
