/* The wish that is out, and the operation that carries it out: begun when QEMU is there and free,
 * its end ignored if another wish is out by then.
 */
#include "drive.h"

#include "images.h"

#include <string.h>

enum { AGAIN_MS = 500 };

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
