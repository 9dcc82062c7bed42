#include "field.h"

#include "base/text.h"
#include "model/geometry.h"
#include "model/summary.h"

#include <stdbool.h>
#include <string.h>

static bool is_plain_text(const char *bytes, size_t nr_bytes)
{
    for (size_t i = 0; i < nr_bytes; i++) {
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f)
            return false;
    }
    return bf_utf8_valid(bytes, nr_bytes);
}

static int compare_names(const void *left, const void *right)
{
    const ProtobufCBinaryData *a = *(const ProtobufCBinaryData *const *)left;
    const ProtobufCBinaryData *b = *(const ProtobufCBinaryData *const *)right;

    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->data, b->data, a->len);
}

int bf_rpc_check_id(const ProtobufCBinaryData *id, const char *what, struct bf_error *err)
{
    if (id->len != BF_RPC_ID_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "%s has %zu bytes instead of %d", what, id->len,
                            BF_RPC_ID_BYTES);
    return 0;
}

int bf_rpc_check_name(const ProtobufCBinaryData *name, size_t max_bytes, const char *what,
                      struct bf_error *err)
{
    if (name->len == 0 || name->len > max_bytes)
        return bf_error_set(err, BF_E_PROTOCOL, "%s has %zu bytes instead of 1 to %zu", what,
                            name->len, max_bytes);
    if (memchr(name->data, '\0', name->len))
        return bf_error_set(err, BF_E_PROTOCOL, "%s has a NUL in it", what);
    return 0;
}

int bf_rpc_check_text_name(const ProtobufCBinaryData *name, size_t max_bytes, const char *what,
                           struct bf_error *err)
{
    int r = bf_rpc_check_name(name, max_bytes, what, err);

    if (r == 0 && !is_plain_text((const char *)name->data, name->len))
        return bf_error_set(err, BF_E_PROTOCOL, "%s is not plain UTF-8", what);
    return r;
}

int bf_rpc_check_text(const char *text, size_t max_bytes, const char *what, struct bf_error *err)
{
    size_t nr_bytes = strlen(text);

    if (nr_bytes == 0 || nr_bytes > max_bytes)
        return bf_error_set(err, BF_E_PROTOCOL, "%s has %zu bytes instead of 1 to %zu", what,
                            nr_bytes, max_bytes);
    if (!is_plain_text(text, nr_bytes))
        return bf_error_set(err, BF_E_PROTOCOL, "%s is not plain UTF-8", what);
    return 0;
}

int bf_rpc_check_reason(const Bitferry__Reason *reason, struct bf_error *err)
{
    static const char upper_snake[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t code_bytes = strlen(reason->code);

    if (code_bytes == 0 || code_bytes > BF_RPC_REASON_CODE_MAX_BYTES ||
        strspn(reason->code, upper_snake) != code_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the code of the reason is not 1 to %d bytes of UPPER_SNAKE",
                            BF_RPC_REASON_CODE_MAX_BYTES);
    return bf_rpc_check_text(reason->text, BF_RPC_REASON_TEXT_MAX_BYTES, "the text of the reason",
                             err);
}

int bf_rpc_check_host(const ProtobufCBinaryData *host, struct bf_error *err)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-_";

    if (host->len > BF_RPC_HOST_MAX_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "the host has %zu bytes, %d are allowed", host->len,
                            BF_RPC_HOST_MAX_BYTES);
    for (size_t i = 0; i < host->len; i++) {
        if (!memchr(allowed, host->data[i], sizeof allowed - 1))
            return bf_error_set(err, BF_E_PROTOCOL, "the host is neither a name nor an address");
    }
    return 0;
}

int bf_rpc_check_disk_size(uint64_t disk_size_bytes, struct bf_error *err)
{
    if (disk_size_bytes > INT64_MAX)
        return bf_error_set(err, BF_E_PROTOCOL, "the disk is larger than any disk");
    return 0;
}

int bf_rpc_check_geometry(uint64_t disk_size_bytes, uint64_t granularity_bytes,
                          struct bf_error *err)
{
    struct bf_geometry geometry = {disk_size_bytes, granularity_bytes};
    struct bf_error why = BF_ERROR_INIT;
    int r = bf_rpc_check_disk_size(disk_size_bytes, err);

    if (r == 0 && bf_geometry_check(&geometry, &why) < 0)
        return bf_error_set(err, BF_E_PROTOCOL, "%s", why.text);
    return r;
}

int bf_rpc_check_sha256(const ProtobufCBinaryData *sha256, struct bf_error *err)
{
    if (sha256->len != BF_SHA256_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "the SHA-256 has %zu bytes", sha256->len);
    return 0;
}

int bf_rpc_check_count(size_t nr, size_t max, const char *what, struct bf_error *err)
{
    if (nr > max)
        return bf_error_set(err, BF_E_PROTOCOL, "it has %zu %s, %zu are allowed", nr, what, max);
    return 0;
}

int bf_rpc_check_index(uint32_t index, uint32_t max, uint32_t *next, struct bf_error *err)
{
    if (index >= max || index < *next)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the index %u is out of range, out of order or there twice", index);
    *next = index + 1;
    return 0;
}

int bf_rpc_check_unique(const ProtobufCBinaryData **names, size_t nr_names, const char *what,
                        struct bf_error *err)
{
    qsort(names, nr_names, sizeof *names, compare_names);
    for (size_t i = 1; i < nr_names; i++) {
        if (compare_names(&names[i - 1], &names[i]) == 0)
            return bf_error_set(err, BF_E_PROTOCOL, "%s '%.*s' is there twice", what,
                                (int)names[i]->len, (const char *)names[i]->data);
    }
    return 0;
}
