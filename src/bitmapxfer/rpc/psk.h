/** A file of pre-shared keys: "NAME:HEX" a line, '#' begins a comment. */
#ifndef RPC_PSK_H
#define RPC_PSK_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdint.h>

enum {
    BF_PSK_KEY_MIN_BYTES = 16,
    BF_PSK_KEY_MAX_BYTES = 64,
    BF_PSK_NAME_MAX_BYTES = 128,
    BF_PSK_FILE_MAX_BYTES = 64 << 10,
};

struct bf_psk_entry {
    char name[BF_PSK_NAME_MAX_BYTES + 1];
    uint8_t key[BF_PSK_KEY_MAX_BYTES];
    size_t key_bytes;
};

struct bf_psk_table {
    struct bf_psk_entry *entries;
    size_t nr_entries;
};

/** Errors: INVALID ("PATH:LINE: ..."), NO_MEMORY; @table is then empty. */
int bf_psk_parse(const char *path, const char *text, struct bf_psk_table *table,
                 struct bf_error *err);
void bf_psk_release(struct bf_psk_table *table);

/** NULL: there is none of that name.  A NULL name is the first's. */
const struct bf_psk_entry *bf_psk_find(const struct bf_psk_table *table, const char *name);

#endif
