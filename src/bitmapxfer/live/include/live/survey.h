/** What disks and bitmaps a QEMU has: one look, and the comparison of two.
 *
 * A look is query-block (when disks are not named) and query-named-block-nodes: two commands, in
 * one moment of QEMU only where nothing changes in between.
 */
#ifndef LIVE_SURVEY_H
#define LIVE_SURVEY_H

#include "live/session.h"

struct bf_live_bitmap {
    char *name;
    uint64_t granularity_bytes;
    uint64_t dirty_bytes; /* QEMU's `count` */
    bool recording;
    bool persistent;
    bool busy;
    bool inconsistent;
};

struct bf_live_disk {
    char *name;   /* as asked for, else the guest device: id, or the last part of its QOM path */
    char *node;   /* "" if there is no such node */
    char *format; /* QEMU's driver: "qcow2", "raw", "host_device", ... */
    char *file;   /* what QEMU calls the image's file name; may be a json: text */
    uint64_t size_bytes;    /* virtual */
    uint64_t backing_depth; /* images below */
    bool writable;
    bool inactive;                  /* QEMU >= 10.0 says so; false where it does not say */
    bool can_persist;               /* qcow2 v3: it can store bitmaps */
    struct bf_live_bitmap *bitmaps; /* named ones, in QEMU's order */
    uint32_t nr_bitmaps;
};

struct bf_live_survey {
    struct bf_live_disk *disks;
    uint32_t nr_disks;
};

struct bf_live_disk_wish {
    const char *name;
    const char *node; /* a node's or a block backend's name */
};

/** @survey belongs to the callback if it takes it (by copying it and clearing *@survey); else it is
 *  released behind it.  @err is NULL exactly if @survey is not. */
typedef void (*bf_live_survey_fn)(void *ctx, struct bf_live_survey *survey,
                                  const struct bf_error *err);

/** @disks: those, in that order; a missing node gives a disk with node "".  @nr_disks 0: every
 *  writable disk of a guest device (all writable block backends where no device is told).  Errors:
 *  QMP_ERROR, PEER, DEADLINE, PROTOCOL (what QEMU says makes no sense), NO_MEMORY. */
int bf_live_survey(struct bf_live *live, const struct bf_live_disk_wish *disks, uint32_t nr_disks,
                   uint64_t deadline_ms, bf_live_survey_fn done, void *ctx, struct bf_error *err);

void bf_live_survey_release(struct bf_live_survey *survey);

/** NULL: not there. */
const struct bf_live_disk *bf_live_survey_disk(const struct bf_live_survey *survey,
                                               const char *name);
const struct bf_live_bitmap *bf_live_disk_bitmap(const struct bf_live_disk *disk, const char *name);

enum bf_live_change {
    BF_LIVE_SAME,
    BF_LIVE_VANISHED, /* or made anew with another granularity */
    BF_LIVE_CLEARED,  /* holds less than before */
    BF_LIVE_CHANGED,  /* frozen, and holds more than before */
    BF_LIVE_SWITCHED_ON,
    BF_LIVE_SWITCHED_OFF,
    BF_LIVE_INCONSISTENT,
};

/** What became of @before; @now NULL: it is not there any more.  Pure.  A bitmap that was cleared
 *  and has filled up again since looks the same: look often. */
enum bf_live_change bf_live_bitmap_change(const struct bf_live_bitmap *before,
                                          const struct bf_live_bitmap *now);

#endif
