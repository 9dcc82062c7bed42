/** Names of exports: DISK/BITMAP, DISK/BITMAP.qcow2 for the view that QEMU's tools can open, and
 * DISK for the bits of all its bitmaps in one.
 *
 * Disk and bitmap names are free text (qcow2 allows any 1 to 1,023 bytes), so they are
 * percent-encoded: '%', '/', control characters and bytes that are not UTF-8 become %XX.  A bitmap
 * name that itself ends in ".qcow2" has that dot encoded, so that the views cannot collide.
 * Decoding gives back exactly what was encoded, and only the one canonical form decodes. Source:
 * NBD protocol, export names are UTF-8 of at most 4,096 bytes (nbdkit and libnbd: the same).
 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/error.h"

enum {
    BF_BITMAP_NAME_MAX = 1023, /* bytes; qcow2 specification, QEMU block/dirty-bitmap.c */
    BF_DISK_NAME_MAX = 255,    /* bytes; our own: a file name */
    BF_EXPORT_NAME_MAX = 4096, /* bytes without the NUL; 3 * (1023 + 255) + 7 fits */
};

enum bf_view_kind {
    BF_VIEW_BITS,  /* packed bits, least significant bit first */
    BF_VIEW_QCOW2, /* a qcow2 image that holds just this bitmap */
    BF_VIEW_DISK, /* the packed bits of every bitmap of a disk, see model/stretches.h; the bitmap is
                     "" */
};

struct bf_export_name {
    char disk[BF_DISK_NAME_MAX + 1];
    char bitmap[BF_BITMAP_NAME_MAX + 1];
    enum bf_view_kind view;
};

/** @buf gets the export name with its NUL.  Errors: INVALID for an empty or overlong name,
 *  and for a bitmap's name with BF_VIEW_DISK. */
int bf_export_name_encode(const char *disk, const char *bitmap, enum bf_view_kind view,
                          char buf[BF_EXPORT_NAME_MAX + 1], struct bf_error *err);

/** Errors: NOT_FOUND for anything that bf_export_name_encode() does not make. */
int bf_export_name_decode(const char *text, struct bf_export_name *ret_name, struct bf_error *err);

/** The name of the image that stands @depth images below the top one of @disk: "vda", "vda[1]", ...
 *  as libvirt has it.  Errors: INVALID if it would be too long. */
int bf_layer_name_encode(const char *disk, unsigned depth, char buf[BF_DISK_NAME_MAX + 1],
                         struct bf_error *err);

/** @disk gets the part before the brackets; returns the depth, 0 for a name without them. */
unsigned bf_layer_name_decode(const char *name, char disk[BF_DISK_NAME_MAX + 1]);

#endif
