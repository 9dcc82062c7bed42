/* A libvirt domain: its QEMU through the bridge, or its images while it is shut off. */
#include "libvirt/bridge.h"
#include "libvirt/domain_checkpoints.h"
#include "subject_build.h"
#include "uri_host.h"

#include <string.h>

static int copy_checkpoints(const struct bf_virt_checkpoints *from, struct bf_subject *subject,
                            struct bf_error *err)
{
    int r = 0;

    subject->origin = BF_SUBJECT_BY_LIBVIRT;
    subject->checkpoints.style = BF_CHAIN_NESTED;
    for (size_t i = 0; r == 0 && i < from->nr_items; i++) {
        const struct bf_virt_checkpoint *item = &from->items[i];
        struct bf_checkpoint *checkpoint;

        r = bf_checkpoints_add(&subject->checkpoints, item->name, item->parent,
                               item->created_unix_s, &checkpoint, err);
        for (size_t j = 0; r == 0 && j < item->nr_disks; j++)
            r = bf_checkpoint_add_disk(checkpoint, item->disks[j].target, item->disks[j].bitmap,
                                       err);
    }
    return r < 0 ? r : bf_checkpoints_settle(&subject->checkpoints, err);
}

static int read_checkpoints(struct bf_virt_domain *domain, struct bf_subject *subject,
                            struct bf_error *err)
{
    BF_CLEANUP(bf_virt_checkpoints_release)
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    int r = bf_virt_domain_checkpoints(domain, &checkpoints, err);

    return r < 0 ? r : copy_checkpoints(&checkpoints, subject, err);
}

static int add_unseen(const struct bf_virt_disk *from, const char *problem,
                      struct bf_subject *subject, struct bf_error *err)
{
    struct bf_subject_disk *disk;
    int r = bf_subject_add_disk(subject, from->target, &disk, err);

    return r < 0 ? r : bf_subject_refuse_disk(disk, BF_COVERAGE_DISK_UNSEEN, problem, err);
}

/* --- shut off --- */

static int read_image(const struct bf_virt_disk *from, bool local, struct bf_subject *subject,
                      struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    struct bf_subject_disk *disk;

    if (!local || !from->layers[0].local)
        return add_unseen(from, "its image is not a file or device of this host", subject, err);
    if (bf_subject_add_disk(subject, from->target, &disk, err) < 0)
        return -1;
    if (bf_subject_image_chain(from->layers[0].path, disk, &why) == 0)
        return 0;
    return bf_subject_refuse_disk(disk, BF_COVERAGE_DISK_UNSEEN, why.text, err);
}

static int read_images(const struct bf_virt_description *description, bool local,
                       struct bf_subject *subject, struct bf_error *err)
{
    int r = 0;

    subject->kind = BF_SUBJECT_OF_IMAGES;
    for (size_t i = 0; r == 0 && i < description->nr_disks; i++) {
        if (!description->disks[i].read_only)
            r = read_image(&description->disks[i], local, subject, err);
    }
    return r;
}

/* --- running --- */

static int read_nodes(struct bf_virt_domain *domain, const struct bf_virt_description *description,
                      struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(bf_virt_bridge_closep) struct bf_virt_bridge *bridge = NULL;
    BF_CLEANUP(json_decrefp) json_t *disks = json_array();

    for (size_t i = 0; i < description->nr_disks; i++) {
        const struct bf_virt_disk *disk = &description->disks[i];

        if (!disk->read_only &&
            json_array_append_new(disks, json_pack("{s:s, s:s}", "name", disk->target, "node",
                                                   disk->layers[0].node)) < 0)
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    if (json_array_size(disks) == 0)
        return 0;
    if (bf_virt_bridge_open(domain, &bridge, err) < 0)
        return -1;
    return bf_subject_socket(bf_virt_bridge_path(bridge), disks, subject, err);
}

/* Where QEMU cannot be asked, the checkpoints are there all the same. */
static int read_running(struct bf_virt_domain *domain,
                        const struct bf_virt_description *description, struct bf_subject *subject,
                        struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int r = read_nodes(domain, description, subject, &why);

    subject->kind = BF_SUBJECT_OF_QEMU;
    if (r == 0)
        return 0;
    if (subject->nr_disks > 0)
        return bf_error_set(err, why.code, "%s", why.text);
    for (size_t i = 0; i < description->nr_disks; i++) {
        if (!description->disks[i].read_only &&
            add_unseen(&description->disks[i], why.text, subject, err) < 0)
            return -1;
    }
    return 0;
}

static int read_disks(struct bf_virt *virt, struct bf_virt_domain *domain,
                      struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(bf_virt_description_release)
    struct bf_virt_description description = {.name = NULL};
    enum bf_virt_state state;
    int r = bf_virt_domain_state(domain, &state, err);

    if (r == 0)
        r = bf_virt_domain_describe(domain, &description, err);
    if (r < 0)
        return r;
    return state == BF_VIRT_SHUT_OFF
               ? read_images(&description, bf_uri_is_local(bf_virt_uri(virt)), subject, err)
               : read_running(domain, &description, subject, err);
}

int bf_subject_domain(const struct bf_subject_request *request, struct bf_subject *subject,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_virt_closep) struct bf_virt *virt = NULL;
    BF_CLEANUP(bf_virt_domain_freep) struct bf_virt_domain *domain = NULL;
    int r = bf_virt_open(request->connect, &virt, err);

    if (r == 0)
        r = bf_virt_domain_find(virt, request->domain, &domain, err);
    if (r == 0)
        r = bf_subject_set(&subject->title, bf_virt_domain_name(domain), err);
    if (r == 0)
        r = bf_subject_set(&subject->domain, bf_virt_domain_name(domain), err);
    if (r == 0 && request->connect)
        r = bf_subject_set(&subject->connect, request->connect, err);
    if (r == 0)
        r = read_checkpoints(domain, subject, err);
    return r < 0 ? r : read_disks(virt, domain, subject, err);
}
