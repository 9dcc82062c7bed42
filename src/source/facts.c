/* What happens in QEMU, as facts of the machine. */
#include "drive.h"

#include "daemon/log.h"
#include "domain/way.h"

#include <stdlib.h>
#include <string.h>

enum bf_source_guest source_guest_of(const char *migration, const char *run_state)
{
    if (strncmp(migration, "postcopy", 8) == 0)
        return BF_SOURCE_GUEST_LEFT;
    /* A guest that once came here by a migration has a completed one too, but runs. */
    if (strcmp(migration, "completed") == 0 && strcmp(run_state, "postmigrate") == 0)
        return BF_SOURCE_GUEST_LEFT;
    if (strcmp(migration, "pre-switchover") == 0 || strcmp(migration, "device") == 0)
        return BF_SOURCE_GUEST_PAUSED;
    return BF_SOURCE_GUEST_HERE;
}

static void set_left(struct source_drive *drive)
{
    drive->left = true;
    source_tell(drive, BF_SOURCE_SWITCHED);
}

static void set_kept(struct source_drive *drive)
{
    drive->migrating = drive->completed = drive->paused = drive->left = false;
    source_tell(drive, BF_SOURCE_KEPT);
}

static void on_migration(struct source_drive *drive, enum bf_live_migration migration)
{
    switch (migration) {
    case BF_LIVE_MIGRATION_PRE_SWITCHOVER:
    case BF_LIVE_MIGRATION_DEVICE:
        drive->migrating = drive->paused = true;
        source_tell(drive, BF_SOURCE_PAUSED);
        break;
    case BF_LIVE_MIGRATION_POSTCOPY:
        drive->migrating = true;
        set_left(drive);
        break;
    case BF_LIVE_MIGRATION_COMPLETED:
        drive->completed = true;
        if (drive->migrating || drive->postmigrate)
            set_left(drive);
        break;
    case BF_LIVE_MIGRATION_FAILED:
    case BF_LIVE_MIGRATION_CANCELLED:
        if (drive->migrating) /* else it is an old one */
            set_kept(drive);
        break;
    case BF_LIVE_MIGRATION_SETUP:
    case BF_LIVE_MIGRATION_ACTIVE:
        drive->migrating = true;
        source_keep_deltas(drive);
        source_tell(drive, BF_SOURCE_MIGRATING);
        break;
    case BF_LIVE_MIGRATION_NONE:
        break;
    }
}

static void on_stopped(struct source_drive *drive, const char *run_state)
{
    drive->postmigrate = strcmp(run_state, "postmigrate") == 0;
    if (drive->completed && !drive->left && drive->postmigrate)
        set_left(drive);
}

static void on_runs(struct source_drive *drive)
{
    drive->postmigrate = false;
    if (drive->paused || drive->left)
        set_kept(drive);
}

/* The copy that other means make is of a guest that writes nothing any more. */
static void on_shutdown(struct source_drive *drive)
{
    if (drive->offer.kind != BF_HANDOFF_FREEZE || drive->paused)
        return;
    drive->paused = true;
    source_tell(drive, BF_SOURCE_PAUSED);
}

static void feed_disk(struct source_drive *drive, enum bf_source_fact_kind kind, uint32_t disk)
{
    source_feed(drive,
                &(struct bf_source_fact){.kind = kind, .ticket = drive->wish.ticket, .disk = disk});
}

static void on_mirror_error(struct source_drive *drive, const struct bf_live_fact *fact)
{
    bf_log(BF_LOG_WARNING, "move %s: the mirror of %s: %s", drive->move->id,
           drive->offer.disks[fact->disk].name, fact->text);
    feed_disk(drive, BF_SOURCE_MIRROR_VOID, fact->disk);
}

static void on_fact(void *ctx, const struct bf_live_fact *fact)
{
    struct source_drive *drive = ctx;

    switch (fact->kind) {
    case BF_LIVE_MIRROR_READY:
        feed_disk(drive, BF_SOURCE_MIRROR_READY, fact->disk);
        break;
    case BF_LIVE_MIRROR_ERROR:
        on_mirror_error(drive, fact);
        break;
    case BF_LIVE_MIRROR_GONE:
        if (!fact->clean || (!drive->paused && !drive->left))
            feed_disk(drive, BF_SOURCE_MIRROR_VOID, fact->disk);
        break;
    case BF_LIVE_MIGRATION:
        on_migration(drive, fact->migration);
        break;
    case BF_LIVE_GUEST_RUNS:
        on_runs(drive);
        break;
    case BF_LIVE_GUEST_STOPPED:
        on_stopped(drive, fact->text);
        break;
    case BF_LIVE_SHUTDOWN:
        on_shutdown(drive);
        break;
    case BF_LIVE_LOST:
        break;
    }
}

void source_start_watch(struct source_drive *drive)
{
    struct bf_live_watch_disk *disks = calloc(drive->offer.nr_disks + 1U, sizeof *disks);
    struct bf_error err = BF_ERROR_INIT;

    if (!disks)
        return;
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        disks[i] =
            (struct bf_live_watch_disk){drive->offer.disks[i].name, drive->offer.disks[i].node};
    if (bf_qemu_watch(drive->qemu, disks, drive->offer.nr_disks, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    free(disks);
}

void source_show_mirrors(struct source_drive *drive)
{
    const struct bf_live_watch *watch = drive->qemu ? bf_qemu_live_watch(drive->qemu) : NULL;
    uint64_t done_bytes = 0;
    uint64_t total_bytes = 0;

    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (watch)
            bf_live_watch_mirror(watch, i, &done_bytes, &total_bytes);
        bf_move_set_mirror(drive->move, drive->offer.disks[i].name, done_bytes, total_bytes);
    }
}

static void on_up(void *ctx)
{
    struct source_drive *drive = ctx;

    if (drive->begun) {
        source_start_watch(drive);
        source_try_wish(drive);
    } else {
        source_survey_offer(drive);
    }
}

/* Nobody watches the mirrors meanwhile. */
static void on_lost(void *ctx)
{
    struct source_drive *drive = ctx;

    for (uint32_t i = 0; i < drive->offer.nr_disks && !drive->paused && !drive->left; i++)
        feed_disk(drive, BF_SOURCE_MIRROR_VOID, i);
}

static void on_gone(void *ctx, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!drive->begun) {
        source_end(drive, BF_MOVE_FAILED, err);
        return;
    }
    bf_log(BF_LOG_INFO, "move %s: QEMU is gone: %s", drive->move->id, err->text);
    source_tell(drive, BF_SOURCE_QEMU_GONE);
    source_try_wish(drive);
}

int source_open_qemu(struct source_drive *drive, struct bf_error *err)
{
    const struct bf_plan *plan = &drive->move->plan;
    struct bf_qemu_target target = {.socket_path = plan->qmp,
                                    .uuid = plan->uuid,
                                    .start = drive->ledger.qemu_start,
                                    .tag = drive->move->id};
    struct bf_qemu_handlers handlers = {on_up, on_fact, on_lost, on_gone, drive};
    struct bf_way way;

    if (plan->domain) {
        if (bf_domain_way(plan->connect, plan->uuid, false, &way, err) < 0)
            return -1;
        target.way = &way;
    }
    return bf_qemu_new(drive->loop, &target, &handlers, &drive->qemu, err);
}
