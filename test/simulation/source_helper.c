#include "brought.h"
#include "helpers.h"
#include "hold.h"
#include "qemu.h"
#include "snapshot.h"
#include "still.h"

#include <string.h>

static void bind(struct world *world)
{
    world->source.bitmaps = world->source_bitmaps;
    world->source.disks = world->source_disks;
}

/* So that worlds can be copied and compared; tickets only matter while a wish is out. */
static void unbind(struct world *world)
{
    world->source.bitmaps = NULL;
    world->source.disks = NULL;
    world->source.ticket = 0;
}

static void note_generations(struct world *world, uint8_t generations[BITMAPS])
{
    memcpy(generations, world->generation, BITMAPS);
}

static void retire(struct world *world)
{
    if (!world->confirmed)
        broken(world, "the source's copies were removed before the end was certain");
    world->retired = 1;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++)
        world->user[i].there = 0;
}

static void start_action(struct world *world, const struct bf_source_wish *wish)
{
    world->source_action = (struct action){
        .active = 1,
        .kind = (uint8_t)wish->kind,
        .round = (uint8_t)wish->round,
        .with_delta = wish->with_delta,
        .put_back = wish->put_back,
        .record = keep_record(&wish->record),
    };
    for (unsigned i = 0; i < BITMAPS; i++)
        world->source_action.drops[i] = world->source_bitmaps[i].drop;
    if (wish->kind == BF_SOURCE_SNAPSHOT)
        world->all_answered = 0;
}

static void end_deltas(struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++)
        world->delta[i].recording = 0;
}

static void say(struct world *world, const struct bf_source_wish *wish)
{
    struct bf_word word = wish->word;

    if (world->settings.breakage == BREAK_EARLY_DELTA_CALLED_WHOLE)
        word.delta_whole = word.with_delta;
    put_on_wire(world, 0, &word, world->source_bitmaps);
    if (world->settings.breakage == BREAK_DELTA_ENDED_BEFORE_TRACKER && word.step == BF_STEP_ARM)
        end_deltas(world);
    if (world->settings.breakage == BREAK_RETIRE_BEFORE_CONFIRMED &&
        wish->word.step == BF_STEP_SEAL)
        retire(world);
}

static void pump(struct world *world)
{
    struct bf_source_wish wish;

    while (bf_source_next(&world->source, &wish)) {
        if (wish.kind == BF_SOURCE_SAY)
            say(world, &wish);
        else
            start_action(world, &wish);
    }
    if (!world->source.asked)
        world->source_action = (struct action){0};
}

void source_feed(struct world *world, const struct bf_source_fact *fact)
{
    if (world->source_helper != HELPER_ALIVE)
        return;
    bind(world);
    /* As drivers do: which kind it is only the destination knows, and says with its first answer.
     */
    if (fact->kind == BF_SOURCE_HEARD && world->source.state == BF_SOURCE_OFFERING &&
        fact->word.step == BF_STEP_OFFER)
        world->source.kind = world->settings.kind;
    world->source.early = !world->settings.waits_for_ready;
    if (bf_source_feed(&world->source, fact, NULL) < 0)
        broken(world, "the source's machine calls a fact illegal");
    pump(world);
    unbind(world);
}

/* What was planned so from the beginning is no question. */
static enum bf_handoff_kind first_kind(const struct world *world)
{
    return is_still(world) || is_brought(world) ? (enum bf_handoff_kind)world->settings.kind
                                                : BF_HANDOFF_TRACKER;
}

void source_begin(struct world *world)
{
    still_open(world);
    brought_announce(world);
    world->source_helper = HELPER_ALIVE;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++)
        world->source_bitmaps[i] = (struct bf_handoff_bitmap){
            .disk = world->settings.disk[i], .recording = world->settings.recording[i]};
    (void)bf_source_init(&world->source, first_kind(world), world->source_bitmaps,
                         world->settings.nr_bitmaps, world->source_disks, world->settings.nr_disks,
                         NULL);
    note_generations(world, world->offered_generation);
    note_generations(world, world->watched_generation);
    pump(world);
    unbind(world);
}

/* --- carrying out --------------------------------------------------------------------------------
 */

static void serve(struct world *world)
{
    struct action *action = &world->source_action;

    for (unsigned i = 0; i < world->settings.nr_bitmaps && action->round != BF_ROUND_DELTA; i++) {
        if (!snapshot_is_of(world, i, action->round))
            continue;
        world->served_bits[i] = world->snapshot[i].bits;
        world->served |= (uint8_t)(1u << i);
    }
    for (unsigned i = 0; i < world->settings.nr_disks && action->round == BF_ROUND_DELTA; i++) {
        if (!world->delta[i].there)
            continue;
        world->delta[i].recording = 0;
        world->served_delta_bits[i] = world->delta[i].bits;
        world->served_delta |= (uint8_t)(1u << i);
    }
    world->served_epoch = (uint8_t)world->source.epoch;
}

static void stop_serving(struct world *world)
{
    world->served = 0;
    world->served_delta = 0;
    memset(world->served_bits, 0, sizeof world->served_bits);
    memset(world->served_delta_bits, 0, sizeof world->served_delta_bits);
}

static void clean(struct world *world)
{
    stop_serving(world);
    memset(world->snapshot, 0, sizeof world->snapshot);
    memset(world->delta, 0, sizeof world->delta);
    world->taken = 0;
    memset(world->held, 0, sizeof world->held);
    memset(world->left, 0, sizeof world->left);
    memset(world->twin, 0, sizeof world->twin);
}

/* What takes many commands: one of them; false: none is left. */
static bool do_one(struct world *world)
{
    struct action *action = &world->source_action;

    switch ((int)action->kind) {
    case BF_SOURCE_SNAPSHOT: /* what nobody writes to is its own */
        return !is_still(world) && snapshot_one(world);
    case BF_SOURCE_HOLD:
        return hold_one(world);
    case BF_SOURCE_CLEAN:
        return action->put_back && put_back_one(world);
    default:
        return false;
    }
}

static void write_journal(struct journal *journal, const struct action *action)
{
    journal->written = 1;
    journal->record = action->record;
    memcpy(journal->drops, action->drops, BITMAPS);
}

static void carry_out(struct world *world)
{
    struct action *action = &world->source_action;

    if (do_one(world))
        return;
    action->carried_out = 1;
    switch ((int)action->kind) {
    case BF_SOURCE_JOURNAL:
        write_journal(&world->source_journal, action);
        break;
    case BF_SOURCE_SNAPSHOT:
        world->all_answered = !action->failed;
        break;
    case BF_SOURCE_HOLD:
        action->held = hold_is_whole(world);
        break;
    case BF_SOURCE_SERVE:
        action->failed = !world->source_qemu;
        if (is_still(world))
            still_serve(world);
        else if (!action->failed)
            serve(world);
        break;
    case BF_SOURCE_RETIRE:
        retire(world);
        break;
    case BF_SOURCE_CLEAN:
        if (world->settings.breakage != BREAK_LEAVE_TEMPORARIES)
            clean(world);
        else
            stop_serving(world);
        break;
    default:
        break;
    }
}

bool source_carry_out(struct world *world, unsigned unused)
{
    struct action *action = &world->source_action;

    (void)unused;
    if (world->source_helper != HELPER_ALIVE || !action->active || action->carried_out ||
        action->kind == BF_SOURCE_WATCH_DRAIN)
        return false;
    carry_out(world);
    return true;
}

/* --- looking -------------------------------------------------------------------------------------
 */

/* The twin of another epoch is not looked for. */
static uint8_t compare_with_twin(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *twin = &world->twin[bitmap];
    int more = __builtin_popcount(world->user[bitmap].bits) - __builtin_popcount(twin->bits);

    if (!twin->there || twin->epoch != world->source.epoch ||
        (world->source.state != BF_SOURCE_HOLDING && world->source.state != BF_SOURCE_EXAMINING))
        return BF_DROP_NONE;
    if (more < 0 && world->settings.breakage != BREAK_CLEAR_UNNOTICED)
        return BF_DROP_BITMAP_CLEARED;
    return more > 0 && world->settings.breakage != BREAK_TWIN_UNCOMPARED ? BF_DROP_BITMAP_CHANGED
                                                                         : BF_DROP_NONE;
}

uint8_t source_compare(const struct world *world, unsigned bitmap)
{
    const struct qemu_bitmap *user = &world->user[bitmap];
    bool recording = world->settings.recording[bitmap];

    if (is_brought(world)) /* it may be on its way already */
        return BF_DROP_BITMAP_UNSEEN;
    if (world->changed[bitmap] && world->settings.breakage != BREAK_CHANGE_FORGOTTEN)
        return world->changed[bitmap];
    if (world->settings.breakage == BREAK_CHANGES_UNNOTICED || (world->taken >> bitmap & 1))
        return BF_DROP_NONE; /* that was judged when it was taken away */
    if (!user->there)
        return BF_DROP_BITMAP_VANISHED;
    if (user->recording && !recording)
        return BF_DROP_BITMAP_SWITCHED_ON;
    if (!user->recording && recording)
        return BF_DROP_BITMAP_SWITCHED_OFF;
    if (world->generation[bitmap] != world->watched_generation[bitmap] &&
        world->settings.breakage != BREAK_CLEAR_UNNOTICED)
        return BF_DROP_BITMAP_CLEARED;
    if (recording)
        return compare_with_twin(world, bitmap);
    if ((world->served >> bitmap & 1) && user->bits != world->served_bits[bitmap])
        return BF_DROP_BITMAP_CHANGED; /* what was announced the helper remembers */
    return BF_DROP_NONE;
}

static enum bf_source_guest where(const struct world *world)
{
    if (!world->source_qemu)
        return BF_SOURCE_GUEST_LOST;
    if (world->guest == LEFT || world->guest == AT_DEST)
        return BF_SOURCE_GUEST_LEFT;
    return world->guest == PAUSED ? BF_SOURCE_GUEST_PAUSED : BF_SOURCE_GUEST_HERE;
}

static void feed_standing_facts(struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (world->mirror[i].state == MIRROR_READY)
            source_feed(world, &(struct bf_source_fact){.kind = BF_SOURCE_MIRROR_READY, .disk = i});
    }
}

static void answer_inspect(struct world *world)
{
    uint8_t drops[BITMAPS] = {0};
    bool resuming = world->source.state == BF_SOURCE_RESUMING;

    for (unsigned i = 0; i < world->settings.nr_bitmaps && !resuming; i++)
        drops[i] = source_compare(world, i);
    source_feed(world, &(struct bf_source_fact){.kind = BF_SOURCE_INSPECTED,
                                                .drops = drops,
                                                .guest = where(world),
                                                .snapshots_found = snapshot_is_whole(
                                                    world, world->source_action.round)});
    if (resuming)
        feed_standing_facts(world);
}

bool source_answer(struct world *world, unsigned unused)
{
    struct action action = world->source_action;

    (void)unused;
    /* events come before answers, as QEMU sent them */
    if (world->source_helper != HELPER_ALIVE || !action.active || !action.carried_out ||
        world->notices)
        return false;
    if (action.kind == BF_SOURCE_INSPECT && is_still(world))
        still_answer_inspect(world);
    else if (action.kind == BF_SOURCE_INSPECT)
        answer_inspect(world);
    else
        source_feed(world, &(struct bf_source_fact){.kind = action.failed ? BF_SOURCE_REFUSED
                                                                          : BF_SOURCE_DONE,
                                                    .held = action.held,
                                                    .drops = action.drops});
    return true;
}

bool source_in_doubt(struct world *world, unsigned unused)
{
    const struct action *action = &world->source_action;

    (void)unused;
    if (world->source_helper != HELPER_ALIVE || !action->active ||
        (action->failed && action->carried_out) || world->notices ||
        (action->kind != BF_SOURCE_SNAPSHOT && action->kind != BF_SOURCE_CLEAN &&
         action->kind != BF_SOURCE_HOLD && action->kind != BF_SOURCE_RETIRE))
        return false;
    source_feed(world, &(struct bf_source_fact){.kind = BF_SOURCE_UNKNOWN});
    return true;
}

bool source_refuse(struct world *world, unsigned unused)
{
    const struct action *action = &world->source_action;

    (void)unused;
    if (world->source_helper != HELPER_ALIVE || !action->active || action->carried_out ||
        world->notices ||
        (action->kind != BF_SOURCE_SNAPSHOT && action->kind != BF_SOURCE_SERVE &&
         action->kind != BF_SOURCE_HOLD && action->kind != BF_SOURCE_JOURNAL))
        return false;
    if (action->kind == BF_SOURCE_SNAPSHOT && !is_still(world))
        snapshot_sweep(world);
    source_feed(world, &(struct bf_source_fact){.kind = BF_SOURCE_REFUSED});
    return true;
}

/* What a mirror that writes all has not copied yet the tracker will see: none has to be waited for.
 * Behind one that skips zeroes only deltas that end in the pause will do. */
bool source_poll(struct world *world, unsigned disk)
{
    bool enough =
        !world->settings.skips_zeroes || world->settings.breakage == BREAK_NO_WAIT_FOR_DRAIN;

    if (world->source_helper != HELPER_ALIVE || world->source.state != BF_SOURCE_DRAINING ||
        disk >= world->settings.nr_disks || world->source_disks[disk].drained)
        return false;
    source_feed(world, &(struct bf_source_fact){
                           .kind = enough ? BF_SOURCE_DRAINED : BF_SOURCE_TOO_BUSY, .disk = disk});
    return true;
}

bool source_notice(struct world *world, unsigned unused)
{
    static const struct {
        uint8_t notice;
        enum bf_source_fact_kind kind;
    } order[] = {
        {NOTICE_MIGRATING, BF_SOURCE_MIGRATING}, {NOTICE_PAUSED, BF_SOURCE_PAUSED},
        {NOTICE_SWITCHED, BF_SOURCE_SWITCHED},   {NOTICE_KEPT, BF_SOURCE_KEPT},
        {NOTICE_GONE, BF_SOURCE_QEMU_GONE},
    };

    (void)unused;
    if (world->source_helper != HELPER_ALIVE)
        return false;
    if (is_still(world))
        return still_follow(world);
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (!(world->notices & order[i].notice))
            continue;
        world->notices &= (uint8_t)~order[i].notice;
        source_feed(world, &(struct bf_source_fact){.kind = order[i].kind});
        return true;
    }
    return false;
}

bool source_tell(struct world *world, unsigned fact)
{
    if (world->source_helper != HELPER_ALIVE ||
        (fact == BF_SOURCE_TOO_BUSY && world->source.state != BF_SOURCE_DRAINING))
        return false;
    source_feed(world, &(struct bf_source_fact){.kind = (enum bf_source_fact_kind)fact});
    return true;
}

/* --- crashing ------------------------------------------------------------------------------------
 */

/* nbdkit dies with its parent; a transaction that was sent is carried out or not. */
bool source_crash(struct world *world, unsigned carried_out)
{
    struct action *action = &world->source_action;

    if (world->source_helper != HELPER_ALIVE ||
        (carried_out &&
         (!action->active || action->carried_out || action->kind == BF_SOURCE_SERVE)))
        return false;
    if (carried_out)
        carry_out(world);
    stop_serving(world);
    world->taken = 0;
    memset(world->changed, 0, sizeof world->changed);
    world->all_answered = 0;
    memset(&world->source, 0, sizeof world->source);
    memset(world->source_disks, 0, sizeof world->source_disks);
    memset(world->source_bitmaps, 0, sizeof world->source_bitmaps);
    world->source_action = (struct action){0};
    world->source_helper = HELPER_DEAD;
    return true;
}

/* What was missed is found by looking: the events that still hold come again. */
static void renew_notices(struct world *world)
{
    bool gone = world->guest == LEFT || world->guest == AT_DEST;

    world->notices = 0;
    if (is_still(world))
        return;
    if (!world->source_qemu)
        world->notices = NOTICE_GONE;
    else if (gone)
        world->notices = NOTICE_SWITCHED;
    else if (world->guest == PAUSED && world->settings.sees_pause)
        world->notices = NOTICE_PAUSED;
    else if (world->migrating)
        world->notices = NOTICE_MIGRATING;
}

bool source_restart(struct world *world, unsigned unused)
{
    const struct journal *journal = &world->source_journal;
    struct bf_record record = kept(&journal->record);

    (void)unused;
    if (world->source_helper != HELPER_DEAD)
        return false;
    renew_notices(world);
    if (!journal->written) {
        source_begin(world);
        feed_standing_facts(world);
        return true;
    }
    if (is_still(world))
        still_reopen(world);
    world->source_helper = HELPER_ALIVE;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++)
        world->source_bitmaps[i] =
            (struct bf_handoff_bitmap){.disk = world->settings.disk[i],
                                       .recording = world->settings.recording[i],
                                       .drop = journal->drops[i]};
    (void)bf_source_resume(&world->source, first_kind(world), world->source_bitmaps,
                           world->settings.nr_bitmaps, world->source_disks,
                           world->settings.nr_disks, &record, NULL);
    note_generations(world, world->watched_generation);
    pump(world);
    unbind(world);
    return true;
}
