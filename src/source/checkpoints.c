/* What completes an offer: the checkpoints that libvirt knows, and, where QEMU will bring the
 * bitmaps itself, what they hold now; and the definitions that go in the end. */
#include "drive.h"

#include "domain/checkpoints.h"
#include "drive/errand.h"
#include "model/checkpoints_copy.h"

#include <stdlib.h>
#include <string.h>

/* --- count and digest of each --- */

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    drive->busy = false;
    if (drive->freed || drive->ended)
        return;
    if (err) {
        source_end(drive, BF_MOVE_FAILED, err);
        return;
    }
    for (uint32_t i = 0; i < nr_measures; i++) {
        drive->offer.bitmaps[i].announced.known = measures[i].found && measures[i].digested;
        drive->offer.bitmaps[i].announced.summary = measures[i].summary;
    }
    source_begin(drive);
}

static void measure(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (drive->offer.kind != BF_HANDOFF_NATIVE) {
        source_begin(drive);
    } else if (!bf_qemu_live(drive->qemu) ||
               source_measure_own(drive, BF_LIVE_DIGESTS, on_measured) < 0) {
        (void)bf_error_set(&err, BF_E_PEER, "QEMU was lost before the bitmaps were looked at");
        source_end(drive, BF_MOVE_FAILED, &err);
    }
}

/* --- what libvirt knows --- */

static struct bf_domain_name domain_of(const struct source_drive *drive)
{
    return (struct bf_domain_name){drive->move->plan.connect, drive->move->plan.uuid};
}

static void capture(void *ctx)
{
    struct source_drive *drive = ctx;
    struct source_domain *domain = &drive->domain;
    struct bf_domain_name name = domain_of(drive);

    (void)bf_domain_capture(&name, &domain->checkpoints, &domain->definitions, &domain->err);
}

static void on_captured(void *ctx)
{
    struct source_drive *drive = ctx;
    struct source_domain *domain = &drive->domain;

    drive->busy = false;
    if (!drive->freed && !drive->ended) {
        if (domain->err.code != BF_E_NONE) {
            source_end(drive, BF_MOVE_FAILED, &domain->err);
        } else {
            bf_offer_take_checkpoints(&drive->offer, &domain->checkpoints, domain->definitions);
            domain->definitions = NULL;
            measure(drive);
        }
    }
    source_closed_one(drive);
}

static int copy_planned(struct source_drive *drive, struct bf_error *err)
{
    struct bf_checkpoints checkpoints;
    int r = bf_checkpoints_copy(&drive->move->plan.checkpoints, &checkpoints, err);

    if (r == 0)
        bf_offer_take_checkpoints(&drive->offer, &checkpoints, NULL);
    return r;
}

void source_complete_offer(struct source_drive *drive)
{
    const struct bf_plan *plan = &drive->move->plan;
    struct bf_error err = BF_ERROR_INIT;
    bool asks_libvirt = plan->domain && plan->checkpoints.nr_items == 0;
    int r = asks_libvirt ? bf_errand_run(drive->loop, capture, on_captured, drive, &err)
                         : copy_planned(drive, &err);

    if (r < 0) {
        source_end(drive, BF_MOVE_FAILED, &err);
    } else if (asks_libvirt) {
        drive->busy = true;
        drive->nr_open++;
    } else {
        measure(drive);
    }
}

/* --- what the destination says of them --- */

void source_take_fates(struct source_drive *drive, const ProtobufCBinaryData *fates)
{
    if (fates->len != drive->offer.checkpoints.nr_items || fates->len == 0)
        return;
    for (size_t i = 0; i < fates->len; i++)
        bf_move_set_definition(drive->move, i, (enum bf_definition)fates->data[i],
                               "bitferry-dest says why");
}

/* Where the destination could not take a definition it stays: the next try may need it. */
static bool is_settled(const struct source_drive *drive, size_t index)
{
    enum bf_definition fate =
        drive->move->definitions ? drive->move->definitions[index] : BF_DEFINITION_NONE;

    return fate != BF_DEFINITION_NONE && fate != BF_DEFINITION_MISSING;
}

static void forget(void *ctx)
{
    struct source_drive *drive = ctx;
    const struct bf_checkpoints *checkpoints = &drive->offer.checkpoints;
    BF_CLEANUP(bf_freep) const char **names = calloc(checkpoints->nr_items + 1, sizeof *names);
    struct bf_domain_name name = domain_of(drive);
    size_t nr = 0;

    for (size_t i = 0; names && i < checkpoints->nr_items; i++) {
        if (is_settled(drive, i))
            names[nr++] = checkpoints->items[i].name;
    }
    bf_error_clear(&drive->domain.err);
    if (names && nr > 0)
        (void)bf_domain_forget(&name, names, nr, &drive->domain.err);
}

static void on_forgotten(void *ctx)
{
    struct source_drive *drive = ctx;
    const struct bf_error *err = &drive->domain.err;

    if (source_op_ended(drive)) {
        if (err->code != BF_E_NONE)
            bf_log(BF_LOG_WARNING,
                   "move %s: definitions of checkpoints stay here ('virsh checkpoint-delete "
                   "--metadata' removes them): %s",
                   drive->move->id, err->text);
        drive->domain.then(drive);
    }
    source_closed_one(drive);
}

void source_forget_definitions(struct source_drive *drive, void (*then)(struct source_drive *drive))
{
    drive->domain.then = then;
    if (!drive->offer.definitions || !drive->move->plan.domain ||
        bf_errand_run(drive->loop, forget, on_forgotten, drive, NULL) < 0) {
        then(drive);
        return;
    }
    drive->nr_open++;
    source_op_began(drive);
}

void source_release_domain(struct source_drive *drive)
{
    struct source_domain *domain = &drive->domain;

    for (size_t i = 0; domain->definitions && i < domain->checkpoints.nr_items; i++)
        free(domain->definitions[i]);
    free(domain->definitions);
    bf_checkpoints_release(&domain->checkpoints);
}
