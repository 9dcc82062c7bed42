/* `bitferry redefine`: finish a migration from what was captured. */
#include "migrate.h"
#include "migrate_arrive.h"
#include "migrate_bits.h"
#include "migrate_report.h"
#include "output.h"
#include "uri_host.h"

#include <stdio.h>
#include <string.h>

static int print(const struct bf_arguments *args, const struct bf_capture *capture,
                 const struct bf_verdicts *verdicts, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *retry = NULL;
    struct bf_report report = {.verdicts = verdicts};
    int exit_code = bf_verdicts_exit(verdicts);
    int r;

    if (asprintf(&retry, "bitferry redefine %s", args->operands[0]) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    report.retry = retry;
    if (args->json)
        r = bf_print_json(json_pack("{s:i, s:s, s:s, s:o, s:i}", "schema", 1, "domain",
                                    capture->domain, "uuid", capture->uuid, "checkpoints",
                                    bf_report_to_json(&report), "exit", exit_code),
                          err);
    else
        r = args->quiet ? 0 : bf_report_print(&report, err);
    return r < 0 ? r : exit_code;
}

/* Images that were copied without their bitmaps */

static bool lacks_bits(const struct bf_verdicts *verdicts, const char *target)
{
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        const struct bf_verdict *verdict = &verdicts->items[i];

        for (size_t j = 0; j < verdict->nr_disks; j++) {
            if (verdict->disks[j].proof == BF_PROOF_NONE &&
                strcmp(verdict->disks[j].target, target) == 0)
                return true;
        }
    }
    return false;
}

static int restore_disks(const struct bf_arguments *args, const struct bf_look *look,
                         const struct bf_verdicts *verdicts, struct bf_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < look->nr_disks; i++) {
        const struct bf_look_disk *disk = &look->disks[i];

        if (!disk->seen || !lacks_bits(verdicts, disk->target))
            continue;
        bf_say_step(args, "putting the bitmaps of disk %s into %s", disk->target,
                    disk->layers[0].path);
        if (bf_bits_put(args->operands[0], disk->target, disk->layers[0].path, err) < 0)
            r = bf_error_prefix(err, "bitmaps of disk %s", disk->target);
    }
    return r;
}

static int restore(const struct bf_arrival_request *request, struct bf_error *err)
{
    const struct bf_capture *capture = request->capture;
    BF_CLEANUP(bf_look_release) struct bf_look look = {.nr_disks = 0};
    BF_CLEANUP(bf_verdicts_release) struct bf_verdicts verdicts = {.nr_items = 0};
    enum bf_virt_state state;
    int r = bf_virt_domain_state(request->domain, &state, err);

    if (r < 0)
        return r;
    if (state != BF_VIRT_SHUT_OFF || request->images_unseen)
        return bf_error_set(err, BF_E_USAGE,
                            "--restore is for a domain that is shut off, on the host that has its "
                            "images");
    r = bf_look_images(request->domain, &look, err);
    if (r == 0)
        r = bf_judge(&capture->checkpoints, &capture->before, &look, &verdicts, err);
    return r < 0 ? r : restore_disks(request->args, &look, &verdicts, err);
}

int bf_redefine_run(const struct bf_arguments *args, struct bf_error *err)
{
    BF_CLEANUP(bf_capture_folder_closep) struct bf_capture_folder *folder = NULL;
    BF_CLEANUP(bf_capture_release) struct bf_capture capture = {.domain = NULL};
    BF_CLEANUP(bf_virt_closep) struct bf_virt *virt = NULL;
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *domain = NULL;
    BF_CLEANUP(bf_arrival_release) struct bf_arrival arrival = {.after = {.nr_disks = 0}};
    struct bf_arrival_request request = {.args = args, .capture = &capture};
    const char *uri = bf_option_value(args, BF_REDEFINE_CONNECT);
    const char *name = bf_option_value(args, BF_REDEFINE_DOMAIN);
    int r = bf_capture_folder_open(args->operands[0], &folder, err);

    if (r == 0)
        r = bf_capture_read(folder, &capture, err);
    if (r == 0)
        r = bf_virt_open(uri ? uri : capture.dest_uri, &virt, err);
    if (r == 0)
        r = bf_virt_domain_find(virt, name ? name : capture.uuid, &domain, err);
    if (r == 0 && strcmp(bf_virt_domain_uuid(domain), capture.uuid) != 0)
        r = bf_error_set(
            err, BF_E_INVALID, "domain '%s' is another one: %s holds the checkpoints of %s (%s)",
            bf_virt_domain_name(domain), args->operands[0], capture.domain, capture.uuid);
    if (r < 0)
        return r;
    request.domain = domain;
    if (!bf_uri_is_local(bf_virt_uri(virt)) || bf_option_given(args, BF_REDEFINE_IMAGES_ELSEWHERE))
        request.images_unseen = "its image is on another host: run this there";
    if (bf_option_given(args, BF_REDEFINE_RESTORE))
        r = restore(&request, err);
    if (r == 0)
        r = bf_arrive(&request, &arrival, err);
    return r < 0 ? r : print(args, &capture, &arrival.verdicts, err);
}
