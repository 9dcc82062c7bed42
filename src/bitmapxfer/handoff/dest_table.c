#include "dest_table.h"

#include <stddef.h>

#define FACT(name) (UINT32_C(1) << BF_DEST_##name)
#define EVENTS                                                                                     \
    (FACT(HEARD) | FACT(NUDGE) | FACT(GUEST_RUNS) | FACT(MIGRATION_FAILED) | FACT(QEMU_GONE) |     \
     FACT(ABORT) | FACT(DEADLINE))
#define DURABLE     (EVENTS | FACT(DONE) | FACT(REFUSED))
#define TRANSACTION (EVENTS | FACT(DONE) | FACT(REFUSED) | FACT(UNKNOWN))
#define TRANSFER    (EVENTS | FACT(DONE) | FACT(REFUSED))
#define CLEANUP     (EVENTS | FACT(DONE) | FACT(UNKNOWN))
#define LOOK        (EVENTS | FACT(INSPECTED))

#define FREE  BF_DEST_FREE
#define EPOCH BF_DEST_EPOCH
#define OPEN  BF_DEST_OPEN

#define WISH(name)  .wish = BF_DEST_##name
#define MARK(name)  .wish = BF_DEST_JOURNAL, .mark = BF_MARK_##name, .facts = DURABLE
#define AFTER(name) .after = BF_DEST_##name

static const struct bf_dest_row rows[BF_NR_DEST_STATES] = {
    [BF_DEST_ACCEPTING] = {MARK(BEGUN), AFTER(SWEEPING), .traits = OPEN | EPOCH},
    [BF_DEST_SWEEPING] = {WISH(CLEAN), AFTER(SURVEYING_OFFER), .traits = OPEN | EPOCH,
                          .facts = CLEANUP},
    [BF_DEST_SURVEYING_OFFER] = {WISH(INSPECT), .traits = OPEN | EPOCH | FREE, .facts = LOOK},
    [BF_DEST_IDLE] = {.traits = OPEN | EPOCH | FREE, .facts = EVENTS},

    [BF_DEST_ARMING] = {WISH(ARM), .traits = OPEN | EPOCH, .facts = TRANSACTION},
    [BF_DEST_DOUBTING_ARMED] = {WISH(INSPECT), .traits = OPEN | EPOCH | FREE, .facts = LOOK},
    [BF_DEST_NOTING_ARMED] = {MARK(ARMED), .traits = OPEN | EPOCH},
    [BF_DEST_PULLING] = {WISH(PULL), AFTER(LOADING), .traits = OPEN | EPOCH | FREE,
                         .facts = TRANSFER},
    [BF_DEST_LOADING] = {WISH(LOAD), .traits = OPEN | EPOCH, .facts = TRANSACTION},
    [BF_DEST_DOUBTING_LOADED] = {WISH(INSPECT), .traits = OPEN | EPOCH | FREE, .facts = LOOK},

    [BF_DEST_AWAITING_GUEST] = {.traits = OPEN | FREE, .facts = EVENTS},
    [BF_DEST_SURVEYING] = {WISH(INSPECT), .traits = OPEN | FREE, .facts = LOOK},
    [BF_DEST_REMOVING_STALE] = {WISH(REMOVE_STALE), AFTER(SURVEYING), .traits = OPEN,
                                .facts = TRANSACTION},
    [BF_DEST_NOTING_COMMIT] = {MARK(COMMITTING), AFTER(COMMITTING), .traits = OPEN},
    [BF_DEST_COMMITTING] = {WISH(COMMIT), AFTER(READING_BACK), .traits = OPEN,
                            .facts = TRANSACTION},
    [BF_DEST_DOUBTING_COMMIT] = {WISH(INSPECT), .traits = OPEN | FREE, .facts = LOOK},
    [BF_DEST_READING_BACK] = {WISH(READ_BACK), .traits = OPEN | FREE, .facts = EVENTS | FACT(DONE)},
    [BF_DEST_UNPUBLISHING] = {WISH(UNPUBLISH), AFTER(TIDYING), .traits = OPEN, .facts = CLEANUP},
    [BF_DEST_TIDYING] = {WISH(CLEAN), AFTER(NOTING_DONE), .traits = OPEN, .facts = CLEANUP},
    [BF_DEST_NOTING_DONE] = {MARK(COMMITTED), AFTER(COMMITTED), .traits = OPEN},
    [BF_DEST_COMMITTED] = {.traits = OPEN | FREE, .facts = EVENTS},
    [BF_DEST_ENDING] = {MARK(ENDED), AFTER(ENDED)},
    [BF_DEST_ENDED] = {.facts = EVENTS},

    [BF_DEST_ABANDONING] = {MARK(ABORTING), AFTER(SURVEYING_UNDO)},
    [BF_DEST_SURVEYING_UNDO] = {WISH(INSPECT), .facts = LOOK},
    [BF_DEST_UNDOING] = {WISH(UNDO), AFTER(ENDING), .facts = CLEANUP},
    [BF_DEST_RESUMING] = {WISH(INSPECT), .facts = LOOK},
};

const struct bf_dest_row *bf_dest_row(enum bf_dest_state state)
{
    return &rows[state];
}

const char *bf_dest_state_name(enum bf_dest_state state)
{
    static const char *const names[] = {
#define NAME(name) #name,
        BF_DEST_STATES(NAME)
#undef NAME
    };

    return (size_t)state < BF_NR_DEST_STATES ? names[state] : "UNKNOWN";
}
