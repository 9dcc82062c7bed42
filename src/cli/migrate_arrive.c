#include "migrate_arrive.h"

#include "libvirt/domain_checkpoints.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

/* Looking */

/* With shared storage a guest that has not run since it came leaves its images inactive: QEMU shows
 * none of the bitmaps in them (libvirt's late-block-activate). */
static int doubt_inactive(struct bf_look *look, struct bf_error *err)
{
    for (size_t i = 0; i < look->nr_disks; i++) {
        struct bf_look_disk *disk = &look->disks[i];

        if (!disk->seen || disk->layers[0].nr_bitmaps > 0)
            continue;
        disk->seen = false;
        disk->problem = strdup("QEMU does not show what is in its image until the guest runs");
        if (!disk->problem)
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    return 0;
}

static int look_at_images(const struct bf_arrival_request *request, struct bf_look *ret_look,
                          struct bf_error *err)
{
    return request->images_unseen
               ? bf_look_at_none(request->domain, request->images_unseen, ret_look, err)
               : bf_look_images(request->domain, ret_look, err);
}

static int look_at(const struct bf_arrival_request *request, struct bf_look *ret_look,
                   struct bf_error *err)
{
    struct bf_error monitor_err = BF_ERROR_INIT;
    enum bf_virt_state state;
    int r = bf_virt_domain_state(request->domain, &state, err);

    if (r < 0)
        return r;
    if (state == BF_VIRT_SHUT_OFF)
        return look_at_images(request, ret_look, err);
    r = bf_look_running(request->domain, ret_look, &monitor_err);
    /* A driver without QEMU, as libvirt's test driver.  Images that are in use are locked. */
    if (r < 0 && monitor_err.code == BF_E_UNSUPPORTED)
        return look_at_images(request, ret_look, err);
    if (r < 0)
        return bf_error_set(err, monitor_err.code, "%s", monitor_err.text);
    return state == BF_VIRT_PAUSED && !request->capture->copied ? doubt_inactive(ret_look, err) : 0;
}

/* Defining */

static bool is_defined(enum bf_verdict_fate fate)
{
    return fate == BF_VERDICT_REDEFINED || fate == BF_VERDICT_PARTLY;
}

static const struct bf_verdict *find(const struct bf_verdicts *verdicts, const char *name)
{
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        if (strcmp(verdicts->items[i].checkpoint->name, name) == 0)
            return &verdicts->items[i];
    }
    return NULL;
}

/* The nearest ancestor that is defined here. */
static const char *living_parent(const struct bf_verdicts *verdicts,
                                 const struct bf_verdict *verdict)
{
    const char *name = verdict->checkpoint->parent;

    while (name) {
        const struct bf_verdict *parent = find(verdicts, name);

        if (!parent || is_defined(parent->fate))
            return name;
        name = parent->checkpoint->parent;
    }
    return NULL;
}

static int define(struct bf_virt_domain *domain, const struct bf_verdict *verdict,
                  const struct bf_virt_adaptation *adaptation, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *xml = NULL;
    int r = bf_virt_checkpoint_adapt(verdict->checkpoint, adaptation, &xml, err);

    return r < 0 ? r : bf_virt_domain_redefine(domain, xml, err);
}

/* With the domain as it was; where this libvirt does not take that, without (libvirt 7.0). */
static int define_somehow(struct bf_virt_domain *domain, const struct bf_verdict *verdict,
                          struct bf_virt_adaptation *adaptation, struct bf_error *err)
{
    struct bf_error with_domain = BF_ERROR_INIT;
    struct bf_error without_domain = BF_ERROR_INIT;

    if (define(domain, verdict, adaptation, &with_domain) == 0)
        return 0;
    if (with_domain.code == BF_E_BITMAP_INCONSISTENT)
        return bf_error_set(err, with_domain.code, "%s", with_domain.text);
    adaptation->domain_xml = NULL;
    if (define(domain, verdict, adaptation, &without_domain) == 0)
        return 0;
    return bf_error_set(err, with_domain.code, "%s", with_domain.text);
}

static int define_verdict(const struct bf_arrival_request *request, struct bf_verdicts *verdicts,
                          struct bf_verdict *verdict, const char *domain_xml, struct bf_error *err)
{
    BF_CLEANUP(bf_freep)
    const char **without = calloc(verdict->nr_disks + 1, sizeof *without);
    struct bf_virt_adaptation adaptation = {
        .parent = living_parent(verdicts, verdict), .without = without, .domain_xml = domain_xml};
    struct bf_error refusal = BF_ERROR_INIT;

    if (!without)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < verdict->nr_disks; i++) {
        if (verdict->disks[i].proof == BF_PROOF_NONE)
            without[adaptation.nr_without++] = verdict->disks[i].target;
    }
    bf_say_step(request->args, "defining checkpoint %s", verdict->checkpoint->name);
    if (define_somehow(request->domain, verdict, &adaptation, &refusal) == 0)
        return 0;
    verdict->fate =
        refusal.code == BF_E_BITMAP_INCONSISTENT ? BF_VERDICT_DROPPED : BF_VERDICT_METADATA_MISSING;
    verdict->reason = refusal.code;
    (void)snprintf(verdict->why, sizeof verdict->why, "%s", refusal.text);
    return 0;
}

static int define_all(const struct bf_arrival_request *request, struct bf_verdicts *verdicts,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *domain_xml = NULL;
    int r = bf_virt_domain_xml(request->domain, &domain_xml, err);

    for (size_t i = 0; r == 0 && i < verdicts->nr_items; i++) {
        if (is_defined(verdicts->items[i].fate))
            r = define_verdict(request, verdicts, &verdicts->items[i], domain_xml, err);
    }
    return r;
}

/* What a former visit left behind */

static bool has_bitmap(const struct bf_virt_checkpoint *checkpoint, const struct bf_look *look)
{
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        const struct bf_look_disk *disk = bf_look_find_disk(look, checkpoint->disks[i].target);

        if (disk &&
            (!disk->seen || bf_look_find_bitmap(&disk->layers[0], checkpoint->disks[i].bitmap)))
            return true;
    }
    return false;
}

/* A definition here is of a former visit if its bitmap did not come, or did not come whole. */
static bool is_leftover(const struct bf_virt_checkpoint *checkpoint,
                        const struct bf_arrival *arrival)
{
    const struct bf_verdict *verdict = find(&arrival->verdicts, checkpoint->name);

    if (verdict)
        return verdict->fate == BF_VERDICT_DROPPED;
    return !has_bitmap(checkpoint, &arrival->after);
}

static int forget_leftovers(const struct bf_arrival_request *request,
                            const struct bf_arrival *arrival, struct bf_error *err)
{
    BF_CLEANUP(bf_virt_checkpoints_release) struct bf_virt_checkpoints here = {.nr_items = 0};
    int r = bf_virt_domain_checkpoints(request->domain, &here, err);

    for (size_t i = 0; r == 0 && i < here.nr_items; i++) {
        if (!is_leftover(&here.items[i], arrival))
            continue;
        r = bf_virt_domain_forget(request->domain, here.items[i].name, err);
        if (r == 0)
            bf_note(request->args, "checkpoint %s of a former visit was forgotten here",
                    here.items[i].name);
    }
    return r;
}

int bf_arrive(const struct bf_arrival_request *request, struct bf_arrival *ret_arrival,
              struct bf_error *err)
{
    const struct bf_capture *capture = request->capture;
    int r = look_at(request, &ret_arrival->after, err);

    if (r == 0)
        r = bf_judge(&capture->checkpoints, &capture->before, &ret_arrival->after,
                     &ret_arrival->verdicts, err);
    if (r == 0)
        r = forget_leftovers(request, ret_arrival, err);
    return r < 0 ? r : define_all(request, &ret_arrival->verdicts, err);
}

void bf_arrival_release(struct bf_arrival *arrival)
{
    bf_verdicts_release(&arrival->verdicts);
    bf_look_release(&arrival->after);
}
