/* What happens in QEMU, as facts of the machine. */
#include "drive.h"

#include "daemon/log.h"

#include <string.h>

bool dest_may_have_run(struct dest_drive *drive, const char *status)
{
    if (strcmp(status, "inmigrate") == 0 || strcmp(status, "prelaunch") == 0) {
        drive->waits = !drive->guest_ran;
        return drive->guest_ran;
    }
    /* Migrated, but not started yet (`-S`, virsh migrate --suspend). */
    if (strcmp(status, "paused") == 0 && drive->waits)
        return drive->guest_ran;
    return true;
}

bool dest_query_status(struct dest_drive *drive, bf_qmp_reply_fn done)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (!live || bf_qmp_send(bf_live_qmp(live), "query-status", NULL, BF_QEMU_DEADLINE_MS, done,
                             drive, NULL) < 0)
        return false;
    dest_op_began(drive);
    return true;
}

static void on_fact(void *ctx, const struct bf_live_fact *fact)
{
    struct dest_drive *drive = ctx;

    switch (fact->kind) {
    case BF_LIVE_GUEST_RUNS:
        drive->guest_ran = true;
        drive->waits = false;
        dest_tell(drive, BF_DEST_GUEST_RUNS);
        break;
    case BF_LIVE_MIGRATION:
        if (fact->migration == BF_LIVE_MIGRATION_FAILED && !drive->guest_ran)
            dest_tell(drive, BF_DEST_MIGRATION_FAILED);
        break;
    case BF_LIVE_MIRROR_READY:
    case BF_LIVE_MIRROR_ERROR:
    case BF_LIVE_MIRROR_GONE:
    case BF_LIVE_GUEST_STOPPED:
    case BF_LIVE_SHUTDOWN:
    case BF_LIVE_LOST:
        break;
    }
}

static void on_up(void *ctx)
{
    struct dest_drive *drive = ctx;
    struct bf_live_watch_disk none = {"", ""};
    struct bf_error err = BF_ERROR_INIT;

    (void)dest_may_have_run(drive, bf_live_identity(bf_qemu_live(drive->qemu))->status);
    if (bf_qemu_watch(drive->qemu, &none, 0, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    if (drive->begun)
        dest_try_wish(drive);
    else
        bf_move_set_phase(drive->move, "waiting for the source");
}

/* What the guest did meanwhile nobody has seen. */
static void on_lost(void *ctx)
{
    struct dest_drive *drive = ctx;

    drive->waits = false;
}

static void on_gone(void *ctx, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!drive->begun) {
        dest_end(drive, BF_MOVE_FAILED, err);
        return;
    }
    dest_tell(drive, BF_DEST_QEMU_GONE);
    dest_try_wish(drive);
}

const struct bf_qemu_handlers dest_qemu_handlers = {on_up, on_fact, on_lost, on_gone, NULL};
