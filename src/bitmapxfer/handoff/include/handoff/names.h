/** Names of the bitmaps that bitferry puts into QEMU for the time of a move, on both sides.
 *
 *     bitferry-tmp.MOVE.EPOCH.ROLE.INDEX      bitferry-tmp.0f3a…(32 hex digits).3.snapshot.17
 *
 * They say whose they are after any crash: everything that begins with the prefix is temporary, and
 * everything that names a move belongs to it alone.  They are at most BF_TEMPORARY_NAME_MAX bytes
 * (QEMU takes 1,023, its migration stream 255), plain ASCII, and transient in QEMU, so that no
 * image holds one (but for KEPT, for a moment).  A user's bitmap that begins with the prefix is
 * refused (NAME_RESERVED), so they cannot collide with the names of users.
 */
#ifndef HANDOFF_NAMES_H
#define HANDOFF_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define BF_TEMPORARY_PREFIX "bitferry-tmp."

enum {
    BF_MOVE_ID_BYTES = 16,
    BF_TEMPORARY_NAME_MAX = 80, /* 13 + 32 + 10 + 8 + 10 bytes and three dots, rounded up */
};

enum bf_temporary_kind {
    BF_TEMPORARY_SNAPSHOT, /* source, index of the bitmap; disabled */
    BF_TEMPORARY_DELTA,    /* source, index of the disk; records until it is read */
    BF_TEMPORARY_TRACKER,  /* destination, index of the disk; recording */
    BF_TEMPORARY_NATIVE, /* destination, index of the bitmap: what QEMU brought, and the same ... */
    BF_TEMPORARY_UNITED, /* ... with the snapshot and the delta: equal if nothing is missing */
    BF_TEMPORARY_REPAIR, /* source, index of the bitmap: a copy while it is made anew */
    BF_TEMPORARY_LOADED, /* destination: the snapshot.  By another name, or it would collide with
                            the source's where QEMU itself sends all bitmaps that it sees ... */
    BF_TEMPORARY_LOADED_DELTA, /* ... and the same of the delta */
    BF_TEMPORARY_KEPT, /* source, index of the disk: the delta again, which QEMU puts into the image
                          as it lets go of it; the only one that is persistent */
    BF_TEMPORARY_HELD, /* source, index of the disk: a mark that bitmaps are being taken away for
                          the time of the migration: those that have a twin, ... */
    BF_TEMPORARY_LEFT, /* ... but not this mark; index of the bitmap */
    BF_TEMPORARY_TWIN, /* source, index of the bitmap; records: got what that had, so it is the same
                          from then on, if nobody but the guest changes that */
    BF_NR_TEMPORARY_KINDS
};

struct bf_temporary_name {
    uint8_t move_id[BF_MOVE_ID_BYTES];
    uint32_t epoch;
    enum bf_temporary_kind kind;
    uint32_t index;
};

/** @buf gets the name with its NUL; returns @buf. */
const char *bf_temporary_name_encode(const struct bf_temporary_name *name,
                                     char buf[BF_TEMPORARY_NAME_MAX + 1]);

/** False for anything that bf_temporary_name_encode() does not make. */
bool bf_temporary_name_decode(const char *text, struct bf_temporary_name *ret_name);

/** May no user's bitmap be called so? */
bool bf_temporary_name_reserved(const char *text);

#endif
