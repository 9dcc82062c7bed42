#include "domain_uuid.h"

#include "deadline.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/parser.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void settle(struct domain_uuid *uuid, enum domain_uuid_state state)
{
    if (uuid->state != DOMAIN_UUID_WANTED)
        return;
    uuid->state = state;
    xmlStopParser(uuid->parser);
}

static void on_document_type(void *ctx, const xmlChar *name, const xmlChar *external_id,
                             const xmlChar *system_id)
{
    (void)name;
    (void)external_id;
    (void)system_id;
    settle(ctx, DOMAIN_UUID_REFUSED);
}

static void on_begin(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int nr_namespaces, const xmlChar **namespaces, int nr_attributes,
                     int nr_defaulted, const xmlChar **attributes)
{
    struct domain_uuid *uuid = ctx;

    (void)uri;
    (void)nr_namespaces;
    (void)namespaces;
    (void)nr_attributes;
    (void)nr_defaulted;
    (void)attributes;
    if (uuid->depth == 0 && (prefix || strcmp((const char *)name, "domain") != 0))
        settle(uuid, DOMAIN_UUID_REFUSED);
    uuid->inside = uuid->depth == 1 && !prefix && strcmp((const char *)name, "uuid") == 0;
    uuid->depth++;
}

static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < DOMAIN_UUID_CHARS; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

        if (hyphen ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    struct domain_uuid *uuid = ctx;

    (void)name;
    (void)prefix;
    (void)uri;
    if (uuid->inside) {
        uuid->text[uuid->nr_chars] = '\0';
        settle(uuid, uuid->nr_chars == DOMAIN_UUID_CHARS && is_uuid(uuid->text)
                         ? DOMAIN_UUID_FOUND
                         : DOMAIN_UUID_REFUSED);
    }
    uuid->inside = 0;
    uuid->depth--;
}

static void on_text(void *ctx, const xmlChar *text, int text_bytes)
{
    struct domain_uuid *uuid = ctx;

    for (int i = 0; uuid->inside && i < text_bytes; i++) {
        if (isspace(text[i]))
            continue;
        if (uuid->nr_chars == DOMAIN_UUID_CHARS) {
            settle(uuid, DOMAIN_UUID_REFUSED);
            return;
        }
        uuid->text[uuid->nr_chars++] = (char)tolower(text[i]);
    }
}

static void on_error(void *ctx, xmlErrorPtr error)
{
    (void)ctx;
    (void)error; /* the parser's return tells */
}

void domain_uuid_init(struct domain_uuid *uuid)
{
    /* No handler knows entities, so that none is ever replaced. */
    static xmlSAXHandler handlers = {
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = on_document_type,
        .startElementNs = on_begin,
        .endElementNs = on_end,
        .characters = on_text,
        .cdataBlock = on_text,
        .serror = on_error,
    };

    *uuid = (struct domain_uuid){.state = DOMAIN_UUID_REFUSED};
    uuid->parser = xmlCreatePushParserCtxt(&handlers, uuid, NULL, 0, NULL);
    if (!uuid->parser)
        return;
    (void)xmlCtxtUseOptions(uuid->parser, XML_PARSE_NONET | XML_PARSE_COMPACT);
    uuid->state = DOMAIN_UUID_WANTED;
}

void domain_uuid_release(struct domain_uuid *uuid)
{
    xmlParserCtxtPtr parser = uuid->parser;

    if (!parser)
        return;
    xmlFreeDoc(parser->myDoc);
    parser->myDoc = NULL;
    xmlFreeParserCtxt(parser);
    uuid->parser = NULL;
}

enum domain_uuid_state domain_uuid_feed(struct domain_uuid *uuid, const char *xml, size_t xml_bytes)
{
    if (uuid->state != DOMAIN_UUID_WANTED)
        return uuid->state;
    if (xml_bytes > DOMAIN_XML_MAX_BYTES - uuid->nr_bytes) {
        settle(uuid, DOMAIN_UUID_REFUSED);
        return uuid->state;
    }
    uuid->nr_bytes += xml_bytes;
    if (xmlParseChunk(uuid->parser, xml, (int)xml_bytes, 0) != 0)
        settle(uuid, DOMAIN_UUID_REFUSED);
    return uuid->state;
}

enum domain_uuid_state domain_uuid_read(struct domain_uuid *uuid, int fd, int64_t deadline_ms)
{
    char piece[16384];

    while (uuid->state == DOMAIN_UUID_WANTED && uuid->nr_bytes < DOMAIN_XML_MAX_BYTES &&
           deadline_wait(fd, POLLIN, deadline_ms)) {
        size_t room = DOMAIN_XML_MAX_BYTES - uuid->nr_bytes;
        ssize_t got = read(fd, piece, room < sizeof piece ? room : sizeof piece);

        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            break;
        (void)domain_uuid_feed(uuid, piece, (size_t)got);
    }
    return uuid->state;
}
