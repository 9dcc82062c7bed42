/* What became of a move's checkpoints in libvirt, in its journal: who says it again after a restart
 * must know it. */
#include "base/cleanup.h"
#include "drive/ledger.h"

#include <stdlib.h>
#include <string.h>

static const char *why_of(const struct bf_move *move, size_t index)
{
    const char *why = move->definition_whys ? move->definition_whys[index] : NULL;

    return why ? why : "";
}

int bf_ledger_put_definitions(struct bf_move *move, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes = 0;
    size_t at = 0;

    for (size_t i = 0; i < move->checkpoints.nr_items; i++)
        nr_bytes += 2 + strlen(why_of(move, i));
    bytes = malloc(nr_bytes + 1);
    if (!bytes || !move->definitions)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a record of the journal");
    for (size_t i = 0; i < move->checkpoints.nr_items; i++) {
        size_t nr_why_bytes = strlen(why_of(move, i)) + 1;

        bytes[at++] = (uint8_t)move->definitions[i];
        memcpy(bytes + at, why_of(move, i), nr_why_bytes);
        at += nr_why_bytes;
    }
    return bf_move_folder_append(move->folder, BF_LEDGER_DEFINITIONS, bytes, nr_bytes, err);
}

void bf_ledger_release(struct bf_ledger *ledger)
{
    free(ledger->definitions);
    ledger->definitions = NULL;
}

int bf_ledger_tell_definitions(const struct bf_ledger *ledger, struct bf_move *move,
                               struct bf_error *err)
{
    const char *at = (const char *)ledger->definitions;
    const char *end = at ? at + ledger->nr_definition_bytes : NULL;

    for (size_t i = 0; at && i < move->checkpoints.nr_items; i++) {
        size_t left_bytes = (size_t)(end - at);
        size_t nr_why_bytes = left_bytes > 1 ? strnlen(at + 1, left_bytes - 1) : 0;

        if (nr_why_bytes + 1 >= left_bytes || (unsigned char)at[0] >= BF_NR_DEFINITIONS)
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "the journal holds fates of checkpoints that make no sense");
        bf_move_set_definition(move, i, (enum bf_definition)at[0],
                               nr_why_bytes > 0 ? at + 1 : NULL);
        at += nr_why_bytes + 2;
    }
    return 0;
}
