#include "xml.h"

#include <libxml/parser.h>
#include <string.h>

/* Without XML_PARSE_NOENT entities stay references, and without a document type there are none. */
enum {
    PARSE_OPTIONS = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS,
};

BF_DEFINE_CLEANUP(xmlParserCtxt *, xmlFreeParserCtxt)

static int malformed(xmlParserCtxt *parser, const char *what, struct bf_error *err)
{
    const xmlError *problem = xmlCtxtGetLastError(parser);
    const char *message = problem && problem->message ? problem->message : "malformed";

    return bf_error_set(err, BF_E_INVALID, "%s is no XML that can be read: line %d: %.*s", what,
                        problem ? problem->line : 0, (int)strcspn(message, "\n"), message);
}

int bf_virt_xml_parse(const char *text, size_t max_bytes, const char *root, const char *what,
                      xmlDoc **ret_doc, struct bf_error *err)
{
    size_t nr_bytes = strnlen(text, max_bytes + 1);
    BF_CLEANUP(xmlFreeParserCtxtp) xmlParserCtxt *parser = NULL;
    BF_CLEANUP(xmlFreeDocp) xmlDoc *doc = NULL;
    const xmlNode *found;

    if (nr_bytes > max_bytes)
        return bf_error_set(err, BF_E_LIMIT, "%s has more than %zu bytes", what, max_bytes);
    parser = xmlNewParserCtxt();
    if (!parser)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to read %s", what);
    doc = xmlCtxtReadMemory(parser, text, (int)nr_bytes, NULL, NULL, PARSE_OPTIONS);
    if (!doc)
        return malformed(parser, what, err);
    if (doc->intSubset || doc->extSubset)
        return bf_error_set(err, BF_E_INVALID, "%s has a document type, which is refused", what);
    found = xmlDocGetRootElement(doc);
    if (!found || strcmp((const char *)found->name, root) != 0)
        return bf_error_set(err, BF_E_INVALID, "%s is not a <%s>", what, root);
    *ret_doc = bf_steal_ptr(&doc);
    return 0;
}

static xmlNode *first_of(xmlNode *node, const char *name)
{
    while (node && (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0))
        node = node->next;
    return node;
}

xmlNode *bf_virt_xml_child(const xmlNode *parent, const char *name)
{
    return parent ? first_of(parent->children, name) : NULL;
}

xmlNode *bf_virt_xml_next(const xmlNode *node)
{
    return first_of(node->next, (const char *)node->name);
}

static char *take(xmlChar *text)
{
    char *copy = text ? strdup((const char *)text) : NULL;

    xmlFree(text);
    return copy;
}

char *bf_virt_xml_text(const xmlNode *node)
{
    return node ? take(xmlNodeGetContent(node)) : NULL;
}

char *bf_virt_xml_attribute(const xmlNode *node, const char *name)
{
    return node ? take(xmlGetNoNsProp(node, (const xmlChar *)name)) : NULL;
}

char *bf_virt_xml_child_text(const xmlNode *parent, const char *name)
{
    return bf_virt_xml_text(bf_virt_xml_child(parent, name));
}

int bf_virt_xml_set_text(xmlNode *node, const char *text, struct bf_error *err)
{
    xmlNode *content = xmlNewText((const xmlChar *)text);

    if (!content)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for XML");
    while (node->children) {
        xmlNode *old = node->children;

        xmlUnlinkNode(old);
        xmlFreeNode(old);
    }
    xmlAddChild(node, content);
    return 0;
}

int bf_virt_xml_print(xmlDoc *doc, char **ret_text, struct bf_error *err)
{
    xmlChar *text = NULL;
    int nr_bytes = 0;

    xmlDocDumpFormatMemoryEnc(doc, &text, &nr_bytes, "UTF-8", 1);
    *ret_text = take(text);
    return *ret_text ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for XML");
}
