#include "base/fail_point.h"
#include "interrupt.h"
#include "libvirt/domain_checkpoints.h"
#include "libvirt/migration.h"
#include "migrate.h"
#include "migrate_late.h"
#include "migrate_repair.h"
#include "migrate_work.h"
#include "output.h"
#include "progress.h"

#include <time.h>

enum { LOOK_MS = 250 }; /* between looks at the progress */

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --timeout has passed: as virsh does. */
static void hurry(struct bf_migrate_work *work, struct bf_virt_migration *migration,
                  bool *suspended)
{
    struct bf_error err = BF_ERROR_INIT;
    int r;

    if (work->facts->timeout_postcopy) {
        r = bf_virt_migration_to_postcopy(migration, &err);
    } else {
        r = bf_virt_domain_suspend(work->domain, &err);
        *suspended = r == 0;
    }
    if (r < 0)
        bf_note(work->args, "%s", err.text);
}

static void follow(struct bf_migrate_work *work, struct bf_virt_migration *migration,
                   bool *suspended)
{
    uint64_t hurry_at_ms = now_ms() + (uint64_t)work->facts->timeout_s * 1000;
    bool hurried = work->facts->timeout_s == 0;
    struct bf_late late = {.over = work->helpers.used || work->facts->offline}; /* those see more */
    struct bf_meter meter;

    bf_meter_begin(&meter, work->args, "migrating");
    while (!bf_virt_migration_wait(migration, LOOK_MS)) {
        uint64_t done_bytes;
        uint64_t total_bytes;

        if (bf_interrupted())
            bf_virt_migration_abort(migration);
        if (!hurried && now_ms() >= hurry_at_ms) {
            hurried = true;
            hurry(work, migration, suspended);
        }
        if (bf_virt_migration_progress(migration, &done_bytes, &total_bytes))
            (void)bf_meter_update(&meter, done_bytes, total_bytes, NULL);
        bf_late_look(&late, work->domain, &work->capture.before);
    }
    bf_late_end(&late);
    bf_meter_end(&meter);
}

/* Where the machine is after libvirt's call has failed: a libvirtd that was restarted, or a
 * connection that broke, leaves that open. */
enum whereabouts { AT_SOURCE, AT_DESTINATION, NOT_KNOWN };

static bool runs_at(struct bf_virt *virt, const char *uuid, bool *ret_runs)
{
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *domain = NULL;
    enum bf_virt_state state;
    struct bf_error err = BF_ERROR_INIT;

    *ret_runs = false;
    if (bf_virt_domain_find(virt, uuid, &domain, &err) < 0)
        return err.code == BF_E_NOT_FOUND;
    if (bf_virt_domain_state(domain, &state, &err) < 0)
        return false;
    *ret_runs = state != BF_VIRT_SHUT_OFF;
    return true;
}

static enum whereabouts find_machine(struct bf_migrate_work *work)
{
    bool at_source;
    bool at_dest;

    if (work->facts->offline) /* the images are where they were, and so is their domain */
        return AT_SOURCE;
    if (!runs_at(work->source, work->capture.uuid, &at_source) ||
        !runs_at(work->dest, work->capture.uuid, &at_dest) || at_source == at_dest)
        return NOT_KNOWN;
    return at_source ? AT_SOURCE : AT_DESTINATION;
}

/* Connections that broke in between are made anew; where that fails nothing more is known. */
static void reconnect(struct bf_migrate_work *work)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_virt *virt = NULL;
    struct bf_virt_domain *domain = NULL;

    if (bf_virt_open(bf_virt_uri(work->source), &virt, &err) == 0 &&
        bf_virt_domain_find(virt, work->capture.uuid, &domain, &err) == 0) {
        bf_virt_domain_free(work->domain);
        bf_virt_close(work->source);
        work->domain = domain;
        work->source = virt;
    } else if (virt) {
        bf_virt_close(virt);
    }
    if (bf_virt_open(bf_virt_uri(work->dest), &virt, &err) == 0) {
        bf_virt_close(work->dest);
        work->dest = virt;
    }
}

/* The source is as it was; its bitmaps are made to be stored again. */
static void restore_source(struct bf_migrate_work *work, bool suspended)
{
    struct bf_error err = BF_ERROR_INIT;
    size_t nr = 0;
    bool repaired = work->helpers.used && bf_helpers_give_up(&work->helpers);

    if (suspended && bf_virt_domain_resume(work->domain, &err) < 0)
        bf_note(work->args, "%s", err.text);
    if (!work->capture.copied || repaired || bf_option_given(work->args, BF_MIGRATE_NO_REPAIR))
        return;
    bf_error_clear(&err);
    if (bf_repair(work->domain, &nr, &err) < 0)
        bf_note(work->args, "the source's bitmaps may be lost when the domain is shut down (%s)",
                err.text);
    else if (nr > 0)
        bf_note(work->args,
                "%zu bitmaps of the source were made anew, so that QEMU stores them; if it goes on "
                "failing: images at the destination may hold bitmaps of the same names ('qemu-img "
                "info' shows them, 'qemu-img bitmap --remove' takes them away)",
                nr);
}

void bf_migrate_discard(struct bf_migrate_work *work)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_option_given(work->args, BF_MIGRATE_KEEP))
        return;
    if (bf_capture_folder_remove(work->folder, &work->capture, &err) < 0)
        bf_note(work->args, "%s", err.text);
}

static bool keeps_all(struct bf_migrate_work *work)
{
    BF_CLEANUP(bf_virt_checkpoints_release) struct bf_virt_checkpoints now = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_virt_domain_checkpoints(work->domain, &now, &err) < 0)
        return false;
    for (size_t i = 0; i < work->capture.checkpoints.nr_items; i++) {
        if (!bf_virt_checkpoints_find(&now, work->capture.checkpoints.items[i].name))
            return false;
    }
    return true;
}

static int fail(struct bf_migrate_work *work, bool suspended, struct bf_error *err)
{
    reconnect(work);
    switch (find_machine(work)) {
    case AT_DESTINATION:
        bf_note(work->args, "libvirt reports '%s', but the domain has arrived", err->text);
        bf_error_clear(err);
        return 0;
    case AT_SOURCE:
        restore_source(work, suspended);
        if (keeps_all(work))
            bf_migrate_discard(work);
        break;
    case NOT_KNOWN:
        bf_note(work->args,
                "where the domain is cannot be told; its checkpoints are in %s: once it runs at "
                "the destination, 'bitferry redefine' brings them there",
                work->folder_path);
        break;
    }
    return -bf_code_errno(err->code);
}

int bf_migrate_move(struct bf_migrate_work *work, struct bf_error *err)
{
    struct bf_virt_migration *migration = NULL;
    bool suspended = false;
    int r = bf_virt_migration_start(work->domain, work->dest, work->args->operands[1],
                                    work->options, &migration, err);

    if (r < 0) {
        if (work->helpers.used)
            (void)bf_helpers_give_up(&work->helpers);
        return r;
    }
    bf_fail_point("migrate.started");
    follow(work, migration, &suspended);
    r = bf_virt_migration_finish(migration, err);
    bf_fail_point("migrate.finished");
    return r < 0 ? fail(work, suspended, err) : 0;
}
