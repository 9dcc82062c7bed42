#include "domain/way.h"

#include "libvirt/bridge.h"

#include <stdio.h>
#include <string.h>

struct domain_way {
    char *uri;
    char *uuid;
    bool arriving;
    /* while it is open */
    struct bf_virt *virt;
    struct bf_virt_domain *domain;
    struct bf_virt_bridge *bridge;
    struct bf_way_disk *disks;
    size_t nr_disks;
};

static void forget_disks(struct domain_way *way)
{
    for (size_t i = 0; i < way->nr_disks; i++)
        free(way->disks[i].name);
    free(way->disks);
    way->disks = NULL;
    way->nr_disks = 0;
}

/* Those that can be written to. */
static int learn_disks(struct domain_way *way, struct bf_error *err)
{
    BF_CLEANUP(bf_virt_description_release)
    struct bf_virt_description description = {.name = NULL};
    int r = bf_virt_domain_describe(way->domain, &description, err);

    forget_disks(way);
    if (r < 0)
        return r;
    way->disks = calloc(description.nr_disks + 1, sizeof *way->disks);
    for (size_t i = 0; way->disks && i < description.nr_disks; i++) {
        struct bf_way_disk *disk = &way->disks[way->nr_disks];

        if (description.disks[i].read_only || !description.disks[i].layers[0].node[0])
            continue;
        disk->name = strdup(description.disks[i].target);
        if (!disk->name)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the disks of a domain");
        (void)snprintf(disk->node, sizeof disk->node, "%s", description.disks[i].layers[0].node);
        way->nr_disks++;
    }
    return way->disks ? 0
                      : bf_error_set(err, BF_E_NO_MEMORY, "no memory for the disks of a domain");
}

static void let_go(void *ctx)
{
    struct domain_way *way = ctx;

    if (way->bridge)
        bf_virt_bridge_close(way->bridge);
    if (way->domain)
        bf_virt_domain_free(way->domain);
    if (way->virt)
        bf_virt_close(way->virt);
    way->bridge = NULL;
    way->domain = NULL;
    way->virt = NULL;
}

static int check_arrived(struct domain_way *way, struct bf_error *err)
{
    bool arriving = false;
    int r = way->arriving ? bf_virt_domain_is_arriving(way->domain, &arriving, err) : 0;

    if (r == 0 && arriving)
        return bf_error_set(err, BF_E_WORK_IN_PROGRESS, "domain '%s' has not arrived yet",
                            bf_virt_domain_name(way->domain));
    return r;
}

static int reach(struct domain_way *way, struct bf_way_socket *ret_socket, struct bf_error *err)
{
    int id = 0;
    int r = bf_virt_open(way->uri, &way->virt, err);

    if (r == 0)
        r = bf_virt_domain_find(way->virt, way->uuid, &way->domain, err);
    if (r == 0)
        r = check_arrived(way, err);
    if (r == 0)
        r = bf_virt_bridge_open(way->domain, &way->bridge, err);
    if (r == 0)
        r = bf_virt_domain_id(way->domain, &id, err);
    if (r == 0)
        r = learn_disks(way, err);
    if (r < 0)
        return r;
    ret_socket->disks = way->disks;
    ret_socket->nr_disks = way->nr_disks;
    (void)snprintf(ret_socket->path, sizeof ret_socket->path, "%s",
                   bf_virt_bridge_path(way->bridge));
    (void)snprintf(ret_socket->start, sizeof ret_socket->start, "libvirt:%d", id);
    return 0;
}

static int open_way(void *ctx, struct bf_way_socket *ret_socket, struct bf_error *err)
{
    int r = reach(ctx, ret_socket, err);

    if (r < 0)
        let_go(ctx);
    return r;
}

static void free_way(void *ctx)
{
    struct domain_way *way = ctx;

    let_go(way);
    forget_disks(way);
    free(way->uri);
    free(way->uuid);
    free(way);
}

int bf_domain_way(const char *uri, const char *uuid, bool arriving, struct bf_way *ret_way,
                  struct bf_error *err)
{
    struct domain_way *way = calloc(1, sizeof *way);

    if (way) {
        way->arriving = arriving;
        way->uri = uri ? strdup(uri) : NULL;
        way->uuid = strdup(uuid);
    }
    if (!way || !way->uuid || (uri && !way->uri)) {
        if (way)
            free_way(way);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a way to QEMU through libvirt");
    }
    *ret_way = (struct bf_way){open_way, let_go, free_way, way};
    return 0;
}
