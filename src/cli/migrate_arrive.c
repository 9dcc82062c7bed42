#include "migrate_arrive.h"

#include "libvirt/define.h"
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

static int fill_definition(const struct bf_verdict *verdict, struct bf_virt_definition *ret_item,
                           struct bf_error *err)
{
    const char **without = calloc(verdict->nr_disks + 1, sizeof *without);

    if (!without)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    *ret_item = (struct bf_virt_definition){
        .checkpoint = verdict->checkpoint, .wanted = is_defined(verdict->fate), .without = without};
    for (size_t i = 0; i < verdict->nr_disks; i++) {
        if (verdict->disks[i].proof == BF_PROOF_NONE)
            without[ret_item->nr_without++] = verdict->disks[i].target;
    }
    return 0;
}

static void say_defining(void *ctx, const char *name)
{
    const struct bf_arrival_request *request = ctx;

    bf_say_step(request->args, "defining checkpoint %s", name);
}

static void take_refusal(struct bf_verdict *verdict, const struct bf_error *refusal)
{
    verdict->fate = refusal->code == BF_E_BITMAP_INCONSISTENT ? BF_VERDICT_DROPPED
                                                              : BF_VERDICT_METADATA_MISSING;
    verdict->reason = refusal->code;
    (void)snprintf(verdict->why, sizeof verdict->why, "%s", refusal->text);
}

static int define_all(const struct bf_arrival_request *request, struct bf_verdicts *verdicts,
                      struct bf_error *err)
{
    struct bf_virt_definition *items = calloc(verdicts->nr_items + 1, sizeof *items);
    int r = items ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");

    for (size_t i = 0; r == 0 && i < verdicts->nr_items; i++)
        r = fill_definition(&verdicts->items[i], &items[i], err);
    if (r == 0)
        r = bf_virt_define_all(request->domain, items, verdicts->nr_items, say_defining,
                               (void *)(uintptr_t)request, err);
    for (size_t i = 0; items && i < verdicts->nr_items; i++) {
        if (items[i].refusal.code != BF_E_NONE)
            take_refusal(&verdicts->items[i], &items[i].refusal);
        free((void *)(uintptr_t)items[i].without);
    }
    free(items);
    return r;
}

/* What a former visit left behind */

struct leaving {
    const struct bf_arrival_request *request;
    const struct bf_arrival *arrival;
};

static const struct bf_verdict *find(const struct bf_verdicts *verdicts, const char *name)
{
    for (size_t i = 0; i < verdicts->nr_items; i++) {
        if (strcmp(verdicts->items[i].checkpoint->name, name) == 0)
            return &verdicts->items[i];
    }
    return NULL;
}

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
static bool is_leftover(void *ctx, const struct bf_virt_checkpoint *checkpoint)
{
    const struct leaving *leaving = ctx;
    const struct bf_verdict *verdict = find(&leaving->arrival->verdicts, checkpoint->name);

    if (verdict)
        return verdict->fate == BF_VERDICT_DROPPED;
    return !has_bitmap(checkpoint, &leaving->arrival->after);
}

static void note_forgotten(void *ctx, const char *name)
{
    const struct leaving *leaving = ctx;

    bf_note(leaving->request->args, "checkpoint %s of a former visit was forgotten here", name);
}

static int forget_leftovers(const struct bf_arrival_request *request,
                            const struct bf_arrival *arrival, struct bf_error *err)
{
    struct leaving leaving = {request, arrival};

    return bf_virt_forget_leftovers(request->domain, is_leftover, note_forgotten, &leaving, err);
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
