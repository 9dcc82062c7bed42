/** Untrusted XML: no network, no entities, no document type, bounded. */
#ifndef BF_LIBVIRT_XML_H
#define BF_LIBVIRT_XML_H

#include "base/cleanup.h"
#include "base/error.h"

#include <libxml/tree.h>

BF_DEFINE_CLEANUP(xmlDoc *, xmlFreeDoc)

/** @what names it in the errors: INVALID, LIMIT, NO_MEMORY.  The root must be @root. */
int bf_virt_xml_parse(const char *text, size_t max_bytes, const char *root, const char *what,
                      xmlDoc **ret_doc, struct bf_error *err);

/** The first child element of that name, or NULL. */
xmlNode *bf_virt_xml_child(const xmlNode *parent, const char *name);

/** The next sibling of the same name, or NULL. */
xmlNode *bf_virt_xml_next(const xmlNode *node);

/** Copies; NULL: not there (or no memory: the caller treats both as missing). */
char *bf_virt_xml_text(const xmlNode *node);
char *bf_virt_xml_attribute(const xmlNode *node, const char *name);
char *bf_virt_xml_child_text(const xmlNode *parent, const char *name);

/** Replace its content. */
int bf_virt_xml_set_text(xmlNode *node, const char *text, struct bf_error *err);

/** The whole document; free(). */
int bf_virt_xml_print(xmlDoc *doc, char **ret_text, struct bf_error *err);

#endif
