#include "directory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    const struct bf_directory_entry *left = a;
    const struct bf_directory_entry *right = b;

    return strcmp(left->name, right->name);
}

static void leave_to_list(void *entry)
{
    (void)entry;
}

static uint64_t stored_bytes(const struct bf_directory_entry *entry)
{
    struct bf_qcow2_entry stored = {.name_bytes = (uint16_t)strlen(entry->name)};

    return bf_qcow2_entry_bytes(&stored);
}

static struct bf_directory_entry *new_entry(const char *name, const struct bf_geometry *geometry,
                                            bool recording)
{
    size_t name_size = strlen(name) + 1;
    struct bf_directory_entry *entry = calloc(1, sizeof *entry + name_size);

    if (!entry)
        return NULL;
    entry->geometry = *geometry;
    entry->recording = recording;
    memcpy(entry->name, name, name_size);
    return entry;
}

static int check_limits(const struct bf_directory *directory,
                        const struct bf_directory_entry *entry, struct bf_error *err)
{
    if (directory->nr_bitmaps == BF_QCOW2_BITMAPS_MAX)
        return bf_error_set(err, BF_E_LIMIT,
                            "a carrier holds at most %d bitmaps: use a second one for the rest",
                            BF_QCOW2_BITMAPS_MAX);
    if (stored_bytes(entry) > BF_QCOW2_DIRECTORY_MAX_BYTES - directory->nr_bytes)
        return bf_error_set(err, BF_E_LIMIT,
                            "the names of %u bitmaps fill the directory of a carrier: use a second "
                            "one for the rest",
                            directory->nr_bitmaps);
    return 0;
}

static void append(struct bf_directory *directory, struct bf_directory_entry *entry)
{
    if (directory->last)
        directory->last->next = entry;
    else
        directory->first = entry;
    directory->last = entry;
    directory->nr_bytes += stored_bytes(entry);
    directory->nr_bitmaps++;
}

void bf_directory_release(struct bf_directory *directory)
{
    tdestroy(directory->names, leave_to_list);
    while (directory->first) {
        struct bf_directory_entry *entry = directory->first;

        directory->first = entry->next;
        free(entry);
    }
    *directory = (struct bf_directory){0};
}

int bf_directory_add(struct bf_directory *directory, const char *name,
                     const struct bf_geometry *geometry, bool recording,
                     struct bf_directory_entry **ret_entry, struct bf_error *err)
{
    BF_CLEANUP(bf_freep)
    struct bf_directory_entry *entry = new_entry(name, geometry, recording);
    struct bf_directory_entry **found;
    int r;

    if (!entry)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the directory of a carrier");
    r = check_limits(directory, entry, err);
    if (r < 0)
        return r;
    found = tsearch(entry, &directory->names, compare_names);
    if (!found)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the directory of a carrier");
    if (*found != entry)
        return bf_error_set(err, BF_E_EXISTS, "the carrier has a bitmap '%.255s' already", name);
    append(directory, entry);
    *ret_entry = bf_steal_ptr(&entry);
    return 0;
}
