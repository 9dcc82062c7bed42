#include "migrate.h"

#include "migrate_bits.h"
#include "migrate_report.h"
#include "migrate_source.h"
#include "migrate_survey.h"
#include "migrate_told.h"
#include "migrate_work.h"
#include "output.h"
#include "uri_host.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_AT = 2 }; /* DOMAIN DEST-URI, then virsh's options */

static void release(struct bf_migrate_work *work)
{
    json_decref(work->cleaned);
    bf_helpers_release(&work->helpers);
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

static const char *dest_uri(const struct bf_migrate_work *work)
{
    const char *seen_from_here = bf_option_value(work->args, BF_MIGRATE_DEST_CONNECT);

    return seen_from_here ? seen_from_here : work->args->operands[1];
}

static int connect_both(struct bf_migrate_work *work, struct bf_error *err)
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
static int check_unfinished(struct bf_migrate_work *work, struct bf_error *err)
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

static int capture(struct bf_migrate_work *work, struct bf_error *err)
{
    int r = bf_capture_folder_open(work->folder_path, &work->folder, err);

    if (r == 0)
        r = check_unfinished(work, err);
    if (r == 0)
        r = bf_capture_write(work->folder, &work->capture, err);
    if (r == 0 && work->facts->offline)
        r = bf_bits_keep(work->folder_path, &work->capture.before, err);
    return r;
}

static struct bf_helpers_request helpers_request(const struct bf_migrate_work *work)
{
    return (struct bf_helpers_request){
        .args = work->args,
        .capture = &work->capture,
        .facts = work->facts,
        .source_is_here = bf_uri_is_local(bf_virt_uri(work->source)),
    };
}

static int prepare(struct bf_migrate_work *work, struct bf_error *err)
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
    struct bf_helpers_request helpers = helpers_request(work);
    int r = bf_survey(&request, &work->capture, err);

    if (r < 0)
        return r;
    bf_helpers_plan(&helpers, &work->helpers);
    work->folder_path = keep ? strdup(keep) : bf_capture_default_folder(work->capture.uuid);
    if (!work->folder_path)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (!work->facts->persistent && work->capture.checkpoints.nr_items > 0)
        bf_note(work->args, "without --persistent the checkpoints end with the domain's next "
                            "shutdown at the destination");
    if (!work->args->json && !work->args->quiet) {
        bf_survey_print_plan(&request, &work->capture, work->folder_path);
        (void)printf("  carried:     ");
        bf_helpers_print(&work->helpers);
        (void)fflush(stdout);
    }
    if (bf_option_given(work->args, BF_MIGRATE_DRY_RUN))
        return 0;
    r = capture(work, err);
    if (r == 0)
        bf_helpers_begin(&helpers, &work->helpers);
    return r;
}

/* After */

/* Only a guest that runs shows the daemons what came. */
static bool is_paused(struct bf_migrate_work *work)
{
    struct bf_error err = BF_ERROR_INIT;
    enum bf_virt_state state;

    return work->arrived && bf_virt_domain_state(work->arrived, &state, &err) == 0 &&
           state == BF_VIRT_PAUSED;
}

static int arrive(struct bf_migrate_work *work, struct bf_error *err)
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

    if (r < 0)
        return r;
    if (work->helpers.used && bf_helpers_finish(&work->helpers, is_paused(work)))
        return bf_told_judge(&work->capture.checkpoints, bf_helpers_move(&work->helpers),
                             &work->arrival.verdicts, err);
    request.domain = work->arrived;
    r = bf_arrive(&request, &work->arrival, err);
    return r < 0 ? r : bf_source_clean(&cleaning, &work->cleaned, err);
}

static int print_report(struct bf_migrate_work *work, const struct bf_report *report,
                        struct bf_error *err)
{
    int r = bf_report_print(report, err);

    if (r < 0)
        return r;
    (void)printf("Carried ");
    bf_helpers_print(&work->helpers);
    return 0;
}

static int report(struct bf_migrate_work *work, const char *retry, struct bf_error *err)
{
    struct bf_report report = {.verdicts = &work->arrival.verdicts, .retry = retry};
    int exit_code = bf_verdicts_exit(&work->arrival.verdicts);
    int r;

    if (work->args->json)
        r = bf_print_json(json_pack("{s:i, s:s, s:s, s:b, s:o, s:o, s:O*, s:s*, s:i}", "schema", 1,
                                    "domain", work->capture.domain, "uuid", work->capture.uuid,
                                    "migrated", 1, "helpers", bf_helpers_to_json(&work->helpers),
                                    "checkpoints", bf_report_to_json(&report), "source",
                                    work->cleaned, "folder",
                                    exit_code == 0 ? NULL : work->folder_path, "exit", exit_code),
                          err);
    else if (work->args->quiet)
        r = 0;
    else
        r = print_report(work, &report, err);
    if (exit_code == BF_EXIT_OK)
        bf_migrate_discard(work);
    return r < 0 ? r : exit_code;
}

static int conclude(struct bf_migrate_work *work, struct bf_error *err)
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
    BF_CLEANUP(release) struct bf_migrate_work work = {.args = args};
    int r = connect_both(&work, err);

    if (r == 0)
        r = prepare(&work, err);
    if (r < 0 || bf_option_given(args, BF_MIGRATE_DRY_RUN))
        return r;
    r = bf_migrate_move(&work, err);
    return r < 0 ? r : conclude(&work, err);
}
