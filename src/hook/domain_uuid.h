/** The UUID of a domain, out of the XML that libvirt gives its hooks.
 *
 * The XML may be anything of any length.  It is parsed piece by piece without a tree; a document
 * type, and with it every entity, ends the parsing; nothing is fetched from anywhere.
 */
#ifndef HOOK_DOMAIN_UUID_H
#define HOOK_DOMAIN_UUID_H

#include <stddef.h>
#include <stdint.h>

enum {
    DOMAIN_UUID_CHARS = 36,
    DOMAIN_XML_MAX_BYTES = 1 << 20, /* read no further: the UUID stands at the beginning */
};

enum domain_uuid_state {
    DOMAIN_UUID_WANTED,  /* give more */
    DOMAIN_UUID_FOUND,   /* in text */
    DOMAIN_UUID_REFUSED, /* there is none, or no XML of a domain */
};

struct domain_uuid {
    enum domain_uuid_state state;
    char text[DOMAIN_UUID_CHARS + 1]; /* in lower case */
    size_t nr_chars;
    size_t nr_bytes; /* of XML so far */
    unsigned depth;
    int inside; /* in /domain/uuid */
    void *parser;
};

/** Release it in any case. */
void domain_uuid_init(struct domain_uuid *uuid);
void domain_uuid_release(struct domain_uuid *uuid);

enum domain_uuid_state domain_uuid_feed(struct domain_uuid *uuid, const char *xml,
                                        size_t xml_bytes);

/** Feed it from @fd, until the UUID is known or cannot be any more. */
enum domain_uuid_state domain_uuid_read(struct domain_uuid *uuid, int fd, int64_t deadline_ms);

#endif
