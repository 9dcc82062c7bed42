#include "libvirt/checkpoint.h"

#include "base/cleanup.h"
#include "xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 255 - 4 /* ".xml" */ };

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the definition of a checkpoint");
}

static void release(struct bf_virt_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        free(checkpoint->disks[i].target);
        free(checkpoint->disks[i].bitmap);
    }
    free(checkpoint->disks);
    free(checkpoint->name);
    free(checkpoint->parent);
    free(checkpoint->xml);
    *checkpoint = (struct bf_virt_checkpoint){.name = NULL};
}

/* Reading one */

static bool name_fits(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX_BYTES;
}

static int read_time(struct bf_virt_checkpoint *checkpoint, const xmlNode *root,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = bf_virt_xml_child_text(root, "creationTime");
    char *end = NULL;

    if (!text)
        return 0;
    errno = 0;
    checkpoint->created_unix_s = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || checkpoint->created_unix_s < 0)
        return bf_error_set(err, BF_E_INVALID, "checkpoint '%s' has '%.40s' as its creation time",
                            checkpoint->name, text);
    return 0;
}

static int read_disk(struct bf_virt_checkpoint *checkpoint, const xmlNode *node,
                     struct bf_error *err)
{
    struct bf_virt_checkpoint_disk *disk = &checkpoint->disks[checkpoint->nr_disks];
    BF_CLEANUP(bf_freep) char *kind = bf_virt_xml_attribute(node, "checkpoint");
    BF_CLEANUP(bf_freep) char *target = bf_virt_xml_attribute(node, "name");
    BF_CLEANUP(bf_freep) char *bitmap = bf_virt_xml_attribute(node, "bitmap");

    if (kind && strcmp(kind, "no") == 0)
        return 0;
    if (!target)
        return bf_error_set(err, BF_E_INVALID, "checkpoint '%s' has a disk without a name",
                            checkpoint->name);
    if (!bitmap)
        bitmap = strdup(checkpoint->name);
    if (!bitmap)
        return no_memory(err);
    disk->target = bf_steal_ptr(&target);
    disk->bitmap = bf_steal_ptr(&bitmap);
    checkpoint->nr_disks++;
    return 0;
}

static int read_disks(struct bf_virt_checkpoint *checkpoint, const xmlNode *disks,
                      struct bf_error *err)
{
    size_t nr_max = 0;
    int r = 0;

    for (const xmlNode *n = bf_virt_xml_child(disks, "disk"); n; n = bf_virt_xml_next(n))
        nr_max++;
    checkpoint->disks = calloc(nr_max + 1, sizeof *checkpoint->disks);
    if (!checkpoint->disks)
        return no_memory(err);
    for (const xmlNode *n = bf_virt_xml_child(disks, "disk"); r == 0 && n; n = bf_virt_xml_next(n))
        r = read_disk(checkpoint, n, err);
    return r;
}

/* What is read first must be what libvirt reads, and the only one. */
static int check_unique(const xmlNode *root, struct bf_error *err)
{
    static const char *const names[] = {"name",  "parent", "creationTime",
                                        "disks", "domain", "inactiveDomain"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const xmlNode *first = bf_virt_xml_child(root, names[i]);

        if (first && bf_virt_xml_next(first))
            return bf_error_set(err, BF_E_INVALID, "a checkpoint has two <%s>", names[i]);
    }
    return 0;
}

static int read_checkpoint(struct bf_virt_checkpoint *checkpoint, const char *xml,
                           struct bf_error *err)
{
    BF_CLEANUP(xmlFreeDocp) xmlDoc *doc = NULL;
    const xmlNode *root;
    int r = bf_virt_xml_parse(xml, BF_VIRT_CHECKPOINT_XML_MAX_BYTES, "domaincheckpoint",
                              "the definition of a checkpoint", &doc, err);

    if (r < 0)
        return r;
    root = xmlDocGetRootElement(doc);
    r = check_unique(root, err);
    if (r < 0)
        return r;
    checkpoint->name = bf_virt_xml_child_text(root, "name");
    if (!checkpoint->name || !name_fits(checkpoint->name))
        return bf_error_set(err, BF_E_INVALID, "a checkpoint has no name that libvirt could take");
    checkpoint->parent = bf_virt_xml_child_text(bf_virt_xml_child(root, "parent"), "name");
    r = read_time(checkpoint, root, err);
    if (r == 0)
        r = read_disks(checkpoint, bf_virt_xml_child(root, "disks"), err);
    if (r == 0 && !(checkpoint->xml = strdup(xml)))
        r = no_memory(err);
    return r;
}

/* A set of them */

int bf_virt_checkpoints_add(struct bf_virt_checkpoints *checkpoints, const char *xml,
                            struct bf_error *err)
{
    struct bf_virt_checkpoint *items;
    BF_CLEANUP(release) struct bf_virt_checkpoint read = {.name = NULL};
    int r = read_checkpoint(&read, xml, err);

    if (r < 0)
        return r;
    if (checkpoints->nr_items == BF_VIRT_CHECKPOINTS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "more than %d checkpoints", BF_VIRT_CHECKPOINTS_MAX);
    if (bf_virt_checkpoints_find(checkpoints, read.name))
        return bf_error_set(err, BF_E_INVALID, "checkpoint '%s' is defined twice", read.name);
    items = realloc(checkpoints->items, (checkpoints->nr_items + 1) * sizeof *items);
    if (!items)
        return no_memory(err);
    checkpoints->items = items;
    items[checkpoints->nr_items++] = read;
    read = (struct bf_virt_checkpoint){.name = NULL};
    return 0;
}

static int compare_age(const void *a, const void *b)
{
    const struct bf_virt_checkpoint *one = a;
    const struct bf_virt_checkpoint *other = b;

    if (one->created_unix_s != other->created_unix_s)
        return one->created_unix_s < other->created_unix_s ? -1 : 1;
    return strcmp(one->name, other->name);
}

static void forget_strangers(struct bf_virt_checkpoints *checkpoints)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        struct bf_virt_checkpoint *item = &checkpoints->items[i];

        if (item->parent && !bf_virt_checkpoints_find(checkpoints, item->parent)) {
            free(item->parent);
            item->parent = NULL;
        }
    }
}

/* The first of the unplaced ones, which begin at @nr_placed, whose parent is placed. */
static struct bf_virt_checkpoint *next_placeable(struct bf_virt_checkpoints *checkpoints,
                                                 size_t nr_placed)
{
    struct bf_virt_checkpoints placed = {checkpoints->items, nr_placed};

    for (size_t i = nr_placed; i < checkpoints->nr_items; i++) {
        struct bf_virt_checkpoint *item = &checkpoints->items[i];

        if (!item->parent || bf_virt_checkpoints_find(&placed, item->parent))
            return item;
    }
    return NULL;
}

int bf_virt_checkpoints_order(struct bf_virt_checkpoints *checkpoints, struct bf_error *err)
{
    if (checkpoints->nr_items == 0)
        return 0;
    forget_strangers(checkpoints);
    qsort(checkpoints->items, checkpoints->nr_items, sizeof *checkpoints->items, compare_age);
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        struct bf_virt_checkpoint *item = next_placeable(checkpoints, i);
        struct bf_virt_checkpoint moved;

        if (!item)
            return bf_error_set(err, BF_E_INVALID, "checkpoint '%s' is its own ancestor",
                                checkpoints->items[i].name);
        moved = *item;
        memmove(&checkpoints->items[i + 1], &checkpoints->items[i],
                (size_t)(item - &checkpoints->items[i]) * sizeof moved);
        checkpoints->items[i] = moved;
    }
    return 0;
}

void bf_virt_checkpoints_release(struct bf_virt_checkpoints *checkpoints)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++)
        release(&checkpoints->items[i]);
    free(checkpoints->items);
    *checkpoints = (struct bf_virt_checkpoints){.nr_items = 0};
}

const struct bf_virt_checkpoint *
bf_virt_checkpoints_find(const struct bf_virt_checkpoints *checkpoints, const char *name)
{
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        if (strcmp(checkpoints->items[i].name, name) == 0)
            return &checkpoints->items[i];
    }
    return NULL;
}
