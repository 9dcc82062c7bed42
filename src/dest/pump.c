/* Facts go into the machine, its wishes come out, one at a time; wish.c carries them out. */
#include "drive.h"

#include "base/fail_point.h"
#include "base/math.h"
#include "daemon/log.h"
#include "images.h"

enum { FAREWELL_MS = 10000 }; /* for a source that is away to hear that nothing is left here */

/* --- the end --- */

void dest_end(struct dest_drive *drive, enum bf_move_state state, const struct bf_error *err)
{
    if (drive->ended)
        return;
    drive->ended = true;
    bf_move_end(drive->move, state, err);
}

/* The destination's own words for rows: what stands behind a bitmap that has arrived. */
static void report_arrivals(struct dest_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        const struct bf_offer_disk *disk = &offer->disks[offer->states[i].disk];
        struct bf_move_row *row = bf_move_row(drive->move, disk->name, offer->bitmaps[i].name);

        if (!row ||
            (offer->states[i].drop != BF_DROP_NONE && offer->states[i].drop != BF_DROP_NATIVE))
            continue;
        if (offer->states[i].drop == BF_DROP_NONE && disk->placed_size_bytes > disk->size_bytes)
            row->outcome = BF_ROW_WIDENED; /* all behind the source's end counts as dirty */
        if (offer->bitmaps[i].persistent && !disk->stores)
            bf_move_row_note(row, "transient here: this image cannot store bitmaps, so it is lost "
                                  "when QEMU ends; convert the image to qcow2 (compat=1.1)");
    }
}

static void end_by_outcome(struct dest_drive *drive)
{
    const struct bf_dest *machine = &drive->machine;
    bool carried = machine->outcome == BF_OUTCOME_COMMITTED;
    bool aborted = machine->reason == BF_DROP_OPERATOR_ABORT;
    struct bf_error err = BF_ERROR_INIT;

    bf_offer_report(&drive->offer, drive->move, carried, carried ? "ended" : "given up");
    if (carried) {
        report_arrivals(drive);
        dest_end(drive, BF_MOVE_COMMITTED, NULL);
        return;
    }
    if (drive->why.code != BF_E_NONE &&
        (bf_drop_is_peers(machine->reason) ||
         (drive->images && machine->reason == BF_DROP_MIGRATION_FAILED)))
        (void)bf_error_set(&err, drive->why.code, "%s: %s", bf_drop_name(machine->reason),
                           drive->why.text);
    else
        (void)bf_error_set(&err, bf_drop_code(machine->reason), "%s: %s",
                           bf_drop_name(machine->reason), bf_drop_text(machine->reason));
    dest_end(drive, aborted ? BF_MOVE_ABORTED : BF_MOVE_FAILED, &err);
}

/* --- the machine --- */

static void pass_fail_point(enum bf_mark mark)
{
    switch ((int)mark) {
    case BF_MARK_BEGUN:
        bf_fail_point("dest.begun");
        break;
    case BF_MARK_ARMED:
        bf_fail_point("dest.armed");
        break;
    case BF_MARK_COMMITTING:
        bf_fail_point("dest.committing");
        break;
    case BF_MARK_COMMITTED:
        bf_fail_point("dest.committed");
        break;
    case BF_MARK_ABORTING:
        bf_fail_point("dest.aborting");
        break;
    default:
        bf_fail_point("dest.ended");
    }
}

static void journal(struct dest_drive *drive, const struct bf_dest_wish *wish)
{
    struct bf_dest_fact fact = {.kind = BF_DEST_DONE, .ticket = wish->ticket};
    struct bf_error err = BF_ERROR_INIT;

    if (wish->record.mark == BF_MARK_BEGUN)
        dest_forget_announcements(drive); /* they were those of another epoch */
    if (wish->record.mark == BF_MARK_COMMITTED)
        bf_fail_point("dest.tidied");
    if (wish->record.mark == BF_MARK_ENDED && drive->images)
        dest_images_remove_carriers(drive);
    if (bf_ledger_put_record(drive->move->folder, &wish->record, &drive->offer, &err) < 0) {
        bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, err.text);
        fact.kind = BF_DEST_REFUSED;
    } else {
        pass_fail_point(wish->record.mark);
    }
    (void)bf_dest_feed(&drive->machine, &fact, NULL);
}

static void grant(struct dest_drive *drive, const struct bf_dest_wish *wish)
{
    if (wish->kind == BF_DEST_SAY) {
        dest_say(drive, &wish->word);
    } else if (wish->kind == BF_DEST_JOURNAL) {
        journal(drive, wish);
    } else {
        drive->wish = *wish;
        drive->wish_open = true;
        drive->wish_started = false;
        dest_try_wish(drive);
    }
}

/* What the state is called for people. */
static const char *phase_of(enum bf_dest_state state)
{
    static const char *const phases[BF_NR_DEST_STATES] = {
        [BF_DEST_ACCEPTING] = "beginning",
        [BF_DEST_SWEEPING] = "removing what an earlier try left",
        [BF_DEST_SURVEYING_OFFER] = "looking for the disks",
        [BF_DEST_IDLE] = "waiting for the source to go on",
        [BF_DEST_ARMING] = "adding trackers",
        [BF_DEST_DOUBTING_ARMED] = "adding trackers",
        [BF_DEST_NOTING_ARMED] = "adding trackers",
        [BF_DEST_PULLING] = "pulling",
        [BF_DEST_LOADING] = "loading",
        [BF_DEST_DOUBTING_LOADED] = "loading",
        [BF_DEST_AWAITING_GUEST] = "waiting for the guest to run here",
        [BF_DEST_SURVEYING] = "looking before the commit",
        [BF_DEST_REMOVING_STALE] = "removing bitmaps of a former visit",
        [BF_DEST_NOTING_COMMIT] = "committing",
        [BF_DEST_COMMITTING] = "committing",
        [BF_DEST_DOUBTING_COMMIT] = "committing",
        [BF_DEST_READING_BACK] = "reading back",
        [BF_DEST_UNPUBLISHING] = "removing what was not right",
        [BF_DEST_TIDYING] = "tidying up",
        [BF_DEST_NOTING_DONE] = "committed",
        [BF_DEST_COMMITTED] = "waiting for the source to remove its copies",
        [BF_DEST_ENDING] = "ending",
        [BF_DEST_ENDED] = "ended",
        [BF_DEST_ABANDONING] = "giving up",
        [BF_DEST_SURVEYING_UNDO] = "giving up",
        [BF_DEST_UNDOING] = "taking everything back",
        [BF_DEST_RESUMING] = "taking up the move again",
    };

    return phases[state];
}

static bool is_past_loading(enum bf_dest_state state)
{
    return state >= BF_DEST_AWAITING_GUEST && state <= BF_DEST_COMMITTED;
}

static bool has_tracker(const struct dest_drive *drive)
{
    return drive->offer.kind == BF_HANDOFF_TRACKER;
}

static const char *phase_now(const struct dest_drive *drive)
{
    const struct bf_dest *machine = &drive->machine;

    if (machine->state != BF_DEST_IDLE || machine->step < BF_STEP_RECORDING)
        return phase_of(machine->state);
    return has_tracker(drive) && machine->step < BF_STEP_ARM
               ? "waiting for the mirrors"
               : "installed, waiting for the switchover";
}

/* With trackers, bitmaps that were loaded while the mirrors copy cannot do without them; and then
 * no step tells of the pause before SEAL does. */
static void show(struct dest_drive *drive)
{
    enum bf_step installed = has_tracker(drive) ? BF_STEP_ARM : BF_STEP_RECORDING;
    enum bf_step frozen = has_tracker(drive) ? BF_STEP_SEAL : BF_STEP_DELTA;
    const struct bf_dest *machine = &drive->machine;
    bool past = is_past_loading(machine->state);
    const char *phase = phase_now(drive);

    bf_move_set_phase(drive->move, phase);
    if (!past && machine->step < installed)
        bf_move_begin_again(drive->move);
    if (past || (machine->step >= installed && machine->step < BF_STEP_ABORT))
        bf_move_reach(drive->move, BF_MILESTONE_INSTALLED);
    if (past || (machine->step >= frozen && machine->step < BF_STEP_ABORT))
        bf_move_reach(drive->move, BF_MILESTONE_FROZEN);
    bf_offer_report(&drive->offer, drive->move, false, phase);
}

/* After a restart the source may not have called again yet; whom would it ask later? */
static bool waits_to_tell(struct dest_drive *drive)
{
    if (drive->caller || drive->machine.outcome != BF_OUTCOME_ABORTED)
        return false;
    if (drive->farewell_ms == 0)
        drive->farewell_ms =
            uv_now(drive->loop) + bf_min_u64(FAREWELL_MS, drive->config->peer_timeout_s * 1000);
    return uv_now(drive->loop) < drive->farewell_ms;
}

/* The guest runs here, and is not to notice what is done for its bitmaps. */
static bool has_time(const struct dest_drive *drive)
{
    return drive->machine.state > BF_DEST_AWAITING_GUEST &&
           drive->machine.state < BF_DEST_NOTING_DONE;
}

void dest_pump(struct dest_drive *drive)
{
    struct bf_dest_wish wish;

    if (drive->pumping || drive->ended)
        return;
    drive->pumping = true;
    while (bf_dest_next(&drive->machine, &wish))
        grant(drive, &wish);
    drive->pumping = false;
    if (drive->qemu && bf_qemu_live(drive->qemu))
        bf_live_set_rests(bf_qemu_live(drive->qemu), has_time(drive));
    show(drive);
    if (drive->machine.state == BF_DEST_ENDED && !waits_to_tell(drive))
        end_by_outcome(drive);
    else if (drive->images && drive->machine.state == BF_DEST_AWAITING_GUEST)
        dest_tell(drive, BF_DEST_GUEST_RUNS); /* whoever starts it next finds the bitmaps */
}

void dest_feed(struct dest_drive *drive, const struct bf_dest_fact *fact)
{
    struct bf_error err = BF_ERROR_INIT;

    if (!drive->begun || drive->ended || drive->freed)
        return;
    if (bf_dest_feed(&drive->machine, fact, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    dest_pump(drive);
}

void dest_tell(struct dest_drive *drive, enum bf_dest_fact_kind kind)
{
    dest_feed(drive, &(struct bf_dest_fact){.kind = kind});
}

static void answer(struct dest_drive *drive, struct bf_dest_fact *fact)
{
    fact->ticket = drive->wish.ticket;
    fact->drops = drive->drops;
    drive->wish_open = false;
    dest_feed(drive, fact);
}

void dest_answer(struct dest_drive *drive, enum bf_dest_fact_kind kind)
{
    answer(drive, &(struct bf_dest_fact){.kind = kind});
}

void dest_answer_armed(struct dest_drive *drive, bool before_guest)
{
    answer(drive, &(struct bf_dest_fact){.kind = BF_DEST_DONE, .before_guest = before_guest});
}

void dest_answer_inspected(struct dest_drive *drive)
{
    answer(drive, &(struct bf_dest_fact){.kind = BF_DEST_INSPECTED,
                                         .found = drive->found.bitmaps,
                                         .trackers_found = drive->found.trackers,
                                         .deltas_found = drive->found.deltas,
                                         .guest_runs = drive->found.guest_runs});
}
