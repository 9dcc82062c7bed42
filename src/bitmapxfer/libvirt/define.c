#include "libvirt/define.h"

#include "libvirt/domain_checkpoints.h"

#include <stdlib.h>
#include <string.h>

static bool is_defined(const struct bf_virt_definition *item)
{
    return item->wanted && item->refusal.code == BF_E_NONE;
}

static const struct bf_virt_definition *find(const struct bf_virt_definition *items,
                                             size_t nr_items, const char *name)
{
    for (size_t i = 0; i < nr_items; i++) {
        if (strcmp(items[i].checkpoint->name, name) == 0)
            return &items[i];
    }
    return NULL;
}

/* The nearest ancestor that is defined here. */
static const char *living_parent(const struct bf_virt_definition *items, size_t nr_items,
                                 const struct bf_virt_definition *item)
{
    const char *name = item->checkpoint->parent;

    while (name) {
        const struct bf_virt_definition *parent = find(items, nr_items, name);

        if (!parent || is_defined(parent))
            return name;
        name = parent->checkpoint->parent;
    }
    return NULL;
}

static int define(struct bf_virt_domain *domain, const struct bf_virt_definition *item,
                  const struct bf_virt_adaptation *adaptation, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *xml = NULL;
    int r = bf_virt_checkpoint_adapt(item->checkpoint, adaptation, &xml, err);

    return r < 0 ? r : bf_virt_domain_redefine(domain, xml, err);
}

/* With the domain as it is; where this libvirt does not take that, without (libvirt 7.0). */
static void define_somehow(struct bf_virt_domain *domain, struct bf_virt_definition *item,
                           struct bf_virt_adaptation *adaptation)
{
    struct bf_error with_domain = BF_ERROR_INIT;
    struct bf_error without_domain = BF_ERROR_INIT;

    if (define(domain, item, adaptation, &with_domain) == 0)
        return;
    if (with_domain.code != BF_E_BITMAP_INCONSISTENT) {
        adaptation->domain_xml = NULL;
        if (define(domain, item, adaptation, &without_domain) == 0)
            return;
    }
    item->refusal = with_domain;
}

int bf_virt_define_all(struct bf_virt_domain *domain, struct bf_virt_definition *items,
                       size_t nr_items, void (*begun)(void *ctx, const char *name), void *ctx,
                       struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *domain_xml = NULL;
    int r = bf_virt_domain_xml(domain, &domain_xml, err);

    for (size_t i = 0; r == 0 && i < nr_items; i++) {
        struct bf_virt_adaptation adaptation = {.parent = living_parent(items, nr_items, &items[i]),
                                                .without = items[i].without,
                                                .nr_without = items[i].nr_without,
                                                .domain_xml = domain_xml};

        bf_error_clear(&items[i].refusal);
        if (!items[i].wanted)
            continue;
        if (begun)
            begun(ctx, items[i].checkpoint->name);
        define_somehow(domain, &items[i], &adaptation);
    }
    return r;
}

int bf_virt_forget_leftovers(struct bf_virt_domain *domain,
                             bool (*is_leftover)(void *ctx,
                                                 const struct bf_virt_checkpoint *checkpoint),
                             void (*forgotten)(void *ctx, const char *name), void *ctx,
                             struct bf_error *err)
{
    BF_CLEANUP(bf_virt_checkpoints_release) struct bf_virt_checkpoints here = {.nr_items = 0};
    int r = bf_virt_domain_checkpoints(domain, &here, err);

    for (size_t i = 0; r == 0 && i < here.nr_items; i++) {
        if (!is_leftover(ctx, &here.items[i]))
            continue;
        r = bf_virt_domain_forget(domain, here.items[i].name, err);
        if (r == 0 && forgotten)
            forgotten(ctx, here.items[i].name);
    }
    return r;
}
