/** What became of each checkpoint: the bitmaps at the destination against those that were captured
 *  at the source.  Pure.
 *
 * The one invariant: a bitmap counts as there only if it covers at least what the source's did when
 * it was captured, and has recorded since.  Doubt drops it.
 */
#ifndef CLI_MIGRATE_JUDGE_H
#define CLI_MIGRATE_JUDGE_H

#include "libvirt/checkpoint.h"
#include "migrate_look.h"

enum bf_proof {
    BF_PROOF_NONE,      /* not there, or not to be used: @reason, @why */
    BF_PROOF_UNSEEN,    /* nobody could look: @why */
    BF_PROOF_COVERS,    /* the guest wrote on: there, in order, recording, and holds no less */
    BF_PROOF_IDENTICAL, /* the very bits, by digest */
};

enum bf_verdict_fate {
    BF_VERDICT_REDEFINED,        /* with all its disks */
    BF_VERDICT_PARTLY,           /* without some of its disks, whose next backup is full */
    BF_VERDICT_METADATA_MISSING, /* its bitmaps are there, its definition was refused: to be retried
                                  */
    BF_VERDICT_UNPROVEN,         /* to be retried where its bitmaps can be seen */
    BF_VERDICT_DROPPED,
};

enum { BF_WHY_MAX = 256, BF_PROOF_BY_MAX = 16 };

struct bf_verdict_disk {
    const char *target; /* borrowed from the checkpoint, as @bitmap */
    const char *bitmap;
    enum bf_proof proof;
    enum bf_code reason; /* of BF_PROOF_NONE */
    char why[BF_WHY_MAX];
    char by[BF_PROOF_BY_MAX]; /* of one that is there: by its "digest" or "count"; by "bits" only a
                                 daemon */
    const struct bf_look_bitmap *found; /* at the destination's top layer; borrowed, or NULL */
};

struct bf_verdict {
    const struct bf_virt_checkpoint *checkpoint; /* borrowed */
    struct bf_verdict_disk *disks;
    size_t nr_disks;
    enum bf_verdict_fate fate; /* as far as the bits decide; redefining may change it */
    enum bf_code reason;
    char why[BF_ERROR_TEXT_MAX];
};

struct bf_verdicts {
    struct bf_verdict *items; /* in the checkpoints' order */
    size_t nr_items;
};

int bf_judge(const struct bf_virt_checkpoints *checkpoints, const struct bf_look *before,
             const struct bf_look *after, struct bf_verdicts *ret_verdicts, struct bf_error *err);
void bf_verdicts_release(struct bf_verdicts *verdicts);

const char *bf_verdict_fate_name(enum bf_verdict_fate fate); /* "REDEFINED", for JSON */

/** 0, SOME_DROPPED or NONE_CARRIED. */
int bf_verdicts_exit(const struct bf_verdicts *verdicts);

#endif
