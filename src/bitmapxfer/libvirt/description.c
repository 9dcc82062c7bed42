#include "libvirt/description.h"

#include "xml.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the domain's description");
}

/* "" for what is not there; NULL: no memory */
static char *text_or_empty(char *text)
{
    return text ? text : strdup("");
}

/* The file, device, volume or remote image of a <source>. */
static char *source_path(const xmlNode *source, bool *ret_local)
{
    static const char *const keys[] = {"file", "dev", "volume", "name"};

    *ret_local = false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *path = bf_virt_xml_attribute(source, keys[i]);

        if (path) {
            *ret_local = i < 2;
            return path;
        }
    }
    return strdup("");
}

/* libvirt names the nodes of a running domain after the index that it shows. */
static void node_name(const char *index, const char *format, char buf[BF_VIRT_NODE_NAME_MAX + 1])
{
    char *end = NULL;
    unsigned long number = index ? strtoul(index, &end, 10) : 0;

    buf[0] = '\0';
    if (number > 0 && number <= UINT32_MAX && *end == '\0' && format[0])
        (void)snprintf(buf, BF_VIRT_NODE_NAME_MAX + 1, "libvirt-%u-format", (unsigned)number);
}

static int read_layer(struct bf_virt_layer *layer, const xmlNode *node, char *format,
                      struct bf_error *err)
{
    const xmlNode *source = bf_virt_xml_child(node, "source");
    BF_CLEANUP(bf_freep) char *own_index = bf_virt_xml_attribute(node, "index");
    BF_CLEANUP(bf_freep) char *source_index = bf_virt_xml_attribute(source, "index");

    layer->format = text_or_empty(format);
    layer->path = source_path(source, &layer->local);
    if (!layer->format || !layer->path)
        return no_memory(err);
    node_name(source_index ? source_index : own_index, layer->format, layer->node);
    return 0;
}

static int add_layer(struct bf_virt_disk *disk, const xmlNode *node, char *format,
                     struct bf_error *err)
{
    struct bf_virt_layer *layers;

    if (disk->nr_layers == BF_VIRT_LAYERS_MAX) {
        free(format);
        return bf_error_set(err, BF_E_LIMIT, "disk %s has more than %d layers", disk->target,
                            BF_VIRT_LAYERS_MAX);
    }
    layers = realloc(disk->layers, (disk->nr_layers + 1) * sizeof *layers);
    if (!layers) {
        free(format);
        return no_memory(err);
    }
    disk->layers = layers;
    layers[disk->nr_layers] = (struct bf_virt_layer){.path = NULL};
    return read_layer(&layers[disk->nr_layers++], node, format, err);
}

static int read_layers(struct bf_virt_disk *disk, const xmlNode *node, struct bf_error *err)
{
    int r = add_layer(disk, node, bf_virt_xml_attribute(bf_virt_xml_child(node, "driver"), "type"),
                      err);
    const xmlNode *below = bf_virt_xml_child(node, "backingStore");

    while (r == 0 && bf_virt_xml_child(below, "source")) {
        r = add_layer(disk, below,
                      bf_virt_xml_attribute(bf_virt_xml_child(below, "format"), "type"), err);
        below = bf_virt_xml_child(below, "backingStore");
    }
    return r;
}

static bool is_disk(const xmlNode *node)
{
    BF_CLEANUP(bf_freep) char *device = bf_virt_xml_attribute(node, "device");

    return bf_virt_xml_child(node, "source") &&
           (!device || strcmp(device, "disk") == 0 || strcmp(device, "lun") == 0);
}

static int read_disk(struct bf_virt_description *description, const xmlNode *node,
                     struct bf_error *err)
{
    struct bf_virt_disk *disk = &description->disks[description->nr_disks];
    char *target = bf_virt_xml_attribute(bf_virt_xml_child(node, "target"), "dev");

    if (!target)
        return bf_error_set(err, BF_E_INVALID, "the domain's XML has a disk without a target");
    *disk = (struct bf_virt_disk){.target = target};
    description->nr_disks++;
    disk->read_only = bf_virt_xml_child(node, "readonly") != NULL;
    disk->shareable = bf_virt_xml_child(node, "shareable") != NULL;
    return read_layers(disk, node, err);
}

static int read_disks(struct bf_virt_description *description, const xmlNode *devices,
                      struct bf_error *err)
{
    size_t nr_max = 0;
    int r = 0;

    for (const xmlNode *n = bf_virt_xml_child(devices, "disk"); n; n = bf_virt_xml_next(n))
        nr_max++;
    if (nr_max > BF_VIRT_DISKS_MAX)
        return bf_error_set(err, BF_E_LIMIT, "the domain has more than %d disks",
                            BF_VIRT_DISKS_MAX);
    description->disks = calloc(nr_max + 1, sizeof *description->disks);
    if (!description->disks)
        return no_memory(err);
    for (const xmlNode *n = bf_virt_xml_child(devices, "disk"); r == 0 && n;
         n = bf_virt_xml_next(n)) {
        if (is_disk(n))
            r = read_disk(description, n, err);
    }
    return r;
}

int bf_virt_description_parse(const char *xml, struct bf_virt_description *ret_description,
                              struct bf_error *err)
{
    BF_CLEANUP(bf_virt_description_release) struct bf_virt_description read = {.name = NULL};
    BF_CLEANUP(xmlFreeDocp) xmlDoc *doc = NULL;
    const xmlNode *root;
    int r = bf_virt_xml_parse(xml, BF_VIRT_DOMAIN_XML_MAX_BYTES, "domain", "the domain's XML", &doc,
                              err);

    if (r < 0)
        return r;
    root = xmlDocGetRootElement(doc);
    read.name = bf_virt_xml_child_text(root, "name");
    read.uuid = bf_virt_xml_child_text(root, "uuid");
    if (!read.name || !read.uuid)
        return bf_error_set(err, BF_E_INVALID, "the domain's XML has no name and UUID");
    for (char *c = read.uuid; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    r = read_disks(&read, bf_virt_xml_child(root, "devices"), err);
    if (r < 0)
        return r;
    *ret_description = read;
    read = (struct bf_virt_description){.name = NULL};
    return 0;
}

static void release_disk(struct bf_virt_disk *disk)
{
    for (size_t i = 0; i < disk->nr_layers; i++) {
        free(disk->layers[i].path);
        free(disk->layers[i].format);
    }
    free(disk->layers);
    free(disk->target);
}

void bf_virt_description_release(struct bf_virt_description *description)
{
    for (size_t i = 0; i < description->nr_disks; i++)
        release_disk(&description->disks[i]);
    free(description->disks);
    free(description->name);
    free(description->uuid);
    *description = (struct bf_virt_description){.name = NULL};
}

const struct bf_virt_disk *bf_virt_description_disk(const struct bf_virt_description *description,
                                                    const char *target)
{
    for (size_t i = 0; i < description->nr_disks; i++) {
        if (strcmp(description->disks[i].target, target) == 0)
            return &description->disks[i];
    }
    return NULL;
}
