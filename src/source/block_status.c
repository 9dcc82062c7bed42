/* One bitmap out of QEMU as block status: QEMU's NBD server runs for as long as it takes, on a
 * socket of ours, and shows this one bitmap. */
#include "drive.h"

#include "drive/fetch.h"
#include "status_bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SILENT_MS = 30000 };

struct source_reading {
    char socket_path[SOURCE_PATH_BYTES];
    char path[SOURCE_PATH_BYTES];
    char export_name[BF_MOVE_ID_CHARS + 1];
    char bitmap[BF_TEMPORARY_NAME_MAX + 1];
    struct source_status_bits bits;
    struct bf_error err;
};

static void ask(struct source_drive *drive, const char *command, json_t *arguments,
                bf_qmp_reply_fn done)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_qmp_send(bf_live_qmp(bf_qemu_live(drive->qemu)), command, arguments, BF_QEMU_DEADLINE_MS,
                    done, drive, &err) == 0)
        source_op_began(drive);
    else
        source_read_ended(drive, &err);
}

static void on_stopped(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_error *found = &drive->reading->err;

    (void)result;
    if (!source_op_ended(drive))
        return;
    if (err)
        (void)bf_error_set(found, err->code, "%s", err->text);
    (void)unlink(drive->reading->socket_path);
    source_read_ended(drive, found->code != BF_E_NONE ? found : NULL);
}

static void stop_server(struct source_drive *drive)
{
    ask(drive, "nbd-server-stop", NULL, on_stopped);
}

static void work(struct source_drive *drive)
{
    struct source_reading *reading = drive->reading;
    struct bf_summary *announced = &source_item_known(drive, drive->cursor)->summary;
    struct bf_summary found;

    if (source_status_bits_read(&reading->bits, &found, &reading->err) == 0 &&
        !bf_summary_equal(&found, announced))
        (void)bf_error_set(&reading->err, BF_E_DIGEST_MISMATCH,
                           "QEMU shows other bits over NBD than it counts");
}

static void on_exported(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    (void)result;
    if (!source_op_ended(drive))
        return;
    if (err) {
        (void)bf_error_set(&drive->reading->err, err->code, "%s", err->text);
        stop_server(drive);
        return;
    }
    source_work(drive, work, stop_server);
}

static void on_server_started(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct source_reading *reading = drive->reading;
    uint32_t disk;

    (void)result;
    if (!source_op_ended(drive))
        return;
    if (err) {
        source_read_ended(drive, err);
        return;
    }
    disk = source_item_disk(drive, drive->cursor);
    ask(drive, "block-export-add",
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:[s]}", "type", "nbd", "id", "bitferry-status",
                  "node-name", drive->offer.disks[disk].node, "name", reading->export_name,
                  "writable", 0, "bitmaps", reading->bitmap),
        on_exported);
}

/* A server that runs already is somebody else's: it may be anywhere, and is not ours to stop. */
void source_read_block_status(struct source_drive *drive)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[source_item_disk(drive, drive->cursor)];
    struct source_reading *reading = drive->reading ? drive->reading : calloc(1, sizeof *reading);
    struct bf_error err = BF_ERROR_INIT;

    if (!reading) {
        (void)bf_error_set(&err, BF_E_NO_MEMORY, "no memory to read a bitmap");
        source_read_ended(drive, &err);
        return;
    }
    drive->reading = reading;
    *reading = (struct source_reading){
        .bits = {.socket_path = reading->socket_path,
                 .export_name = reading->export_name,
                 .bitmap = reading->bitmap,
                 .path = reading->path,
                 .name = BF_FETCH_BITMAP,
                 .geometry = {disk->size_bytes, source_item_granularity(drive, drive->cursor)},
                 .deadline_ms = SILENT_MS,
                 .stop = &drive->work_stop},
    };
    source_carrier_socket(drive, reading->socket_path);
    source_carrier_draft(drive, drive->wish.round, drive->cursor, reading->path);
    (void)snprintf(reading->export_name, sizeof reading->export_name, "%s", drive->move->id);
    (void)source_item_temporary(drive, drive->cursor, reading->bitmap);
    (void)unlink(reading->socket_path);
    ask(drive, "nbd-server-start",
        json_pack("{s:{s:s, s:{s:s}}}", "addr", "type", "unix", "data", "path",
                  reading->socket_path),
        on_server_started);
}
