#include "brought.h"
#include "helpers.h"
#include "qemu.h"
#include "still.h"

#include <string.h>

static void bind(struct world *world)
{
    world->dest.bitmaps = world->dest_bitmaps;
}

static void unbind(struct world *world)
{
    world->dest.bitmaps = NULL;
    world->dest.ticket = 0;
}

static void pump(struct world *world)
{
    struct bf_dest_wish wish;

    while (bf_dest_next(&world->dest, &wish)) {
        if (wish.kind == BF_DEST_SAY) {
            world->confirmed |= wish.word.step == BF_STEP_SEAL;
            put_on_wire(world, 1, &wish.word, world->dest_bitmaps);
            continue;
        }
        if (is_still(world) && wish.kind == BF_DEST_JOURNAL && wish.record.mark == BF_MARK_ENDED)
            memset(world->loaded, 0, sizeof world->loaded);
        world->dest_action = (struct action){
            .active = 1,
            .kind = (uint8_t)wish.kind,
            .round = (uint8_t)wish.round,
            .with_delta = wish.with_delta,
            .record = keep_record(&wish.record),
        };
        for (unsigned i = 0; i < BITMAPS; i++)
            world->dest_action.drops[i] = world->dest_bitmaps[i].drop;
    }
    if (!world->dest.asked)
        world->dest_action = (struct action){0};
}

void dest_feed(struct world *world, const struct bf_dest_fact *fact)
{
    if (world->dest_helper != HELPER_ALIVE)
        return;
    bind(world);
    if (bf_dest_feed(&world->dest, fact, NULL) < 0)
        broken(world, "the destination's machine calls a fact illegal");
    pump(world);
    /* whoever starts a machine that is shut off finds what was put into its images */
    if (is_still(world) && world->dest.state == BF_DEST_AWAITING_GUEST) {
        (void)bf_dest_feed(&world->dest, &(struct bf_dest_fact){.kind = BF_DEST_GUEST_RUNS}, NULL);
        pump(world);
    }
    unbind(world);
}

static void fill_bitmaps(struct world *world, const uint8_t drops[BITMAPS])
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++)
        world->dest_bitmaps[i] =
            (struct bf_handoff_bitmap){.disk = world->settings.disk[i],
                                       .recording = world->settings.recording[i],
                                       .native = world->settings.native[i] != NATIVE_NOT,
                                       .drop = drops[i]};
}

/* The first offer makes the machine; a stranger who is told of an end just agrees. */
static void hear_first(struct world *world, const struct wire_word *word)
{
    if (word->step == BF_STEP_ABORT)
        put_on_wire(world, 1, &(struct bf_word){.epoch = word->epoch, .step = BF_STEP_ABORT},
                    world->dest_bitmaps);
    if (word->step != BF_STEP_OFFER || !world->dest_qemu || (is_still(world) && !still_copy(world)))
        return;
    world->dest_helper = HELPER_ALIVE;
    fill_bitmaps(world, word->drops);
    (void)bf_dest_init(&world->dest, word->epoch, world->dest_bitmaps, world->settings.nr_bitmaps,
                       NULL);
    pump(world);
    unbind(world);
}

void dest_arrive(struct world *world, const struct wire_word *word)
{
    struct bf_word heard = heard_word(word);

    if (world->dest_helper == HELPER_NONE)
        hear_first(world, word);
    else
        dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_HEARD, .word = heard});
}

/* --- carrying out --------------------------------------------------------------------------------
 */

static bool ours(const struct world *world, const struct qemu_bitmap *bitmap)
{
    return bitmap->there && bitmap->epoch == world->dest.epoch;
}

static bool carried(const struct world *world, unsigned bitmap)
{
    return world->dest_bitmaps[bitmap].drop == BF_DROP_NONE;
}

static bool needed(const struct world *world, unsigned disk)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] == disk && world->settings.recording[i] && carried(world, i))
            return true;
    }
    return false;
}

static void add_trackers(struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (!needed(world, i))
            continue;
        world->tracker[i] =
            (struct qemu_bitmap){.there = 1, .recording = 1, .epoch = (uint8_t)world->dest.epoch};
        world->mirror[i].unseen = 0;
    }
}

/* The names are taken where one was added for more disks than matter now. */
static bool arm_possible(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (needed(world, i) && ours(world, &world->tracker[i]))
            return false;
    }
    return true;
}

static void arm(struct world *world)
{
    world->dest_action.late =
        world->guest == AT_DEST && world->settings.breakage != BREAK_GAP_UNNOTICED;
    add_trackers(world);
}

static bool can_pull(const struct world *world)
{
    unsigned round = world->dest_action.round;

    if (world->source_helper != HELPER_ALIVE || world->served_epoch != world->dest.epoch)
        return false;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        unsigned disk = world->settings.disk[i];

        if (world->dest_bitmaps[i].drop != BF_DROP_NONE ||
            world->settings.recording[i] != (round != BF_ROUND_FROZEN))
            continue;
        if (round == BF_ROUND_DELTA ? !(world->served_delta & 1u << disk)
                                    : !(world->served & 1u << i))
            return false;
    }
    return true;
}

static void load(struct world *world)
{
    unsigned round = world->dest_action.round;

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        unsigned disk = world->settings.disk[i];

        if (!bf_dest_wants(&world->dest, (enum bf_round)round, i))
            continue;
        if (round == BF_ROUND_DELTA) {
            world->dest_delta[disk] = (struct qemu_bitmap){.there = 1,
                                                           .bits = world->pulled_delta_bits[disk],
                                                           .epoch = (uint8_t)world->dest.epoch};
            continue;
        }
        if (ours(world, &world->loaded[i]))
            broken(world, "a snapshot was loaded a second time");
        world->loaded[i] = (struct qemu_bitmap){
            .there = 1, .bits = world->pulled_bits[i], .epoch = (uint8_t)world->dest.epoch};
    }
}

/* Each transaction of a commit publishes one bitmap here. */
static bool is_left(const struct world *world, unsigned bitmap)
{
    return carried(world, bitmap) && !bf_dest_is_published(&world->dest, bitmap) &&
           !(world->dest_action.committed & (1U << bitmap));
}

static bool commit_possible(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        unsigned disk = world->settings.disk[i];

        if (!is_left(world, i))
            continue;
        if (world->final[i].there && !world->final[i].stale)
            return world->settings.breakage == BREAK_SECOND_COMMIT_IN_DOUBT;
        if (world->final[i].there && world->settings.breakage != BREAK_STALE_LEFT)
            return false;
        if (!ours(world, &world->loaded[i]))
            return world->settings.breakage == BREAK_SECOND_COMMIT_IN_DOUBT;
        if (world->settings.recording[i] && !ours(world, &world->tracker[disk]))
            return false;
    }
    return world->dest_qemu;
}

static void commit_one(struct world *world, unsigned bitmap)
{
    unsigned disk = world->settings.disk[bitmap];
    bool recording = world->settings.recording[bitmap];
    struct qemu_bitmap *final = &world->final[bitmap];

    if (final->there && !final->stale)
        broken(world, "a final name was added a second time");
    if (final->there)
        return; /* STALE_LEFT */
    *final = (struct qemu_bitmap){
        .there = 1,
        .recording = recording && world->settings.breakage != BREAK_ENABLE_LATER,
        .bits = world->loaded[bitmap].bits,
    };
    if (recording && world->settings.breakage != BREAK_COMMIT_WITHOUT_TRACKER)
        final->bits |= world->tracker[disk].bits;
    if (recording && world->dest_action.with_delta &&
        world->settings.breakage != BREAK_COMMIT_WITHOUT_DELTA)
        final->bits |= world->dest_delta[disk].bits;
    world->loaded[bitmap] = (struct qemu_bitmap){0};
}

static void commit(struct world *world)
{
    bool done = false;

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (!is_left(world, i))
            continue;
        if (done) {
            world->dest_action.carried_out = 0;
            return;
        }
        commit_one(world, i);
        world->dest_action.committed |= (uint8_t)(1U << i);
        done = true;
    }
}

static void remove_finals(struct world *world, bool stale)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (stale ? bf_dest_is_stale(&world->dest, i)
                  : bf_dest_is_published(&world->dest, i) && !carried(world, i))
            world->final[i] = (struct qemu_bitmap){0};
    }
}

static void clean(struct world *world)
{
    if (world->settings.breakage == BREAK_LEAVE_TEMPORARIES)
        return;
    brought_forget(world);
    if (!still_keeps_carriers(world))
        memset(world->loaded, 0, sizeof world->loaded);
    memset(world->dest_delta, 0, sizeof world->dest_delta);
    memset(world->tracker, 0, sizeof world->tracker);
}

static void undo(struct world *world)
{
    clean(world);
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (bf_dest_is_stale(&world->dest, i) || bf_dest_is_published(&world->dest, i))
            world->final[i] = (struct qemu_bitmap){0};
    }
}

static void carry_out_in_qemu(struct world *world)
{
    struct action *action = &world->dest_action;

    if (is_still(world) && still_carry_out(world))
        return;
    switch ((int)action->kind) {
    case BF_DEST_ARM:
        action->failed = !arm_possible(world);
        if (!action->failed)
            arm(world);
        break;
    case BF_DEST_LOAD:
        load(world);
        break;
    case BF_DEST_REMOVE_STALE:
        remove_finals(world, true);
        break;
    case BF_DEST_COMMIT:
        action->failed = !commit_possible(world);
        if (!action->failed)
            commit(world);
        break;
    case BF_DEST_UNPUBLISH:
        remove_finals(world, false);
        break;
    case BF_DEST_CLEAN:
        clean(world);
        break;
    default:
        undo(world);
    }
}

static void carry_out(struct world *world)
{
    struct action *action = &world->dest_action;

    action->carried_out = 1;
    if (is_brought(world) && (action->kind == BF_DEST_PULL || action->kind == BF_DEST_LOAD)) {
        brought_fetch(world);
        return;
    }
    switch ((int)action->kind) {
    case BF_DEST_JOURNAL:
        world->dest_journal.written = 1;
        world->dest_journal.record = action->record;
        memcpy(world->dest_journal.drops, action->drops, BITMAPS);
        break;
    case BF_DEST_PULL:
        memcpy(world->pulled_bits, world->served_bits, sizeof world->pulled_bits);
        memcpy(world->pulled_delta_bits, world->served_delta_bits, sizeof world->pulled_delta_bits);
        bind(world);
        if (is_still(world))
            still_make_carriers(world);
        unbind(world);
        break;
    case BF_DEST_INSPECT:
    case BF_DEST_READ_BACK:
        break;
    default:
        bind(world);
        if (world->dest_qemu)
            carry_out_in_qemu(world);
        else
            action->failed = action->kind == BF_DEST_ARM || action->kind == BF_DEST_LOAD ||
                             action->kind == BF_DEST_REMOVE_STALE || action->kind == BF_DEST_COMMIT;
        unbind(world);
    }
}

bool dest_carry_out(struct world *world, unsigned unused)
{
    const struct action *action = &world->dest_action;

    (void)unused;
    if (world->dest_helper != HELPER_ALIVE || !action->active || action->carried_out ||
        (action->kind == BF_DEST_PULL && !is_brought(world) && !can_pull(world)))
        return false;
    carry_out(world);
    return true;
}

/* --- looking -------------------------------------------------------------------------------------
 */

static bool all_there(const struct world *world, const struct qemu_bitmap *bitmaps)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (needed(world, i) && !ours(world, &bitmaps[i]))
            return false;
    }
    return true;
}

/* As the driver does it, with two digests. */
static uint8_t prove_native(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *final = &world->final[bitmap];
    unsigned disk = world->settings.disk[bitmap];
    uint8_t found = world->settings.native[bitmap] == NATIVE_GOOD ? BF_FOUND_FRESH : 0;
    uint8_t must = 0;

    if (world->settings.breakage == BREAK_NATIVE_BELIEVED)
        return BF_FOUND_NATIVE | BF_FOUND_FRESH;
    if (ours(world, &world->loaded[bitmap]))
        must |= world->loaded[bitmap].bits;
    if (final->recording && ours(world, &world->dest_delta[disk])) {
        must |= world->dest_delta[disk].bits;
        found |= BF_FOUND_DELTA;
    }
    if (final->recording == world->settings.recording[bitmap] && (final->bits & must) == must)
        found |= BF_FOUND_NATIVE;
    return found;
}

static void answer_inspect(struct world *world)
{
    uint8_t found[BITMAPS] = {0};
    bool lie = world->settings.breakage == BREAK_SECOND_COMMIT_IN_DOUBT &&
               world->dest.state == BF_DEST_DOUBTING_COMMIT;

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (ours(world, &world->loaded[i]) || lie)
            found[i] |= BF_FOUND_SNAPSHOT;
        if (world->final[i].there && !lie && world->settings.breakage != BREAK_STALE_LEFT)
            found[i] |= BF_FOUND_FINAL;
        if (world->final[i].there && world->final[i].native)
            found[i] |= prove_native(world, i);
    }
    dest_feed(world,
              &(struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                     .found = found,
                                     .trackers_found = all_there(world, world->tracker) || lie,
                                     .deltas_found = all_there(world, world->dest_delta) || lie,
                                     .guest_runs = world->guest == AT_DEST});
}

static void answer_read_back(struct world *world)
{
    uint8_t drops[BITMAPS] = {0};

    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (carried(world, i) && !world->final[i].there)
            drops[i] = BF_DROP_COMMIT_LOST;
    }
    dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_DONE, .drops = drops});
}

static void answer(struct world *world)
{
    const struct action action = world->dest_action;

    if (is_still(world) && action.failed)
        dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_MIGRATION_FAILED});
    if (action.kind == BF_DEST_INSPECT && is_still(world))
        still_answer_dest_inspect(world);
    else if (action.kind == BF_DEST_INSPECT && is_brought(world))
        brought_answer_inspect(world);
    else if (action.kind == BF_DEST_INSPECT)
        answer_inspect(world);
    else if (action.kind == BF_DEST_READ_BACK)
        answer_read_back(world);
    else
        dest_feed(world,
                  &(struct bf_dest_fact){.kind = action.failed ? BF_DEST_REFUSED : BF_DEST_DONE,
                                         .drops = action.drops,
                                         .before_guest = !action.late});
}

bool dest_answer(struct world *world, unsigned unused)
{
    (void)unused;
    if (world->dest_helper != HELPER_ALIVE || !world->dest_action.active ||
        !world->dest_action.carried_out)
        return false;
    answer(world);
    return true;
}

bool dest_in_doubt(struct world *world, unsigned unused)
{
    const struct action *action = &world->dest_action;

    (void)unused;
    if (world->dest_helper != HELPER_ALIVE || !action->active || action->failed ||
        action->kind == BF_DEST_JOURNAL || action->kind == BF_DEST_PULL ||
        action->kind == BF_DEST_INSPECT || action->kind == BF_DEST_READ_BACK)
        return false;
    dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_UNKNOWN});
    return true;
}

bool dest_refuse(struct world *world, unsigned unused)
{
    const struct action *action = &world->dest_action;

    (void)unused;
    if (world->dest_helper != HELPER_ALIVE || !action->active || action->carried_out ||
        action->kind == BF_DEST_INSPECT || action->kind == BF_DEST_READ_BACK ||
        action->kind == BF_DEST_CLEAN || action->kind == BF_DEST_UNDO ||
        action->kind == BF_DEST_UNPUBLISH)
        return false;
    dest_feed(world, &(struct bf_dest_fact){.kind = BF_DEST_REFUSED});
    return true;
}

bool dest_notice(struct world *world, unsigned unused)
{
    static const struct {
        uint8_t notice;
        enum bf_dest_fact_kind kind;
    } order[] = {
        {NOTICE_FAILED, BF_DEST_MIGRATION_FAILED},
        {NOTICE_RUNS, BF_DEST_GUEST_RUNS},
        {NOTICE_GONE, BF_DEST_QEMU_GONE},
    };

    (void)unused;
    if (world->dest_helper != HELPER_ALIVE)
        return false;
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (!(world->dest_notices & order[i].notice))
            continue;
        world->dest_notices &= (uint8_t)~order[i].notice;
        dest_feed(world, &(struct bf_dest_fact){.kind = order[i].kind});
        return true;
    }
    return false;
}

bool dest_tell(struct world *world, unsigned fact)
{
    if (world->dest_helper != HELPER_ALIVE)
        return false;
    still_note_patience(world, fact);
    dest_feed(world, &(struct bf_dest_fact){.kind = (enum bf_dest_fact_kind)fact});
    return true;
}

/* --- crashing ------------------------------------------------------------------------------------
 */

bool dest_crash(struct world *world, unsigned carried_out)
{
    const struct action *action = &world->dest_action;

    if (world->dest_helper != HELPER_ALIVE ||
        (carried_out && (!action->active || action->carried_out || action->kind == BF_DEST_PULL)))
        return false;
    if (carried_out)
        carry_out(world);
    memset(&world->dest, 0, sizeof world->dest);
    memset(world->dest_bitmaps, 0, sizeof world->dest_bitmaps);
    world->dest_action = (struct action){0};
    world->dest_helper = HELPER_DEAD;
    return true;
}

/* What was missed is found by looking: the events that still hold come again. */
static void renew_notices(struct world *world)
{
    world->dest_notices &= NOTICE_FAILED;
    if (world->guest == AT_DEST && !is_still(world))
        world->dest_notices |= NOTICE_RUNS;
    if (!world->dest_qemu)
        world->dest_notices |= NOTICE_GONE;
}

bool dest_restart(struct world *world, unsigned unused)
{
    const struct journal *journal = &world->dest_journal;
    struct bf_record record = kept(&journal->record);

    (void)unused;
    if (world->dest_helper != HELPER_DEAD)
        return false;
    renew_notices(world);
    if (!journal->written) {
        world->dest_helper = HELPER_NONE;
        return true;
    }
    world->dest_helper = HELPER_ALIVE;
    fill_bitmaps(world, journal->drops);
    (void)bf_dest_resume(&world->dest, world->dest_bitmaps, world->settings.nr_bitmaps, &record,
                         NULL);
    pump(world);
    unbind(world);
    return true;
}
