/* Facts go into the machine, its wishes come out and are carried out, one at a time. */
#include "drive.h"

#include "base/fail_point.h"
#include "base/math.h"
#include "daemon/log.h"
#include "images.h"

#include <string.h>

enum {
    AGAIN_MS = 500,
    FAREWELL_MS = 10000, /* for a source that is away to hear that nothing is left here */
};

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

/* --- wishes --- */

static void carry_out(struct dest_drive *drive)
{
    switch (drive->wish.kind) {
    case BF_DEST_ARM:
        dest_arm(drive);
        break;
    case BF_DEST_PULL:
        dest_pull(drive);
        break;
    case BF_DEST_LOAD:
        dest_load(drive);
        break;
    case BF_DEST_INSPECT:
        if (drive->machine.state == BF_DEST_SURVEYING_OFFER)
            dest_answer_inspected(drive);
        else
            dest_inspect(drive);
        break;
    case BF_DEST_REMOVE_STALE:
        dest_remove_stale(drive);
        break;
    case BF_DEST_COMMIT:
        dest_commit(drive);
        break;
    case BF_DEST_READ_BACK:
        dest_read_back(drive);
        break;
    case BF_DEST_UNPUBLISH:
        dest_unpublish(drive);
        break;
    case BF_DEST_CLEAN:
    case BF_DEST_UNDO:
        if (drive->machine.state == BF_DEST_TIDYING && dest_defines(drive))
            dest_define(drive);
        else
            dest_clean(drive);
        break;
    case BF_DEST_SAY:
    case BF_DEST_JOURNAL:
        break;
    }
}

/* Disks come and go: where a wish asks what there is, they are looked for again. */
static bool must_be_placed(const struct dest_drive *drive)
{
    return !drive->placed || drive->machine.state == BF_DEST_SURVEYING_OFFER ||
           drive->machine.state == BF_DEST_RESUMING;
}

/* With QEMU its bitmaps are gone: nothing is there, and nothing can be done. */
static void carry_out_gone(struct dest_drive *drive)
{
    switch ((int)drive->wish.kind) {
    case BF_DEST_INSPECT:
        memset(drive->found.bitmaps, 0, drive->offer.nr_bitmaps);
        drive->found.trackers = drive->found.deltas = false;
        drive->found.guest_runs = drive->guest_ran;
        dest_answer_inspected(drive);
        break;
    case BF_DEST_CLEAN:
    case BF_DEST_UNDO:
        dest_clean(drive);
        break;
    case BF_DEST_UNPUBLISH:
        dest_answer(drive, BF_DEST_DONE);
        break;
    case BF_DEST_READ_BACK:
        memset(drive->drops, BF_DROP_COMMIT_LOST, drive->offer.nr_bitmaps);
        dest_answer(drive, BF_DEST_DONE);
        break;
    default:
        dest_answer(drive, BF_DEST_REFUSED);
    }
}

/* What proves the bitmaps that QEMU brings is put into it when they are judged (brought.c). */
static bool is_fetching_only(const struct dest_drive *drive)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE &&
           (drive->machine.state == BF_DEST_PULLING || drive->machine.state == BF_DEST_LOADING);
}

static void carry_out_fetching(struct dest_drive *drive)
{
    drive->wish_started = true;
    drive->wish_ms = uv_now(drive->loop);
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    if (drive->wish.kind == BF_DEST_PULL)
        dest_pull(drive);
    else
        dest_answer(drive, BF_DEST_DONE);
}

/* Nothing of ours is in a QEMU that nobody has seen yet. */
static bool is_before_arrival(const struct dest_drive *drive)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE && !bf_qemu_was_up(drive->qemu) &&
           (drive->machine.state == BF_DEST_SWEEPING ||
            drive->machine.state == BF_DEST_SURVEYING_OFFER ||
            drive->machine.state == BF_DEST_RESUMING ||
            drive->machine.state == BF_DEST_SURVEYING_UNDO ||
            drive->machine.state == BF_DEST_UNDOING);
}

static void carry_out_before(struct dest_drive *drive)
{
    drive->wish_started = true;
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    if (drive->wish.kind == BF_DEST_INSPECT) {
        carry_out_gone(drive);
        return;
    }
    bf_carrier_folder_remove(drive->config, drive->move->id, drive->offer.nr_bitmaps,
                             drive->offer.nr_disks);
    dest_answer(drive, BF_DEST_DONE);
}

/* A pull that is not wanted any more gives way; transactions are let come to their end. */
static void make_way(struct dest_drive *drive)
{
    if (drive->op)
        bf_live_op_stop(drive->op);
    if (drive->images)
        dest_images_stop(drive->images);
    if (drive->fetch) {
        dest_stop_pull(drive);
        dest_pull_settle(drive);
    }
}

void dest_try_wish(struct dest_drive *drive)
{
    if (!drive->wish_open || drive->wish_started || drive->freed || drive->ended)
        return;
    if (drive->busy) {
        make_way(drive);
        return;
    }
    if (is_fetching_only(drive)) {
        carry_out_fetching(drive);
        return;
    }
    if (!drive->images && !bf_qemu_is_gone(drive->qemu) && !bf_qemu_live(drive->qemu)) {
        if (is_before_arrival(drive))
            carry_out_before(drive);
        return; /* it is looked for */
    }
    drive->wish_started = true;
    drive->wish_ms = uv_now(drive->loop);
    drive->cursor = 0;
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    if (drive->images)
        dest_images_carry_out(drive);
    else if (bf_qemu_is_gone(drive->qemu))
        carry_out_gone(drive);
    else if (must_be_placed(drive))
        dest_place(drive, carry_out);
    else
        carry_out(drive);
}

void dest_op_began(struct dest_drive *drive)
{
    drive->busy = true;
    drive->op_ticket = drive->wish.ticket;
}

bool dest_op_ended(struct dest_drive *drive)
{
    drive->busy = false;
    drive->op = NULL;
    if (drive->freed || drive->ended)
        return false;
    if (drive->wish_open && drive->wish_started && drive->op_ticket == drive->wish.ticket)
        return true;
    dest_try_wish(drive);
    return false;
}

void dest_doubt(struct dest_drive *drive)
{
    bf_qemu_restart(drive->qemu);
    dest_answer(drive, BF_DEST_UNKNOWN);
}

void dest_repeat(struct dest_drive *drive)
{
    drive->wish_started = false;
    bf_qemu_restart(drive->qemu);
}

static void on_again(uv_timer_t *timer)
{
    struct dest_drive *drive = timer->data;

    if (dest_op_ended(drive))
        drive->again_step(drive);
}

void dest_again(struct dest_drive *drive, void (*step)(struct dest_drive *drive))
{
    dest_op_began(drive);
    drive->again_step = step;
    (void)uv_timer_start(&drive->again, on_again, AGAIN_MS, 0);
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

static void show(struct dest_drive *drive)
{
    const struct bf_dest *machine = &drive->machine;
    bool past = is_past_loading(machine->state);
    const char *phase = machine->state == BF_DEST_IDLE && machine->step >= BF_STEP_RECORDING
                            ? "installed, waiting for the switchover"
                            : phase_of(machine->state);

    bf_move_set_phase(drive->move, phase);
    if (past || machine->step >= BF_STEP_RECORDING)
        bf_move_reach(drive->move, BF_MILESTONE_INSTALLED);
    if (past || (machine->step >= BF_STEP_DELTA && machine->step < BF_STEP_ABORT))
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

void dest_pump(struct dest_drive *drive)
{
    struct bf_dest_wish wish;

    if (drive->pumping || drive->ended)
        return;
    drive->pumping = true;
    while (bf_dest_next(&drive->machine, &wish))
        grant(drive, &wish);
    drive->pumping = false;
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

/* --- small things --- */

bool dest_wants(const struct dest_drive *drive, uint32_t index)
{
    if (drive->wish.round == BF_ROUND_DELTA)
        return bf_offer_matters(&drive->offer, index);
    return bf_dest_wants(&drive->machine, drive->wish.round, index);
}

uint32_t dest_nr_items(const struct dest_drive *drive)
{
    return drive->wish.round == BF_ROUND_DELTA ? drive->offer.nr_disks : drive->offer.nr_bitmaps;
}

uint32_t dest_disk_of(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? index : drive->offer.states[index].disk;
}

uint64_t dest_granularity_of(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? bf_offer_finest(&drive->offer, index)
                                               : drive->offer.bitmaps[index].granularity_bytes;
}

void dest_drop_item(struct dest_drive *drive, uint32_t index, enum bf_drop reason)
{
    if (drive->wish.round != BF_ROUND_DELTA) {
        drive->drops[index] = (uint8_t)reason;
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == index && drive->offer.states[i].recording)
            drive->drops[i] = (uint8_t)reason;
    }
}

const char *dest_node_of(const struct dest_drive *drive, uint32_t bitmap)
{
    return drive->offer.disks[drive->offer.states[bitmap].disk].node;
}
