#include "migrate.h"

#include "base/fail_point.h"
#include "interrupt.h"
#include "libvirt/domain_checkpoints.h"
#include "libvirt/migration.h"
#include "migrate_arrive.h"
#include "migrate_repair.h"
#include "migrate_report.h"
#include "migrate_source.h"
#include "migrate_survey.h"
#include "output.h"
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_MS = 250, /* between looks at the progress */
    WORDS_AT = 2,  /* DOMAIN DEST-URI, then virsh's options */
};

struct work {
    const struct bf_arguments *args;
    struct bf_virt_migrate_options *options;
    const struct bf_virt_migrate_facts *facts;
    struct bf_virt *source;
    struct bf_virt *dest;
    struct bf_virt_domain *domain; /* at the source */
    char *folder_path;
    struct bf_capture_folder *folder;
    struct bf_capture capture;
    struct bf_virt_domain *arrived;
    struct bf_arrival arrival;
    json_t *cleaned;
};

static void release(struct work *work)
{
    json_decref(work->cleaned);
    bf_arrival_release(&work->arrival);
    if (work->arrived)
        bf_virt_domain_free(work->arrived);
    bf_capture_release(&work->capture);
    if (work->folder)
        bf_capture_folder_close(work->folder);
    free(work->folder_path);
    if (work->domain)
        bf_virt_domain_free(work->domain);
    if (work->dest)
        bf_virt_close(work->dest);
    if (work->source)
        bf_virt_close(work->source);
    if (work->options)
        bf_virt_migrate_options_free(work->options);
}

static const char *dest_uri(const struct work *work)
{
    const char *seen_from_here = bf_option_value(work->args, BF_MIGRATE_DEST_CONNECT);

    return seen_from_here ? seen_from_here : work->args->operands[1];
}

static int connect_both(struct work *work, struct bf_error *err)
{
    const struct bf_arguments *args = work->args;
    int r = bf_virt_migrate_options_parse(args->operands + WORDS_AT, args->nr_operands - WORDS_AT,
                                          &work->options, err);

    if (r < 0)
        return r;
    work->facts = bf_virt_migrate_options_facts(work->options);
    r = bf_virt_open(bf_option_value(args, BF_MIGRATE_CONNECT), &work->source, err);
    if (r == 0)
        r = bf_virt_domain_find(work->source, args->operands[0], &work->domain, err);
    if (r == 0)
        r = bf_virt_open(dest_uri(work), &work->dest, err);
    return r;
}

/* Before */

/* A folder that another migration of this domain left may be written anew only if the source still
 * has every checkpoint in it. */
static int check_unfinished(struct work *work, struct bf_error *err)
{
    BF_CLEANUP(bf_capture_release) struct bf_capture old = {.domain = NULL};
    struct bf_error unreadable = BF_ERROR_INIT;

    if (!bf_capture_folder_is_full(work->folder) ||
        bf_capture_read(work->folder, &old, &unreadable) < 0)
        return 0;
    for (size_t i = 0; i < old.checkpoints.nr_items; i++) {
        if (!bf_virt_checkpoints_find(&work->capture.checkpoints, old.checkpoints.items[i].name))
            return bf_error_set(err, BF_E_EXISTS,
                                "%s holds checkpoint '%s' of an earlier migration, which the "
                                "domain does not have: finish that with 'bitferry redefine', or "
                                "remove the folder",
                                work->folder_path, old.checkpoints.items[i].name);
    }
    return 0;
}

static int capture(struct work *work, struct bf_error *err)
{
    int r = bf_capture_folder_open(work->folder_path, &work->folder, err);

    if (r == 0)
        r = check_unfinished(work, err);
    return r < 0 ? r : bf_capture_write(work->folder, &work->capture, err);
}

static int prepare(struct work *work, struct bf_error *err)
{
    const char *keep = bf_option_value(work->args, BF_MIGRATE_KEEP);
    struct bf_survey_request request = {
        .args = work->args,
        .source = work->source,
        .domain = work->domain,
        .dest_uri = dest_uri(work),
        .options = work->options,
        .images_here = bf_uri_is_local(bf_virt_uri(work->source)),
    };
    int r = bf_survey(&request, &work->capture, err);

    if (r < 0)
        return r;
    work->folder_path = keep ? strdup(keep) : bf_capture_default_folder(work->capture.uuid);
    if (!work->folder_path)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (!work->args->json && !work->args->quiet)
        bf_survey_print_plan(&request, &work->capture, work->folder_path);
    return bf_option_given(work->args, BF_MIGRATE_DRY_RUN) ? 0 : capture(work, err);
}

/* libvirt's migration */

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --timeout has passed: as virsh does. */
static void hurry(struct work *work, struct bf_virt_migration *migration, bool *suspended)
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

static void follow(struct work *work, struct bf_virt_migration *migration, bool *suspended)
{
    uint64_t hurry_at_ms = now_ms() + (uint64_t)work->facts->timeout_s * 1000;
    bool hurried = work->facts->timeout_s == 0;
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
    }
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

static enum whereabouts find_machine(struct work *work)
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
static void reconnect(struct work *work)
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
static void restore_source(struct work *work, bool suspended)
{
    struct bf_error err = BF_ERROR_INIT;
    size_t nr = 0;

    if (suspended && bf_virt_domain_resume(work->domain, &err) < 0)
        bf_note(work->args, "%s", err.text);
    if (!work->capture.copied || bf_option_given(work->args, BF_MIGRATE_NO_REPAIR))
        return;
    bf_error_clear(&err);
    if (bf_repair(work->domain, &nr, &err) < 0)
        bf_note(work->args, "the source's bitmaps may be lost when the domain is shut down (%s)",
                err.text);
    else if (nr > 0)
        bf_note(work->args, "%zu bitmaps of the source were made anew, so that QEMU stores them",
                nr);
}

static void discard_folder(struct work *work)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_option_given(work->args, BF_MIGRATE_KEEP))
        return;
    if (bf_capture_folder_remove(work->folder, &work->capture, &err) < 0)
        bf_note(work->args, "%s", err.text);
}

static bool keeps_all(struct work *work)
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

static int fail(struct work *work, bool suspended, struct bf_error *err)
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
            discard_folder(work);
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

static int migrate(struct work *work, struct bf_error *err)
{
    struct bf_virt_migration *migration = NULL;
    bool suspended = false;
    int r = bf_virt_migration_start(work->domain, work->dest, work->args->operands[1],
                                    work->options, &migration, err);

    if (r < 0)
        return r;
    bf_fail_point("migrate.started");
    follow(work, migration, &suspended);
    r = bf_virt_migration_finish(migration, err);
    bf_fail_point("migrate.finished");
    return r < 0 ? fail(work, suspended, err) : 0;
}

/* After */

static int arrive(struct work *work, struct bf_error *err)
{
    bool shared = bf_option_given(work->args, BF_MIGRATE_SHARED);
    bool dest_is_here = bf_uri_is_local(bf_virt_uri(work->dest));
    struct bf_arrival_request request = {
        .args = work->args,
        .capture = &work->capture,
        .images_unseen = shared || dest_is_here ? NULL : "its image is on the other host",
    };
    struct bf_source_request cleaning = {
        .args = work->args,
        .capture = &work->capture,
        .verdicts = &work->arrival.verdicts,
        .virt = work->source,
        .images_here = bf_uri_is_local(bf_virt_uri(work->source)),
    };
    int r = bf_virt_domain_find(work->dest, work->capture.uuid, &work->arrived, err);

    request.domain = work->arrived;
    if (r == 0)
        r = bf_arrive(&request, &work->arrival, err);
    return r < 0 ? r : bf_source_clean(&cleaning, &work->cleaned, err);
}

static int report(struct work *work, const char *retry, struct bf_error *err)
{
    struct bf_report report = {.verdicts = &work->arrival.verdicts, .retry = retry};
    int exit_code = bf_verdicts_exit(&work->arrival.verdicts);
    int r;

    if (work->args->json)
        r = bf_print_json(json_pack("{s:i, s:s, s:s, s:b, s:o, s:O, s:s*, s:i}", "schema", 1,
                                    "domain", work->capture.domain, "uuid", work->capture.uuid,
                                    "migrated", 1, "checkpoints", bf_report_to_json(&report),
                                    "source", work->cleaned, "folder",
                                    exit_code == 0 ? NULL : work->folder_path, "exit", exit_code),
                          err);
    else if (work->args->quiet)
        r = 0;
    else
        r = bf_report_print(&report, err);
    if (exit_code == BF_EXIT_OK)
        discard_folder(work);
    return r < 0 ? r : exit_code;
}

static int conclude(struct work *work, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *retry = NULL;
    int r;

    if (asprintf(&retry, "bitferry redefine %s", work->folder_path) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    r = arrive(work, err);
    if (r < 0)
        return bf_error_prefix(err,
                               "the domain has migrated, its checkpoints are in %s; finish "
                               "with '%s'",
                               work->folder_path, retry);
    return report(work, retry, err);
}

int bf_migrate_run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(release) struct work work = {.args = args};
    int r = connect_both(&work, err);

    if (r == 0)
        r = prepare(&work, err);
    if (r < 0 || bf_option_given(args, BF_MIGRATE_DRY_RUN))
        return r;
    r = migrate(&work, err);
    return r < 0 ? r : conclude(&work, err);
}
