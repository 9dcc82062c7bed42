#include "uri.h"

#include "base/cleanup.h"
#include "base/name.h"
#include "base/text.h"
#include "nbd/endpoint.h"

#include <stdint.h>
#include <string.h>

/* The length of "nbd", "nbds", "nbd+unix" and the like before "://", or 0. */
static size_t scheme_length(const char *text)
{
    size_t nr = strcspn(text, ":/?#");

    if (strncmp(text, "nbd", 3) != 0 || strncmp(text + nr, "://", 3) != 0)
        return 0;
    if (nr == 3 || (nr == 4 && text[3] == 's'))
        return nr;
    return text[text[3] == 's' ? 4 : 3] == '+' ? nr : 0;
}

bool bf_nbd_is_uri(const char *text)
{
    return scheme_length(text) > 0;
}

int bf_nbd_uri_parse(const char *uri, struct bf_nbd_uri *ret_parts, struct bf_error *err)
{
    size_t nr_scheme = scheme_length(uri);
    const char *transport;
    const char *authority;

    if (nr_scheme == 0)
        return bf_error_set(
            err, BF_E_USAGE,
            "'%s' is not an NBD URI; write nbd://HOST:PORT/EXPORT, nbds:// with TLS, "
            "or nbd+unix:///EXPORT?socket=PATH",
            uri);
    ret_parts->tls = uri[3] == 's';
    transport = uri + 3 + ret_parts->tls;
    ret_parts->tcp = *transport == ':';
    ret_parts->unix_socket = strncmp(transport, "+unix:", 6) == 0;
    authority = uri + nr_scheme + strlen("://");
    ret_parts->path = authority + strcspn(authority, "/?#");
    ret_parts->nr_path_bytes = strcspn(ret_parts->path, "?#");
    ret_parts->rest = ret_parts->path + ret_parts->nr_path_bytes;
    return 0;
}

bool bf_nbd_uri_has_parameter(const struct bf_nbd_uri *parts, const char *prefix)
{
    const char *at = parts->rest;

    while (*at == '?' || *at == '&' || *at == ';') {
        at++;
        if (strncmp(at, prefix, strlen(prefix)) == 0)
            return true;
        at += strcspn(at, "&;#");
    }
    return false;
}

/* Decode @nr_bytes of @from into @to, which has room for as many.  SIZE_MAX: a bad escape. */
static size_t percent_decode(const char *from, size_t nr_bytes, char *to)
{
    size_t nr = 0;

    for (size_t i = 0; i < nr_bytes; i++) {
        uint8_t byte = (uint8_t)from[i];
        if (from[i] == '%') {
            char digits[3] = "";
            memcpy(digits, from + i + 1, nr_bytes - i > 2 ? 2 : 0);
            if (!bf_hex_decode(digits, 1, &byte) || byte == 0)
                return SIZE_MAX;
            i += 2;
        }
        to[nr++] = (char)byte;
    }
    return nr;
}

int bf_nbd_uri_export(const char *uri, char **ret_name, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = NULL;
    struct bf_nbd_uri parts;
    const char *encoded;
    size_t nr_encoded;
    size_t nr_name;
    int r = bf_nbd_uri_parse(uri, &parts, err);

    if (r < 0)
        return r;
    /* The name is what follows the one '/' that ends the authority; more slashes belong to it. */
    encoded = parts.path + (parts.nr_path_bytes > 0);
    nr_encoded = parts.nr_path_bytes - (parts.nr_path_bytes > 0);
    name = calloc(1, nr_encoded + 1);
    if (!name)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the export name of '%s'", uri);
    nr_name = percent_decode(encoded, nr_encoded, name);
    if (nr_name == SIZE_MAX)
        return bf_error_set(err, BF_E_USAGE,
                            "the export name in '%s' has a '%%' without two hexadecimal digits "
                            "(not 00) behind it; write '%%25' for the character itself",
                            uri);
    if (nr_name > BF_EXPORT_NAME_MAX)
        return bf_error_set(err, BF_E_USAGE, "the export name in the URI has more than %d bytes",
                            BF_EXPORT_NAME_MAX);
    *ret_name = bf_steal_ptr(&name);
    return 0;
}

/* RFC 3986 "unreserved", and the '/' that may stand in a path. */
static bool goes_unencoded(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c));
}

/* @to has room for three times the name; returns its new end. */
static char *percent_encode(const char *name, char *to)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *name; name++) {
        uint8_t byte = (uint8_t)*name;
        if (goes_unencoded(*name)) {
            *to++ = *name;
        } else {
            *to++ = '%';
            *to++ = digits[byte >> 4];
            *to++ = digits[byte & 15];
        }
    }
    return to;
}

int bf_nbd_uri_with_export(const char *uri, const char *export_name, char **ret_uri,
                           struct bf_error *err)
{
    struct bf_nbd_uri parts;
    size_t nr_before;
    char *made;
    char *at;
    int r = bf_nbd_uri_parse(uri, &parts, err);

    if (r < 0)
        return r;
    if (strlen(export_name) > BF_EXPORT_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "an export name has at most %d bytes, not %zu",
                            BF_EXPORT_NAME_MAX, strlen(export_name));
    nr_before = (size_t)(parts.path - uri);
    made = malloc(nr_before + 1 + 3 * strlen(export_name) + strlen(parts.rest) + 1);
    if (!made)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the URI of export '%s'",
                            export_name);
    memcpy(made, uri, nr_before);
    at = made + nr_before;
    *at++ = '/';
    at = percent_encode(export_name, at);
    strcpy(at, parts.rest);
    *ret_uri = made;
    return 0;
}
