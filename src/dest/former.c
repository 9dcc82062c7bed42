/* Moves that have ended here, for a source that was away and has not heard of it: it is told when
 * it speaks of them again.  Those of this run of the daemon only; later the source's deadline
 * tells. */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

enum { FORMER_MOVES = 64 };

struct former {
    struct bf_offer offer;
    char *source_name;
    struct bf_word word; /* the last one */
    enum bf_drop reason;
};

static struct {
    struct former moves[FORMER_MOVES];
    unsigned next;
} kept;

static void release(struct former *former)
{
    bf_offer_release(&former->offer);
    free(former->source_name);
    *former = (struct former){.source_name = NULL};
}

void dest_former_keep(struct dest_drive *drive)
{
    struct former *former = &kept.moves[kept.next++ % FORMER_MOVES];
    bool carried = drive->machine.outcome == BF_OUTCOME_COMMITTED;

    if (!drive->ended || !drive->begun || !drive->source_name)
        return;
    release(former);
    *former = (struct former){
        .offer = drive->offer,
        .source_name = drive->source_name,
        .word = {.epoch = drive->machine.epoch, .step = carried ? BF_STEP_SEAL : BF_STEP_ABORT},
        .reason = drive->machine.reason,
    };
    drive->offer = (struct bf_offer){.nr_disks = 0};
    drive->source_name = NULL;
}

static struct former *find(const Bitferry__Envelope *envelope, const char *name)
{
    for (unsigned i = 0; i < FORMER_MOVES; i++) {
        struct former *former = &kept.moves[i];

        if (former->source_name && strcmp(former->source_name, name) == 0 &&
            memcmp(former->offer.move_id, envelope->move_id.data, BF_MOVE_ID_BYTES) == 0)
            return former;
    }
    return NULL;
}

/* An attempt that the source has begun since is given up as well. */
static struct bf_word answer(const struct former *former, uint32_t epoch)
{
    struct bf_word word = former->word;

    if (word.step == BF_STEP_ABORT && epoch > word.epoch)
        word.epoch = epoch;
    return word;
}

bool dest_former_answer(struct dest_caller *caller, const Bitferry__Envelope *envelope)
{
    const struct former *former = find(envelope, dest_caller_name(caller));
    enum bf_step step = (enum bf_step)envelope->word->step;
    struct bf_saying saying = {.role = BITFERRY__ROLE__ROLE_DEST};
    BF_CLEANUP(bf_said_freep) struct bf_said *said = NULL;
    struct bf_error err = BF_ERROR_INIT;

    if (!former || step == BF_STEP_RETIRED)
        return former != NULL;
    saying.offer = &former->offer;
    saying.word = answer(former, envelope->epoch);
    saying.reason = former->reason;
    if (bf_said_new(&saying, &said, &err) < 0 ||
        dest_caller_send(caller, bf_said_envelope(said), &err) < 0)
        bf_log(BF_LOG_WARNING, "a source did not hear of the end of its move: %s", err.text);
    return true;
}

void dest_former_forget(void)
{
    for (unsigned i = 0; i < FORMER_MOVES; i++)
        release(&kept.moves[i]);
}
