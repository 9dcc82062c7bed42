#include "migrate_source.h"

#include "attach/child.h"
#include "carrier/describe.h"
#include "carrier/reader.h"
#include "libvirt/domain_checkpoints.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

enum { QEMU_IMG_DEADLINE_MS = 60000 };

struct cleaning {
    const struct bf_source_request *request;
    json_t *forgotten; /* names of checkpoints */
    json_t *removed;   /* {"disk", "bitmap"} */
    json_t *left;      /* {"what", "why", "remedy"} */
};

static void leave(struct cleaning *cleaning, const char *what, const char *why, const char *remedy)
{
    (void)json_array_append_new(cleaning->left,
                                json_pack("{s:o, s:o, s:o}", "what", bf_text_to_json(what), "why",
                                          bf_text_to_json(why), "remedy", bf_text_to_json(remedy)));
    bf_note(cleaning->request->args, "%s is still at the source (%s): %s", what, why, remedy);
}

/* Definitions */

/* Where the destination could not take the definition it stays: the next try may need it. */
static bool is_settled(const struct bf_verdict *verdict)
{
    return verdict->fate != BF_VERDICT_METADATA_MISSING && verdict->fate != BF_VERDICT_UNPROVEN;
}

static void forget(struct cleaning *cleaning, struct bf_virt_domain *domain, const char *name)
{
    struct bf_error err = BF_ERROR_INIT;
    BF_CLEANUP(bf_freep) char *what = NULL;
    BF_CLEANUP(bf_freep) char *remedy = NULL;

    if (bf_virt_domain_forget(domain, name, &err) == 0) {
        (void)json_array_append_new(cleaning->forgotten, json_string(name));
        return;
    }
    if (asprintf(&what, "the definition of checkpoint %s", name) >= 0 &&
        asprintf(&remedy, "virsh checkpoint-delete %s %s --metadata", bf_virt_domain_name(domain),
                 name) >= 0)
        leave(cleaning, what, err.text, remedy);
}

static void forget_all(struct cleaning *cleaning)
{
    const struct bf_source_request *request = cleaning->request;
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *domain = NULL;
    struct bf_error gone = BF_ERROR_INIT;

    /* Undefined or transient: libvirt has forgotten all of it already. */
    if (bf_virt_domain_find(request->virt, request->capture->uuid, &domain, &gone) < 0)
        return;
    for (size_t i = request->verdicts->nr_items; i > 0; i--) {
        if (is_settled(&request->verdicts->items[i - 1]))
            forget(cleaning, domain, request->verdicts->items[i - 1].checkpoint->name);
    }
}

/* Bitmaps in images that were copied: stale from the first write at the destination on */

static int remove_bitmap(const char *path, const char *name, struct bf_error *err)
{
    const char *argv[] = {"qemu-img", "bitmap", "--remove", "-f", "qcow2", "--", path, name, NULL};

    return bf_child_ask(argv, QEMU_IMG_DEADLINE_MS, NULL, err);
}

static void leave_bitmap(struct cleaning *cleaning, const char *path, const char *name,
                         const char *why)
{
    BF_CLEANUP(bf_freep) char *what = NULL;
    BF_CLEANUP(bf_freep) char *remedy = NULL;

    if (asprintf(&what, "bitmap %s of %s", name, path) >= 0 &&
        asprintf(&remedy, "qemu-img bitmap --remove %s %s", path, name) >= 0)
        leave(cleaning, what, why, remedy);
}

static void clean_image(struct cleaning *cleaning, const struct bf_look_disk *disk)
{
    const char *path = disk->layers[0].path;
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    BF_CLEANUP(bf_catalog_release) struct bf_catalog catalog = {.nr_disks = 0};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_reader_open_path(path, 0, &reader, &err) < 0 ||
        bf_describe_image(reader, "disk", false, NULL, &catalog, &err) < 0) {
        leave_bitmap(cleaning, path, "NAME", err.text);
        return;
    }
    bf_reader_free(bf_steal_ptr(&reader)); /* and with it its lock */
    for (size_t i = 0; i < catalog.disks[0].nr_bitmaps; i++) {
        const char *name = catalog.disks[0].bitmaps[i].name;
        struct bf_error removal = BF_ERROR_INIT;

        if (!bf_look_find_bitmap(&disk->layers[0], name))
            continue; /* not one of the machine's when it left */
        if (remove_bitmap(path, name, &removal) < 0)
            leave_bitmap(cleaning, path, name, removal.text);
        else
            (void)json_array_append_new(
                cleaning->removed,
                json_pack("{s:s, s:o}", "disk", disk->target, "bitmap", bf_text_to_json(name)));
    }
}

static void clean_images(struct cleaning *cleaning)
{
    const struct bf_capture *capture = cleaning->request->capture;

    for (size_t i = 0; i < capture->before.nr_disks; i++) {
        const struct bf_look_disk *disk = &capture->before.disks[i];

        if (!disk->copied || disk->layers[0].nr_bitmaps == 0)
            continue;
        if (cleaning->request->images_here)
            clean_image(cleaning, disk);
        else
            leave_bitmap(cleaning, disk->layers[0].path, "NAME", "its host is another one");
    }
}

int bf_source_clean(const struct bf_source_request *request, json_t **ret_json,
                    struct bf_error *err)
{
    struct cleaning cleaning = {.request = request,
                                .forgotten = json_array(),
                                .removed = json_array(),
                                .left = json_array()};

    forget_all(&cleaning);
    clean_images(&cleaning);
    *ret_json = json_pack("{s:o, s:o, s:o}", "checkpoints_forgotten", cleaning.forgotten,
                          "bitmaps_removed", cleaning.removed, "left", cleaning.left);
    return *ret_json ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}
