#include "source_table.h"

#include <stddef.h>

#define FACT(name) (UINT32_C(1) << BF_SOURCE_##name)
#define EVENTS                                                                                     \
    (FACT(HEARD) | FACT(NUDGE) | FACT(MIRROR_READY) | FACT(MIRROR_VOID) | FACT(PAUSED) |           \
     FACT(SWITCHED) | FACT(KEPT) | FACT(QEMU_GONE) | FACT(TOO_BUSY) | FACT(ABORT) |                \
     FACT(DEADLINE) | FACT(MIGRATING))
#define DURABLE     (EVENTS | FACT(DONE) | FACT(REFUSED))
#define TRANSACTION (EVENTS | FACT(DONE) | FACT(REFUSED) | FACT(UNKNOWN))
#define SERVICE     (EVENTS | FACT(DONE) | FACT(REFUSED))
#define CLEANUP     (EVENTS | FACT(DONE) | FACT(UNKNOWN))
#define LOOK        (EVENTS | FACT(INSPECTED))

#define FREE  BF_SOURCE_FREE
#define EPOCH BF_SOURCE_EPOCH
#define ALIVE BF_SOURCE_ALIVE

#define WISH(name)      .wish = BF_SOURCE_##name
#define ROUND(name)     .round = BF_ROUND_##name
#define STEP(name)      .step = BF_STEP_##name
#define MARK(name)      .wish = BF_SOURCE_JOURNAL, .mark = BF_MARK_##name, .facts = DURABLE
#define AFTER(name)     .after = BF_SOURCE_##name
#define MILESTONE(name) .milestone = BF_SOURCE_REACHED_##name

static const struct bf_source_row rows[BF_NR_SOURCE_STATES] = {
    [BF_SOURCE_BEGINNING] = {MARK(BEGUN), AFTER(SWEEPING), .traits = ALIVE},
    [BF_SOURCE_SWEEPING] = {WISH(CLEAN), AFTER(OFFERING), .traits = ALIVE, .facts = CLEANUP},
    [BF_SOURCE_OFFERING] = {STEP(OFFER), .traits = ALIVE | FREE, .facts = EVENTS},

    [BF_SOURCE_SNAPPING_FROZEN] = {WISH(SNAPSHOT), ROUND(FROZEN), AFTER(SERVING_FROZEN),
                                   .traits = ALIVE, .facts = TRANSACTION},
    [BF_SOURCE_DOUBTING_FROZEN] = {WISH(INSPECT), ROUND(FROZEN), .traits = ALIVE | FREE,
                                   .facts = LOOK},
    [BF_SOURCE_SERVING_FROZEN] = {WISH(SERVE), ROUND(FROZEN), AFTER(LOADING_FROZEN),
                                  .traits = ALIVE | FREE, .facts = SERVICE},
    [BF_SOURCE_LOADING_FROZEN] = {STEP(FROZEN), .traits = ALIVE | FREE, .facts = EVENTS},

    [BF_SOURCE_SNAPPING] = {WISH(SNAPSHOT), ROUND(RECORDING), AFTER(SERVING), .traits = ALIVE,
                            .facts = TRANSACTION},
    [BF_SOURCE_DOUBTING] = {WISH(INSPECT), ROUND(RECORDING), .traits = ALIVE | FREE, .facts = LOOK},
    [BF_SOURCE_SERVING] = {WISH(SERVE), ROUND(RECORDING), AFTER(LOADING), .traits = ALIVE | FREE,
                           .facts = SERVICE},
    [BF_SOURCE_LOADING] = {STEP(RECORDING), .traits = ALIVE | FREE, .facts = EVENTS},

    [BF_SOURCE_AWAITING_READY] = {.traits = ALIVE | FREE, .facts = EVENTS},
    [BF_SOURCE_ARMING] = {STEP(ARM), .traits = ALIVE | FREE | EPOCH, .facts = EVENTS},
    [BF_SOURCE_DRAINING] = {WISH(WATCH_DRAIN), .traits = ALIVE | FREE | EPOCH,
                            .facts = EVENTS | FACT(DRAINED)},
    [BF_SOURCE_CATCHING_UP] = {WISH(SERVE), ROUND(DELTA), AFTER(LOADING_CATCH_UP),
                               .traits = ALIVE | FREE | EPOCH, .facts = SERVICE},
    [BF_SOURCE_LOADING_CATCH_UP] = {STEP(DELTA), .traits = ALIVE | FREE | EPOCH, .facts = EVENTS},

    [BF_SOURCE_INSTALLED] = {.traits = ALIVE | FREE | EPOCH, .facts = EVENTS, MILESTONE(INSTALLED)},
    [BF_SOURCE_HOLDING] = {WISH(HOLD), AFTER(INSTALLED), .traits = ALIVE | EPOCH,
                           .facts = TRANSACTION, MILESTONE(INSTALLED)},
    [BF_SOURCE_ARMING_PAUSED] = {STEP(ARM), .traits = ALIVE | FREE | EPOCH, .facts = EVENTS,
                                 MILESTONE(INSTALLED)},
    [BF_SOURCE_SERVING_DELTA] = {WISH(SERVE), ROUND(DELTA), AFTER(LOADING_DELTA),
                                 .traits = ALIVE | FREE | EPOCH, .facts = SERVICE,
                                 MILESTONE(INSTALLED)},
    [BF_SOURCE_LOADING_DELTA] = {STEP(DELTA), .traits = ALIVE | FREE | EPOCH, .facts = EVENTS,
                                 MILESTONE(INSTALLED)},
    [BF_SOURCE_EXAMINING] = {WISH(INSPECT), .traits = ALIVE | FREE | EPOCH, .facts = LOOK,
                             MILESTONE(INSTALLED)},
    [BF_SOURCE_STOPPED] = {.traits = ALIVE | FREE | EPOCH, .facts = EVENTS, MILESTONE(FROZEN)},

    [BF_SOURCE_SEALING] = {MARK(SEALED), AFTER(SEALED), MILESTONE(FROZEN)},
    [BF_SOURCE_SEALED] = {STEP(SEAL), .traits = FREE, .facts = EVENTS, MILESTONE(FROZEN)},
    [BF_SOURCE_CONFIRMING] = {MARK(COMMITTED), AFTER(RETIRING), MILESTONE(COMMITTED)},
    [BF_SOURCE_RETIRING] = {WISH(RETIRE), AFTER(TIDYING), .facts = TRANSACTION,
                            MILESTONE(COMMITTED)},
    [BF_SOURCE_TIDYING] = {WISH(CLEAN), AFTER(ENDING), .facts = CLEANUP, MILESTONE(COMMITTED)},
    [BF_SOURCE_ENDING] = {MARK(ENDED), AFTER(ENDED), MILESTONE(COMMITTED)},
    [BF_SOURCE_ENDED] = {.facts = EVENTS, MILESTONE(ENDED)},

    [BF_SOURCE_ABANDONING] = {MARK(ABORTING), AFTER(CLEANING)},
    [BF_SOURCE_CLEANING] = {WISH(CLEAN), AFTER(ABORTING), .facts = CLEANUP},
    [BF_SOURCE_ABORTING] = {STEP(ABORT), .facts = EVENTS},
    [BF_SOURCE_RESUMING] = {WISH(INSPECT), .facts = LOOK},
};

const struct bf_source_row *bf_source_row(enum bf_source_state state)
{
    return &rows[state];
}

const char *bf_source_state_name(enum bf_source_state state)
{
    static const char *const names[] = {
#define NAME(name) #name,
        BF_SOURCE_STATES(NAME)
#undef NAME
    };

    return (size_t)state < BF_NR_SOURCE_STATES ? names[state] : "UNKNOWN";
}
