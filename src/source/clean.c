/* CLEAN: nothing of the move is left here. */
#include "drive.h"

#include "daemon/log.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void finish(struct source_drive *drive)
{
    memset(drive->opened, SOURCE_NOT_OPENED, drive->offer.nr_bitmaps);
    source_carriers_delete(drive);
    if (drive->machine.state == BF_SOURCE_SWEEPING)
        source_prepare(drive);
    else
        source_answer(drive, BF_SOURCE_DONE);
}

static void on_cleaned(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
    } else if (end == BF_LIVE_REFUSED) {
        bf_log(BF_LOG_WARNING, "move %s: cleaning up: %s", drive->move->id, err->text);
        source_again(drive, source_clean); /* somebody exports a temporary */
    } else {
        finish(drive);
    }
}

static void clean_bitmaps(struct source_drive *drive)
{
    char prefix[BF_TEMPORARY_NAME_MAX + 1];

    bf_offer_prefix(&drive->offer, prefix);
    if (bf_live_clean(bf_qemu_live(drive->qemu), prefix, BF_QEMU_DEADLINE_MS, on_cleaned, drive,
                      NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

static void on_server_stopped(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    char path[SOURCE_PATH_BYTES];

    (void)result;
    if (!source_op_ended(drive))
        return;
    if (err && err->code != BF_E_QMP_ERROR) {
        source_doubt(drive);
        return;
    }
    source_carrier_socket(drive, path);
    (void)unlink(path);
    clean_bitmaps(drive);
}

/* QEMU's NBD server is ours if its socket is: a helper that was killed may have left it. */
static bool serves_for_us(const struct source_drive *drive)
{
    char path[SOURCE_PATH_BYTES];
    struct stat st;

    source_carrier_socket(drive, path);
    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

void source_clean_on(struct source_drive *drive)
{
    if (!bf_qemu_live(drive->qemu))
        finish(drive);
    else if (source_needs_repair(drive))
        source_repair(drive);
    else if (!serves_for_us(drive))
        clean_bitmaps(drive);
    else if (bf_qmp_send(bf_live_qmp(bf_qemu_live(drive->qemu)), "nbd-server-stop", NULL,
                         BF_QEMU_DEADLINE_MS, on_server_stopped, drive, NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

/* Only where a tracker was meant is anything ever held. */
static bool may_hold(const struct source_drive *drive)
{
    return drive->wish.put_back && drive->offer.kind == BF_HANDOFF_TRACKER;
}

void source_clean(struct source_drive *drive)
{
    bf_server_stop(drive->server);
    drive->serving_epoch = 0;
    source_put_stream_back(drive);
    if (!may_hold(drive))
        source_clean_on(drive);
    else if (bf_qemu_live(drive->qemu))
        source_put_back(drive);
    else
        source_tell_lost(drive);
}
