#include "handoff/names.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_names[BF_NR_TEMPORARY_KINDS] = {
    "snapshot", "delta",  "tracker", "native", "united", "repair",
    "loaded",   "ldelta", "kept",    "held",   "left",   "twin"};

const char *bf_temporary_name_encode(const struct bf_temporary_name *name,
                                     char buf[BF_TEMPORARY_NAME_MAX + 1])
{
    char id[2 * BF_MOVE_ID_BYTES + 1];

    bf_hex_encode(name->move_id, BF_MOVE_ID_BYTES, id);
    (void)snprintf(buf, BF_TEMPORARY_NAME_MAX + 1, BF_TEMPORARY_PREFIX "%s.%u.%s.%u", id,
                   (unsigned)name->epoch, kind_names[name->kind], (unsigned)name->index);
    return buf;
}

static bool kind_parse(const char *text, enum bf_temporary_kind *ret_kind)
{
    for (unsigned kind = 0; kind < BF_NR_TEMPORARY_KINDS; kind++) {
        if (strcmp(text, kind_names[kind]) == 0) {
            *ret_kind = (enum bf_temporary_kind)kind;
            return true;
        }
    }
    return false;
}

bool bf_temporary_name_decode(const char *text, struct bf_temporary_name *ret_name)
{
    char again[BF_TEMPORARY_NAME_MAX + 1];
    char id[2 * BF_MOVE_ID_BYTES + 1];
    char kind[9];
    unsigned epoch;
    unsigned index;

    if (strlen(text) > BF_TEMPORARY_NAME_MAX ||
        sscanf(text, BF_TEMPORARY_PREFIX "%32[0-9a-f].%10u.%8[a-z].%10u", id, &epoch, kind,
               &index) != 4 ||
        !bf_hex_decode(id, BF_MOVE_ID_BYTES, ret_name->move_id) ||
        !kind_parse(kind, &ret_name->kind))
        return false;
    ret_name->epoch = epoch;
    ret_name->index = index;
    /* the scan is lax about signs, zeroes in front and what follows: only the canonical form counts
     */
    return strcmp(bf_temporary_name_encode(ret_name, again), text) == 0;
}

bool bf_temporary_name_reserved(const char *text)
{
    return strncmp(text, BF_TEMPORARY_PREFIX, strlen(BF_TEMPORARY_PREFIX)) == 0;
}
