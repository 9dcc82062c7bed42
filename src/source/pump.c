/* Facts go into the machine, its wishes come out and are carried out, one at a time. */
#include "drive.h"

#include "base/math.h"
#include "daemon/log.h"
#include "images.h"

#include <string.h>

enum {
    AGAIN_MS = 500,
    FAREWELL_MS = 10000, /* for a destination that is away to hear that our copies are gone */
};

/* --- the end --- */

void source_end(struct source_drive *drive, enum bf_move_state state, const struct bf_error *err)
{
    if (drive->ended)
        return;
    drive->ended = true;
    bf_move_end(drive->move, state, err);
}

static void explain(const struct source_drive *drive, struct bf_error *err)
{
    enum bf_drop reason = drive->machine.reason;

    if (drive->machine.outcome == BF_OUTCOME_UNCONFIRMED)
        (void)bf_error_set(err, BF_E_DEADLINE,
                           "the destination never confirmed: its bitmaps may be there or not, and "
                           "the source's were left; look with 'bitferry status' over there, and at "
                           "the notes on the bitmaps here");
    else if (drive->why.code != BF_E_NONE &&
             (bf_drop_is_peers(reason) || (drive->images && reason == BF_DROP_MIGRATION_FAILED)))
        (void)bf_error_set(err, drive->why.code, "%s: %s", bf_drop_name(reason), drive->why.text);
    else
        (void)bf_error_set(err, bf_drop_code(reason), "%s: %s", bf_drop_name(reason),
                           bf_drop_text(reason));
}

static void end_by_outcome(struct source_drive *drive)
{
    const struct bf_source *machine = &drive->machine;
    bool carried = machine->outcome == BF_OUTCOME_COMMITTED;
    bool aborted = machine->reason == BF_DROP_OPERATOR_ABORT;
    struct bf_error err = BF_ERROR_INIT;

    bf_offer_report(&drive->offer, drive->move, carried, carried ? "ended" : "given up");
    if (!carried)
        explain(drive, &err);
    if (carried && machine->copies_left)
        (void)bf_error_set(&err, BF_E_IMAGE_IN_USE,
                           "all went well, but copies of the bitmaps are left in the images here, "
                           "and miss what the guest writes from now on: remove them with 'qemu-img "
                           "bitmap --remove' once QEMU has ended");
    if (machine->outcome == BF_OUTCOME_UNCONFIRMED || (carried && machine->copies_left))
        source_tell_leftovers(drive);
    if (carried)
        source_end(drive, BF_MOVE_COMMITTED, machine->copies_left ? &err : NULL);
    else
        source_end(drive, aborted ? BF_MOVE_ABORTED : BF_MOVE_FAILED, &err);
}

/* --- wishes --- */

static void carry_out(struct source_drive *drive)
{
    switch (drive->wish.kind) {
    case BF_SOURCE_SNAPSHOT:
        source_snapshot(drive);
        break;
    case BF_SOURCE_SERVE:
        source_serve(drive);
        break;
    case BF_SOURCE_WATCH_DRAIN:
        source_watch_drain(drive);
        break;
    case BF_SOURCE_INSPECT:
        if (drive->machine.state == BF_SOURCE_EXAMINING)
            source_examine(drive);
        else
            source_inspect(drive);
        break;
    case BF_SOURCE_HOLD:
        source_hold(drive);
        break;
    case BF_SOURCE_RETIRE:
        source_retire(drive);
        break;
    case BF_SOURCE_CLEAN:
        source_clean(drive);
        break;
    case BF_SOURCE_SAY:
    case BF_SOURCE_JOURNAL:
        break;
    }
}

void source_try_wish(struct source_drive *drive)
{
    if (!drive->wish_open || drive->wish_started || drive->freed || drive->ended)
        return;
    if (drive->busy) {
        if (drive->op)
            bf_live_op_stop(drive->op);
        atomic_store(&drive->work_stop, true);
        return;
    }
    if (drive->images ? !source_images_known(drive)
                      : !bf_qemu_is_gone(drive->qemu) && !bf_qemu_live(drive->qemu))
        return; /* it is looked for */
    drive->wish_started = true;
    drive->wish_ms = uv_now(drive->loop);
    drive->cursor = 0;
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    if (drive->images)
        source_images_carry_out(drive);
    else
        carry_out(drive);
}

void source_op_began(struct source_drive *drive)
{
    drive->busy = true;
    drive->op_ticket = drive->wish.ticket;
}

bool source_op_ended(struct source_drive *drive)
{
    drive->busy = false;
    drive->op = NULL;
    if (drive->freed || drive->ended)
        return false;
    if (((drive->wish_open && drive->wish_started) || drive->behind) &&
        drive->op_ticket == drive->wish.ticket)
        return true;
    source_try_wish(drive);
    return false;
}

void source_doubt(struct source_drive *drive)
{
    uint32_t ticket = drive->wish.ticket;

    bf_qemu_restart(drive->qemu); /* which may be news to the machine, and end the wish */
    if (drive->wish_open && drive->wish.ticket == ticket)
        source_answer(drive, BF_SOURCE_UNKNOWN);
}

void source_repeat(struct source_drive *drive)
{
    drive->wish_started = false;
    bf_qemu_restart(drive->qemu);
}

static void on_again(uv_timer_t *timer)
{
    struct source_drive *drive = timer->data;

    if (source_op_ended(drive))
        drive->again_step(drive);
}

void source_again(struct source_drive *drive, void (*step)(struct source_drive *drive))
{
    source_op_began(drive);
    drive->again_step = step;
    (void)uv_timer_start(&drive->again, on_again, AGAIN_MS, 0);
}

static void do_work(uv_work_t *work)
{
    struct source_drive *drive = work->data;

    drive->work_step(drive);
}

static void after_work(uv_work_t *work, int status)
{
    struct source_drive *drive = work->data;

    (void)status; /* never cancelled */
    if (source_op_ended(drive))
        drive->work_then(drive);
    source_closed_one(drive);
}

void source_work(struct source_drive *drive, void (*work)(struct source_drive *drive),
                 void (*step)(struct source_drive *drive))
{
    source_op_began(drive);
    drive->work_step = work;
    drive->work_then = step;
    drive->work.data = drive;
    atomic_store(&drive->work_stop, false);
    drive->nr_open++;
    (void)uv_queue_work(drive->loop, &drive->work, do_work, after_work);
}

/* --- the machine --- */

static void grant(struct source_drive *drive, const struct bf_source_wish *wish)
{
    if (wish->kind == BF_SOURCE_SAY) {
        source_say(drive, &wish->word);
    } else if (wish->kind == BF_SOURCE_JOURNAL) {
        source_journal(drive, wish);
    } else {
        drive->wish = *wish;
        drive->wish_open = true;
        drive->wish_started = drive->behind = false;
        source_try_wish(drive);
    }
}

static void show(struct source_drive *drive)
{
    enum bf_source_milestone reached = bf_source_milestone(&drive->machine);

    bf_move_set_phase(drive->move, source_phase(drive->machine.state));
    if (drive->machine.state < BF_SOURCE_INSTALLED)
        bf_move_begin_again(drive->move);
    if (reached >= BF_SOURCE_REACHED_INSTALLED && reached <= BF_SOURCE_REACHED_COMMITTED)
        bf_move_reach(drive->move, BF_MILESTONE_INSTALLED);
    if (reached >= BF_SOURCE_REACHED_FROZEN && reached <= BF_SOURCE_REACHED_COMMITTED)
        bf_move_reach(drive->move, BF_MILESTONE_FROZEN);
    bf_offer_report(&drive->offer, drive->move, false, source_phase(drive->machine.state));
}

/* Unsaid, the destination would wait for it until its peer_timeout_s. */
static bool waits_to_tell(struct source_drive *drive)
{
    if (drive->farewell_said || drive->machine.outcome != BF_OUTCOME_COMMITTED)
        return false;
    if (drive->farewell_ms == 0)
        drive->farewell_ms =
            uv_now(drive->loop) + bf_min_u64(FAREWELL_MS, drive->config->peer_timeout_s * 1000);
    return uv_now(drive->loop) < drive->farewell_ms;
}

/* While a mirror copies there is time, and the guest is not to notice. */
static bool has_time(const struct source_drive *drive)
{
    if (drive->machine.state <= BF_SOURCE_OFFERING ||
        drive->machine.state >= BF_SOURCE_AWAITING_READY)
        return false;
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (drive->offer.disks[i].mode == BF_MODE_NBD && !drive->disks[i].ready)
            return true;
    }
    return false;
}

void source_pump(struct source_drive *drive)
{
    struct bf_source_wish wish;

    if (drive->pumping || drive->ended)
        return;
    drive->pumping = true;
    while (bf_source_next(&drive->machine, &wish))
        grant(drive, &wish);
    drive->pumping = false;
    if (drive->qemu && bf_qemu_live(drive->qemu))
        bf_live_set_rests(bf_qemu_live(drive->qemu), has_time(drive));
    show(drive);
    if (drive->machine.state == BF_SOURCE_ENDED && !waits_to_tell(drive))
        end_by_outcome(drive);
    else if (drive->images)
        source_images_follow(drive);
}

void source_feed(struct source_drive *drive, const struct bf_source_fact *fact)
{
    struct bf_error err = BF_ERROR_INIT;

    if (!drive->begun || drive->ended || drive->freed)
        return;
    if (bf_source_feed(&drive->machine, fact, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    source_pump(drive);
}

void source_tell(struct source_drive *drive, enum bf_source_fact_kind kind)
{
    source_feed(drive, &(struct bf_source_fact){.kind = kind});
}

static void answer(struct source_drive *drive, struct bf_source_fact *fact)
{
    fact->ticket = drive->wish.ticket;
    fact->drops = drive->drops;
    drive->wish_open = false;
    source_feed(drive, fact);
}

void source_answer(struct source_drive *drive, enum bf_source_fact_kind kind)
{
    answer(drive, &(struct bf_source_fact){.kind = kind});
}

void source_answer_held(struct source_drive *drive, bool held)
{
    answer(drive, &(struct bf_source_fact){.kind = BF_SOURCE_DONE, .held = held});
}

void source_answer_inspected(struct source_drive *drive, enum bf_source_guest guest,
                             bool snapshots_found)
{
    answer(drive, &(struct bf_source_fact){.kind = BF_SOURCE_INSPECTED,
                                           .guest = guest,
                                           .snapshots_found = snapshots_found});
}
