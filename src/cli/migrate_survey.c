#include "migrate_survey.h"

#include "libvirt/domain_checkpoints.h"
#include "migrate.h"
#include "migrate_repair.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

/* What is there */

static int look(const struct bf_survey_request *request, struct bf_look *ret_look,
                struct bf_error *err)
{
    bool offline = bf_virt_migrate_options_facts(request->options)->offline;
    enum bf_virt_state state;
    int r = bf_virt_domain_state(request->domain, &state, err);

    if (r < 0)
        return r;
    if (state == BF_VIRT_SHUT_OFF && !offline)
        return bf_error_set(err, BF_E_USAGE,
                            "domain '%s' is shut off: start it, or migrate with --offline "
                            "--persistent",
                            bf_virt_domain_name(request->domain));
    if (state != BF_VIRT_SHUT_OFF && offline)
        return bf_error_set(err, BF_E_USAGE,
                            "domain '%s' runs: shut it down, or migrate without --offline",
                            bf_virt_domain_name(request->domain));
    if (!offline)
        return bf_look_running(request->domain, ret_look, err);
    return request->images_here
               ? bf_look_images(request->domain, ret_look, err)
               : bf_look_at_none(request->domain, "its image is on another host", ret_look, err);
}

/* Which disks libvirt copies: those that were named, else all that are not shared or read-only. */
static int mark_copied(const struct bf_survey_request *request, struct bf_capture *capture,
                       struct bf_error *err)
{
    BF_CLEANUP(bf_virt_description_release)
    struct bf_virt_description description = {.name = NULL};
    int r = bf_virt_domain_describe(request->domain, &description, err);

    if (r < 0 || bf_virt_migrate_options_facts(request->options)->storage == BF_VIRT_STORAGE_SHARED)
        return r;
    for (size_t i = 0; i < capture->before.nr_disks; i++) {
        struct bf_look_disk *disk = &capture->before.disks[i];
        const struct bf_virt_disk *described = bf_virt_description_disk(&description, disk->target);

        disk->copied = bf_virt_migrate_options_copies(request->options, disk->target) &&
                       described && !described->shareable;
        capture->copied |= disk->copied;
    }
    return 0;
}

static int capture_texts(const struct bf_survey_request *request, struct bf_capture *capture,
                         struct bf_error *err)
{
    capture->domain = strdup(bf_virt_domain_name(request->domain));
    capture->uuid = strdup(bf_virt_domain_uuid(request->domain));
    capture->source_uri = strdup(bf_virt_uri(request->source));
    capture->dest_uri = strdup(request->dest_uri);
    capture->offline = bf_virt_migrate_options_facts(request->options)->offline;
    if (!capture->domain || !capture->uuid || !capture->source_uri || !capture->dest_uri)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return 0;
}

static int survey(const struct bf_survey_request *request, struct bf_capture *capture,
                  struct bf_error *err)
{
    int r = capture_texts(request, capture, err);

    if (r == 0)
        r = look(request, &capture->before, err);
    if (r == 0)
        r = mark_copied(request, capture, err);
    return r < 0 ? r : bf_virt_domain_checkpoints(request->domain, &capture->checkpoints, err);
}

/* What stands in the way: one inconsistent bitmap makes libvirt's migration fail without a word of
 * why, and costs the source's other bitmaps. */

static void list_inconsistent(const struct bf_look *look, char *buf, size_t buf_bytes)
{
    size_t used = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < look->nr_disks; i++) {
        const struct bf_look_disk *disk = &look->disks[i];

        for (size_t j = 0; disk->nr_layers > 0 && j < disk->layers[0].nr_bitmaps; j++) {
            const struct bf_look_bitmap *bitmap = &disk->layers[0].bitmaps[j];

            if (bitmap->consistent || used >= buf_bytes)
                continue;
            used += (size_t)snprintf(buf + used, buf_bytes - used, "%s%s/%s", used > 0 ? ", " : "",
                                     disk->target, bitmap->name);
        }
    }
}

static int drop_inconsistent(const struct bf_survey_request *request, struct bf_capture *capture,
                             struct bf_error *err)
{
    int r = bf_repair_drop_inconsistent(request->domain, &capture->before, err);

    for (size_t i = capture->checkpoints.nr_items; r == 0 && i > 0; i--) {
        const struct bf_virt_checkpoint *checkpoint = &capture->checkpoints.items[i - 1];
        bool broken = false;

        for (size_t j = 0; j < checkpoint->nr_disks; j++) {
            const struct bf_look_disk *disk =
                bf_look_find_disk(&capture->before, checkpoint->disks[j].target);
            const struct bf_look_bitmap *bitmap =
                disk ? bf_look_find_bitmap(&disk->layers[0], checkpoint->disks[j].bitmap) : NULL;

            broken |= bitmap && !bitmap->consistent;
        }
        if (broken)
            r = bf_virt_domain_forget(request->domain, checkpoint->name, err);
    }
    if (r < 0)
        return r;
    bf_capture_release(capture);
    return survey(request, capture, err);
}

int bf_survey(const struct bf_survey_request *request, struct bf_capture *ret_capture,
              struct bf_error *err)
{
    char names[BF_ERROR_TEXT_MAX / 2];
    int r;

    *ret_capture = (struct bf_capture){.domain = NULL};
    r = survey(request, ret_capture, err);
    if (r < 0)
        return r;
    list_inconsistent(&ret_capture->before, names, sizeof names);
    if (!names[0])
        return 0;
    if (bf_option_given(request->args, BF_MIGRATE_DROP_INCONSISTENT) && !ret_capture->offline &&
        !bf_option_given(request->args, BF_MIGRATE_DRY_RUN))
        return drop_inconsistent(request, ret_capture, err);
    return bf_error_set(err, BF_E_BITMAP_INCONSISTENT,
                        "inconsistent bitmaps (QEMU did not close them cleanly) would make the "
                        "migration fail: %s; nothing can use them: --drop-inconsistent removes "
                        "them and their checkpoints first",
                        names);
}

/* The plan */

static const char *storage_text(const struct bf_virt_migrate_facts *facts)
{
    switch (facts->storage) {
    case BF_VIRT_STORAGE_COPIED_ALL:
        return "copied whole; libvirt moves the bitmaps with it";
    case BF_VIRT_STORAGE_COPIED_INC:
        return "the top layers are copied; libvirt moves their bitmaps with them";
    case BF_VIRT_STORAGE_SHARED:
        break;
    }
    return facts->offline ? "the operator's; the bitmaps are in the images"
                          : "shared; the bitmaps travel in the images";
}

static void print_checkpoints(const struct bf_capture *capture)
{
    (void)printf("  checkpoints:");
    for (size_t i = 0; i < capture->checkpoints.nr_items; i++) {
        BF_CLEANUP(bf_freep) char *name = bf_escape(capture->checkpoints.items[i].name);

        (void)printf(" %s", name ? name : "?");
    }
    (void)printf("%s\n", capture->checkpoints.nr_items == 0 ? " none" : "");
}

void bf_survey_print_plan(const struct bf_survey_request *request, const struct bf_capture *capture,
                          const char *folder)
{
    const struct bf_virt_migrate_facts *facts = bf_virt_migrate_options_facts(request->options);
    BF_CLEANUP(bf_freep) char *name = bf_escape(capture->domain);

    (void)printf("Migration of %s (%s), %s%s\n", name ? name : "?", capture->uuid,
                 facts->offline ? "offline" : "running",
                 facts->peer_to_peer ? ", peer to peer" : "");
    (void)printf("  from:        %s\n  to:          %s\n", capture->source_uri, capture->dest_uri);
    (void)printf("  storage:     %s\n", storage_text(facts));
    print_checkpoints(capture);
    (void)printf("  captured in: %s\n", folder);
    (void)fflush(stdout);
}
