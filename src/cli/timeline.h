/** The chain of a VM's checkpoints as people draw it: time from left to right, and a bar for each
 *  bitmap over the time that it stands for.
 *
 *     creation    chk1      chk2      active            creation    chk1      chk2      active
 *     |-----------o---------o---------->                |-----------o---------o---------->
 *     chk1        [===================>  2 MiB          chk1        [========]             1 MiB
 *     chk2                  [=========>  1 MiB          chk2                  [=========>  1 MiB
 *                 nested                                            links
 */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include "diagnosis.h"
#include "output.h"

enum bf_bar_state {
    BF_BAR_WHOLE,
    BF_BAR_BUSY,   /* whole, but in use now */
    BF_BAR_BROKEN, /* of no use: @why */
};

struct bf_timeline_bar {
    const char *bitmap; /* borrowed from the checkpoints */
    size_t from;        /* checkpoint */
    size_t to;          /* checkpoint, or their number: until now */
    enum bf_bar_state state;
    const char *why; /* a code of model/coverage.h, or NULL */
    bool recording;
    size_t nr_images; /* that it is on */
    bool counted;     /* all of them */
    uint64_t dirty_bytes;
};

struct bf_timeline_disk {
    const struct bf_subject_disk *disk; /* borrowed */
    uint64_t size_bytes;
    struct bf_timeline_bar *bars; /* oldest checkpoint first */
    size_t nr_bars;
};

struct bf_timeline {
    const struct bf_diagnosis *diagnosis; /* borrowed */
    struct bf_timeline_disk *disks;
    size_t nr_disks;
};

/** @diagnosis must outlive it.  Errors: NO_MEMORY. */
int bf_timeline_make(const struct bf_diagnosis *diagnosis, struct bf_timeline *ret_timeline,
                     struct bf_error *err);
void bf_timeline_release(struct bf_timeline *timeline);

/** "2 MiB", "2 MiB, frozen", "BITMAP_MISSING": what stands beside the bar. */
void bf_timeline_bar_text(const struct bf_timeline_bar *bar, bool links, char *buf,
                          size_t buf_bytes);

void bf_timeline_print(const struct bf_timeline *timeline, const struct bf_screen *screen);

/** Into a file that is there as a whole or not at all.  Errors: IO and the like. */
int bf_timeline_write_svg(const struct bf_timeline *timeline, const char *path,
                          struct bf_error *err);

/** NULL: out of memory. */
json_t *bf_timeline_to_json(const struct bf_timeline *timeline);

#endif
