#include "psk.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

static int refuse(const char *path, unsigned line_nr, const char *why, struct bf_error *err)
{
    return bf_error_set(err, BF_E_INVALID,
                        "%s:%u: %s; a line is NAME:HEX, and psktool writes such files", path,
                        line_nr, why);
}

static int parse_line(const char *path, unsigned line_nr, const char *line,
                      const struct bf_psk_table *table, struct bf_psk_entry *entry,
                      struct bf_error *err)
{
    const char *colon = strchr(line, ':');
    size_t name_bytes = colon ? (size_t)(colon - line) : 0;
    size_t hex_digits = colon ? strlen(colon + 1) : 0;

    *entry = (struct bf_psk_entry){.key_bytes = hex_digits / 2};
    if (name_bytes == 0 || name_bytes > BF_PSK_NAME_MAX_BYTES)
        return refuse(path, line_nr, "the name is missing or too long", err);
    memcpy(entry->name, line, name_bytes);
    if (entry->key_bytes < BF_PSK_KEY_MIN_BYTES || entry->key_bytes > BF_PSK_KEY_MAX_BYTES)
        return refuse(path, line_nr, "the key does not have 16 to 64 bytes", err);
    if (!bf_hex_decode(colon + 1, entry->key_bytes, entry->key))
        return refuse(path, line_nr, "the key is not hexadecimal", err);
    if (bf_psk_find(table, entry->name))
        return refuse(path, line_nr, "the name is there twice", err);
    return 0;
}

static int add_line(const char *path, unsigned line_nr, const char *line,
                    struct bf_psk_table *table, struct bf_error *err)
{
    struct bf_psk_entry *entries;
    struct bf_psk_entry entry;
    int r;

    if (line[0] == '\0' || line[0] == '#')
        return 0;
    r = parse_line(path, line_nr, line, table, &entry, err);
    if (r < 0)
        return r;
    entries = realloc(table->entries, (table->nr_entries + 1) * sizeof *entries);
    if (!entries)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the keys of %s", path);
    entries[table->nr_entries++] = entry;
    table->entries = entries;
    return 0;
}

int bf_psk_parse(const char *path, const char *text, struct bf_psk_table *table,
                 struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *copy = strdup(text);
    char *rest = copy;
    const char *line;
    unsigned line_nr = 0;
    int r = 0;

    *table = (struct bf_psk_table){0};
    if (!copy)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the keys of %s", path);
    while (r == 0 && (line = strsep(&rest, "\n")) != NULL)
        r = add_line(path, ++line_nr, line, table, err);
    if (r == 0 && table->nr_entries == 0)
        r = bf_error_set(err, BF_E_INVALID, "%s holds no key; psktool makes one", path);
    explicit_bzero(copy, strlen(text));
    if (r < 0)
        bf_psk_release(table);
    return r;
}

void bf_psk_release(struct bf_psk_table *table)
{
    if (table->entries)
        explicit_bzero(table->entries, table->nr_entries * sizeof *table->entries);
    free(table->entries);
    *table = (struct bf_psk_table){0};
}

const struct bf_psk_entry *bf_psk_find(const struct bf_psk_table *table, const char *name)
{
    for (size_t i = 0; i < table->nr_entries; i++) {
        if (!name || strcmp(table->entries[i].name, name) == 0)
            return &table->entries[i];
    }
    return NULL;
}
