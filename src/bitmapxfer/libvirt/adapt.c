/* A checkpoint's definition, made to fit the destination. */
#include "libvirt/checkpoint.h"
#include "libvirt/description.h"

#include "base/cleanup.h"
#include "xml.h"

#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the definition of a checkpoint");
}

static void drop(xmlNode *node)
{
    if (node) {
        xmlUnlinkNode(node);
        xmlFreeNode(node);
    }
}

static xmlNode *add_child(xmlNode *parent, const char *name, struct bf_error *err)
{
    xmlNode *node = xmlNewChild(parent, NULL, (const xmlChar *)name, NULL);

    if (!node)
        (void)no_memory(err);
    return node;
}

static int set_parent(xmlNode *root, const char *name, struct bf_error *err)
{
    xmlNode *parent;
    xmlNode *child;

    drop(bf_virt_xml_child(root, "parent"));
    if (!name)
        return 0;
    parent = add_child(root, "parent", err);
    child = parent ? add_child(parent, "name", err) : NULL;
    return child ? bf_virt_xml_set_text(child, name, err) : no_memory(err);
}

/* Disks: only those with a bitmap that is there.  What is not listed has no part in it. */

static bool is_without(const struct bf_virt_adaptation *adaptation, const char *target)
{
    for (size_t i = 0; i < adaptation->nr_without; i++) {
        if (strcmp(adaptation->without[i], target) == 0)
            return true;
    }
    return false;
}

static bool keeps_disk(const xmlNode *disk, const struct bf_virt_adaptation *adaptation)
{
    BF_CLEANUP(bf_freep) char *target = bf_virt_xml_attribute(disk, "name");
    BF_CLEANUP(bf_freep) char *kind = bf_virt_xml_attribute(disk, "checkpoint");

    return target && !(kind && strcmp(kind, "no") == 0) && !is_without(adaptation, target);
}

static int set_disks(const struct bf_virt_checkpoint *checkpoint, xmlNode *root,
                     const struct bf_virt_adaptation *adaptation, struct bf_error *err)
{
    xmlNode *disk = bf_virt_xml_child(bf_virt_xml_child(root, "disks"), "disk");
    size_t nr_kept = 0;

    while (disk) {
        xmlNode *next = bf_virt_xml_next(disk);

        if (keeps_disk(disk, adaptation)) {
            (void)xmlUnsetProp(disk, (const xmlChar *)"size");
            nr_kept++;
        } else {
            drop(disk);
        }
        disk = next;
    }
    return nr_kept > 0 ? 0
                       : bf_error_set(err, BF_E_INVALID, "checkpoint '%s' would have no disk left",
                                      checkpoint->name);
}

/* The domain: as it was at the checkpoint, with the destination's names and paths. */

/* Replace the child @name of @to by a copy of that of @from, if that has one. */
static int replace_child(xmlNode *to, const xmlNode *from, const char *name, struct bf_error *err)
{
    xmlNode *theirs = bf_virt_xml_child(from, name);
    xmlNode *old = bf_virt_xml_child(to, name);
    xmlNode *copy;

    if (!theirs)
        return 0;
    copy = xmlDocCopyNode(theirs, to->doc, 1);
    if (!copy)
        return no_memory(err);
    if (old) {
        xmlReplaceNode(old, copy);
        xmlFreeNode(old);
    } else {
        xmlAddChild(to, copy);
    }
    return 0;
}

static const xmlNode *find_disk(const xmlNode *domain, const char *target)
{
    const xmlNode *disk = bf_virt_xml_child(bf_virt_xml_child(domain, "devices"), "disk");

    for (; disk; disk = bf_virt_xml_next(disk)) {
        BF_CLEANUP(bf_freep)
        char *dev = bf_virt_xml_attribute(bf_virt_xml_child(disk, "target"), "dev");

        if (dev && strcmp(dev, target) == 0)
            return disk;
    }
    return NULL;
}

static int adapt_disk(xmlNode *disk, const xmlNode *dest_domain, struct bf_error *err)
{
    static const char *const parts[] = {"driver", "source", "backingStore"};
    BF_CLEANUP(bf_freep)
    char *target = bf_virt_xml_attribute(bf_virt_xml_child(disk, "target"), "dev");
    const xmlNode *dest_disk = target ? find_disk(dest_domain, target) : NULL;
    BF_CLEANUP(bf_freep) char *type = bf_virt_xml_attribute(dest_disk, "type");
    int r = 0;

    if (!dest_disk)
        return 0;
    if (type && !xmlSetProp(disk, (const xmlChar *)"type", (const xmlChar *)type))
        return no_memory(err);
    for (size_t i = 0; r == 0 && i < sizeof parts / sizeof parts[0]; i++)
        r = replace_child(disk, dest_disk, parts[i], err);
    return r;
}

static int adapt_domain(xmlNode *domain, const xmlNode *dest_domain, struct bf_error *err)
{
    xmlNode *devices = bf_virt_xml_child(domain, "devices");
    int r = replace_child(domain, dest_domain, "name", err);

    if (r == 0)
        r = replace_child(domain, dest_domain, "uuid", err);
    if (!devices)
        return r;
    if (r == 0)
        r = replace_child(devices, bf_virt_xml_child(dest_domain, "devices"), "emulator", err);
    for (xmlNode *n = bf_virt_xml_child(devices, "disk"); r == 0 && n; n = bf_virt_xml_next(n))
        r = adapt_disk(n, dest_domain, err);
    return r;
}

static int set_domain(xmlNode *root, const char *dest_xml, struct bf_error *err)
{
    xmlNode *domain = bf_virt_xml_child(root, "domain");
    BF_CLEANUP(xmlFreeDocp) xmlDoc *dest = NULL;
    int r;

    /* The definition of a domain that differs when it is off; this one is gone at the destination
     */
    drop(bf_virt_xml_child(root, "inactiveDomain"));
    if (!domain)
        return 0;
    if (!dest_xml) {
        drop(domain);
        return 0;
    }
    r = bf_virt_xml_parse(dest_xml, BF_VIRT_DOMAIN_XML_MAX_BYTES, "domain",
                          "the domain's XML at the destination", &dest, err);
    return r < 0 ? r : adapt_domain(domain, xmlDocGetRootElement(dest), err);
}

int bf_virt_checkpoint_adapt(const struct bf_virt_checkpoint *checkpoint,
                             const struct bf_virt_adaptation *adaptation, char **ret_xml,
                             struct bf_error *err)
{
    BF_CLEANUP(xmlFreeDocp) xmlDoc *doc = NULL;
    xmlNode *root;
    int r = bf_virt_xml_parse(checkpoint->xml, BF_VIRT_CHECKPOINT_XML_MAX_BYTES, "domaincheckpoint",
                              "the definition of a checkpoint", &doc, err);

    if (r < 0)
        return r;
    root = xmlDocGetRootElement(doc);
    r = set_parent(root, adaptation->parent, err);
    if (r == 0)
        r = set_disks(checkpoint, root, adaptation, err);
    if (r == 0)
        r = set_domain(root, adaptation->domain_xml, err);
    return r < 0 ? r : bf_virt_xml_print(doc, ret_xml, err);
}
