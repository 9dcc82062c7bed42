/** What is fetched goes into a carrier of one bitmap, and is summed up on its way. */
#ifndef DRIVE_INTAKE_H
#define DRIVE_INTAKE_H

#include "drive/fetch.h"

#include "carrier/writer.h"

enum { BF_INTAKE_WORD_BYTES = 8 };

struct bf_intake {
    int fd; /* -1: not open */
    struct bf_writer *writer;
    struct bf_summarizer *summarizer; /* of a carrier that is larger than what comes; or NULL */
    uint64_t done_bytes, total_bytes;
    uint8_t last[BF_INTAKE_WORD_BYTES]; /* held back: the end of the smaller disk lies in it */
};

/** Make the file anew.  Errors: SIZE_MISMATCH, IO, NO_SPACE, NO_MEMORY; @intake is to be released
 * all the same. */
int bf_intake_open(struct bf_intake *intake, const struct bf_fetch_item *item,
                   struct bf_error *err);

/** Bytes, or clean ones where @bytes is NULL; never more than are left. */
int bf_intake_feed(struct bf_intake *intake, const uint8_t *bytes, uint64_t nr_bytes,
                   struct bf_error *err);

/** All is there; fills in @item->written.  Errors: DIGEST_MISMATCH, IO, NO_SPACE. */
int bf_intake_finish(struct bf_intake *intake, struct bf_fetch_item *item, struct bf_error *err);

void bf_intake_release(struct bf_intake *intake);

#endif
