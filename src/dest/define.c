/* Before the end: what came is made the domain's checkpoints again, in its libvirt.
 *
 *     all bitmaps that are there  ->  libvirt, in a thread  ->  what became of each
 */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"
#include "domain/checkpoints.h"
#include "drive/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TRIES_MS = 60000, /* a libvirtd that is being restarted */
    FILE_NAME_BYTES = 40,
};

struct dest_defining {
    struct dest_drive *drive;
    struct bf_domain_arrival arrival;
    struct bf_error err;
};

bool dest_defines(const struct dest_drive *drive)
{
    return drive->move->plan.domain && drive->offer.definitions &&
           drive->offer.checkpoints.nr_items > 0;
}

/* --- what became of each --- */

/* Where people find what libvirt did not take. */
static void keep_definition(struct dest_drive *drive, size_t index, char name[FILE_NAME_BYTES])
{
    const char *xml = drive->offer.definitions[index];
    int fd;

    (void)snprintf(name, FILE_NAME_BYTES, "checkpoint-%zu.xml", index);
    fd = openat(drive->move->folder->fd, name,
                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (!xml || fd < 0 || write(fd, xml, strlen(xml)) != (ssize_t)strlen(xml))
        bf_log(BF_LOG_WARNING, "move %s: the definition of checkpoint '%s' is not kept: %s",
               drive->move->id, drive->offer.checkpoints.items[index].name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

static void report_refused(struct dest_drive *drive, size_t index, const struct bf_error *why)
{
    char file[FILE_NAME_BYTES];
    BF_CLEANUP(bf_freep) char *text = NULL;

    keep_definition(drive, index, file);
    if (asprintf(&text,
                 "libvirt did not take it (%s); its bitmaps are there: try 'virsh "
                 "checkpoint-create %s %s/%s --redefine'",
                 why->text, drive->move->plan.vm, drive->move->folder->path, file) < 0)
        text = NULL;
    bf_log(BF_LOG_WARNING, "move %s: checkpoint '%s': %s", drive->move->id,
           drive->offer.checkpoints.items[index].name, text ? text : why->text);
    bf_move_set_definition(drive->move, index, BF_DEFINITION_MISSING, text);
}

/* After a restart the source must still hear it, or it keeps definitions that are settled. */
static void note(struct dest_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_ledger_put_definitions(drive->move, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    bf_fail_point("dest.defined");
}

static void report(struct dest_drive *drive, const struct bf_domain_arrival *arrival)
{
    static const enum bf_definition definitions[] = {
        [BF_DOMAIN_DEFINED] = BF_DEFINITION_DEFINED,
        [BF_DOMAIN_PARTLY] = BF_DEFINITION_PARTLY,
        [BF_DOMAIN_DROPPED] = BF_DEFINITION_DROPPED,
        [BF_DOMAIN_REFUSED] = BF_DEFINITION_MISSING,
    };

    for (size_t i = 0; i < arrival->checkpoints.nr_items; i++) {
        if (arrival->fates[i] == BF_DOMAIN_REFUSED)
            report_refused(drive, i, &arrival->whys[i]);
        else
            bf_move_set_definition(drive->move, i, definitions[arrival->fates[i]], NULL);
    }
}

static bool is_worth(const struct bf_domain_arrival *arrival,
                     const struct bf_checkpoint *checkpoint)
{
    for (size_t i = 0; i < arrival->nr_bitmaps; i++) {
        const char *bitmap = bf_checkpoint_bitmap(checkpoint, arrival->bitmaps[i].disk);

        if (arrival->bitmaps[i].proven && bitmap && strcmp(bitmap, arrival->bitmaps[i].bitmap) == 0)
            return true;
    }
    return false;
}

/* libvirt could not be asked. */
static void report_unreached(struct dest_drive *drive, const struct bf_domain_arrival *arrival,
                             const struct bf_error *why)
{
    for (size_t i = 0; i < arrival->checkpoints.nr_items; i++) {
        if (is_worth(arrival, &arrival->checkpoints.items[i]))
            report_refused(drive, i, why);
        else
            bf_move_set_definition(drive->move, i, BF_DEFINITION_DROPPED, NULL);
    }
}

/* --- libvirt --- */

static void define(void *ctx)
{
    struct dest_defining *defining = ctx;

    (void)bf_domain_define(&defining->arrival, &defining->err);
}

static void release(struct dest_defining *defining)
{
    bf_domain_arrival_release(&defining->arrival);
    free(defining);
}

static void on_defined(void *ctx)
{
    struct dest_defining *defining = ctx;
    struct dest_drive *drive = defining->drive;

    if (dest_op_ended(drive)) {
        if (defining->err.code == BF_E_NONE)
            report(drive, &defining->arrival);
        else if (uv_now(drive->loop) - drive->wish_ms >= TRIES_MS)
            report_unreached(drive, &defining->arrival, &defining->err);
        if (drive->move->definitions)
            note(drive);
        if (defining->err.code != BF_E_NONE && uv_now(drive->loop) - drive->wish_ms < TRIES_MS) {
            bf_log(BF_LOG_WARNING, "move %s: defining checkpoints: %s", drive->move->id,
                   defining->err.text);
            dest_again(drive, dest_define);
        } else {
            dest_clean(drive);
        }
    }
    release(defining);
    dest_closed_one(drive);
}

/* --- what is there --- */

static bool is_proven(const struct bf_offer *offer, const char *disk, const char *bitmap)
{
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (strcmp(offer->disks[offer->states[i].disk].name, disk) == 0 &&
            strcmp(offer->bitmaps[i].name, bitmap) == 0)
            return offer->states[i].drop == BF_DROP_NONE || offer->states[i].drop == BF_DROP_NATIVE;
    }
    return false;
}

static bool add_bitmap(struct dest_defining *defining, const char *disk, const char *bitmap)
{
    struct bf_domain_arrival *arrival = &defining->arrival;
    struct bf_domain_bitmap *to = &arrival->bitmaps[arrival->nr_bitmaps];

    *to = (struct bf_domain_bitmap){strdup(disk), strdup(bitmap),
                                    is_proven(&defining->drive->offer, disk, bitmap)};
    if (to->disk && to->bitmap) {
        arrival->nr_bitmaps++;
        return true;
    }
    free(to->disk);
    free(to->bitmap);
    return false;
}

static int prepare(struct dest_defining *defining, const struct bf_live_survey *survey,
                   struct bf_error *err)
{
    const struct bf_offer *offer = &defining->drive->offer;
    const struct bf_plan *plan = &defining->drive->move->plan;
    bool whole = true;
    size_t nr = 0;
    int r;

    for (uint32_t i = 0; i < survey->nr_disks; i++)
        nr += survey->disks[i].nr_bitmaps;
    r = bf_domain_arrival_init(&defining->arrival, &offer->checkpoints, offer->definitions, nr,
                               err);
    if (r < 0)
        return r;
    defining->arrival.domain = (struct bf_domain_name){plan->connect, plan->uuid};
    for (uint32_t i = 0; i < survey->nr_disks; i++) {
        for (uint32_t j = 0; j < survey->disks[i].nr_bitmaps; j++)
            whole = add_bitmap(defining, survey->disks[i].name, survey->disks[i].bitmaps[j].name) &&
                    whole;
    }
    return whole ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for checkpoints");
}

static void on_surveyed(void *ctx, struct bf_live_survey *survey, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    struct dest_defining *defining;
    struct bf_error why = BF_ERROR_INIT;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        dest_repeat(drive);
        return;
    }
    defining = calloc(1, sizeof *defining);
    if (defining)
        defining->drive = drive;
    if (defining && prepare(defining, survey, &why) == 0 &&
        bf_errand_run(drive->loop, define, on_defined, defining, &why) == 0) {
        drive->nr_open++;
        dest_op_began(drive);
        return;
    }
    if (defining)
        release(defining);
    dest_again(drive, dest_define);
}

void dest_define(struct dest_drive *drive)
{
    uint32_t nr_disks = 0;
    struct bf_live_disk_wish *disks = bf_qemu_disks(drive->qemu, &drive->move->plan, &nr_disks);
    struct bf_live *live = bf_qemu_live(drive->qemu);
    int r = -1;

    if (disks && live)
        r = bf_live_survey(live, disks, nr_disks, BF_QEMU_DEADLINE_MS, on_surveyed, drive, NULL);
    free(disks);
    if (r == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}
