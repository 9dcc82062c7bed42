#include "reader_private.h"

#include "base/math.h"
#include "base/name.h"

#include <inttypes.h>
#include <string.h>

/* The raw directory while it is taken apart. */
struct cursor {
    const uint8_t *bytes;
    uint64_t nr_bytes;
    uint64_t at;
};

#define KNOWN_FLAGS                                                                                \
    ((uint32_t)(BF_QCOW2_ENTRY_IN_USE | BF_QCOW2_ENTRY_AUTO | BF_QCOW2_ENTRY_EXTRA_COMPATIBLE))

static int check_fields(const struct bf_qcow2_entry *entry, struct bf_error *err)
{
    if (entry->flags & ~KNOWN_FLAGS)
        return bf_error_set(err, BF_E_QCOW2_FEATURE,
                            "unknown flags 0x%" PRIx32 " in a bitmap's directory entry",
                            entry->flags & ~KNOWN_FLAGS);
    if (entry->type != BF_QCOW2_BITMAP_TYPE_DIRTY)
        return bf_error_set(err, BF_E_QCOW2_FEATURE,
                            "unknown bitmap type %u; only dirty bitmaps (type 1) are known",
                            entry->type);
    if (entry->granularity_bits < BF_QCOW2_GRANULARITY_BITS_MIN ||
        entry->granularity_bits > BF_QCOW2_GRANULARITY_BITS_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "a granularity of 2^%u bytes; 2^9 to 2^31 are possible",
                            entry->granularity_bits);
    if (entry->name_bytes < 1 || entry->name_bytes > BF_BITMAP_NAME_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "a bitmap name of %u bytes; 1 to 1023 are possible", entry->name_bytes);
    return 0;
}

static int check_tail(const struct bf_qcow2_entry *entry, const uint8_t *name, struct bf_error *err)
{
    const uint8_t *end = name + entry->name_bytes;
    uint64_t nr_padding =
        bf_qcow2_entry_bytes(entry) - BF_QCOW2_ENTRY_BYTES - entry->extra_bytes - entry->name_bytes;

    if (memchr(name, 0, entry->name_bytes))
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "a bitmap name with a NUL byte in it");
    for (uint64_t i = 0; i < nr_padding; i++) {
        if (end[i] != 0)
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "the padding behind a bitmap name is not zero");
    }
    return 0;
}

/* The entry at the cursor, and where its name is.  The cursor moves behind it. */
static int next_entry(struct cursor *cursor, struct bf_qcow2_entry *ret_entry,
                      const uint8_t **ret_name, struct bf_error *err)
{
    uint64_t left = cursor->nr_bytes - cursor->at;
    int r;

    if (left < BF_QCOW2_ENTRY_BYTES)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "the directory ends too early");
    bf_qcow2_entry_decode(cursor->bytes + cursor->at, ret_entry);
    if (bf_qcow2_entry_bytes(ret_entry) > left)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "the entry, %" PRIu64 " bytes, goes past the end of the directory",
                            bf_qcow2_entry_bytes(ret_entry));
    *ret_name = cursor->bytes + cursor->at + BF_QCOW2_ENTRY_BYTES + ret_entry->extra_bytes;
    r = check_fields(ret_entry, err);
    if (r == 0)
        r = check_tail(ret_entry, *ret_name, err);
    if (r == 0)
        cursor->at += bf_qcow2_entry_bytes(ret_entry);
    return r;
}

static const char *why_unusable(const struct bf_reader *reader, const struct bf_qcow2_entry *entry)
{
    if (entry->flags & BF_QCOW2_ENTRY_IN_USE)
        return "in use: the image was not closed cleanly, or a running VM has it open";
    if (entry->extra_bytes > 0 && !(entry->flags & BF_QCOW2_ENTRY_EXTRA_COMPATIBLE))
        return "it has extra data that bitferry does not know and must not ignore";
    if (reader->image.corrupt)
        return "the image is marked as corrupt: see `qemu-img check`";
    return NULL;
}

/* The table of a bitmap that is in use may be older than the size of the disk. */
static int check_table_size(const struct bf_reader_bitmap *bitmap, struct bf_error *err)
{
    struct bf_geometry geometry = bf_reader_geometry(bitmap);
    uint64_t cluster_bytes = bitmap->reader->image.cluster_size_bytes;
    uint64_t wanted;
    int r = bf_geometry_check(&geometry, err);

    if (r < 0 || (bitmap->entry.flags & BF_QCOW2_ENTRY_IN_USE))
        return r;
    wanted = bf_div_round_up_u64(bf_geometry_packed_bytes(&geometry), cluster_bytes);
    if (bitmap->entry.nr_table_entries != wanted)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "a bitmap table of %" PRIu32 " entries; %" PRIu64
                            " are needed for a disk of %" PRIu64 " bytes",
                            bitmap->entry.nr_table_entries, wanted, geometry.disk_size_bytes);
    return 0;
}

/* Names move to the front of the directory's own memory: a name and its NUL never need more room
 * than the entry that it came from, so what is still to be read stays. */
static int take_entries(struct bf_reader *reader, struct cursor *cursor, char *names,
                        struct bf_error *err)
{
    for (uint32_t i = 0; i < reader->image.nr_bitmaps; i++) {
        struct bf_reader_bitmap *bitmap = &reader->bitmaps[i];
        uint64_t at = cursor->at;
        const uint8_t *name = NULL;
        int r;

        bitmap->reader = reader;
        r = next_entry(cursor, &bitmap->entry, &name, err);
        if (r == 0) {
            memmove(names, name, bitmap->entry.name_bytes);
            names[bitmap->entry.name_bytes] = '\0';
            bitmap->name = names;
            names += bitmap->entry.name_bytes + 1;
            bitmap->unusable = why_unusable(reader, &bitmap->entry);
            r = check_table_size(bitmap, err);
        }
        if (r < 0 && err)
            return bf_error_prefix(
                err, "bitmap directory, entry %" PRIu32 " of %" PRIu32 " at byte %" PRIu64, i + 1,
                reader->image.nr_bitmaps, reader->extension.directory_offset + at);
        if (r < 0)
            return r;
    }
    if (cursor->at != cursor->nr_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "bitmap directory: %" PRIu64 " bytes behind its last entry",
                            cursor->nr_bytes - cursor->at);
    return 0;
}

static int compare_names(const void *a, const void *b, void *bitmaps)
{
    const struct bf_reader_bitmap *list = bitmaps;

    return strcmp(list[*(const uint32_t *)a].name, list[*(const uint32_t *)b].name);
}

static int sort_names(struct bf_reader *reader, struct bf_error *err)
{
    uint32_t nr = reader->image.nr_bitmaps;

    for (uint32_t i = 0; i < nr; i++)
        reader->by_name[i] = i;
    qsort_r(reader->by_name, nr, sizeof *reader->by_name, compare_names, reader->bitmaps);
    for (uint32_t i = 1; i < nr; i++) {
        const char *name = reader->bitmaps[reader->by_name[i]].name;

        if (strcmp(name, reader->bitmaps[reader->by_name[i - 1]].name) == 0)
            return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                                "bitmap directory: two bitmaps with the name \"%.255s\"", name);
    }
    return 0;
}

int bf_reader_load_directory(struct bf_reader *reader, struct bf_error *err)
{
    const struct bf_qcow2_bitmaps *extension = &reader->extension;
    uint32_t nr = reader->image.nr_bitmaps;
    struct cursor cursor = {.nr_bytes = extension->directory_bytes};
    int r;

    if (nr == 0)
        return 0;
    if (extension->directory_offset > reader->blob->size_bytes ||
        extension->directory_bytes > reader->blob->size_bytes - extension->directory_offset)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "bitmap directory, %" PRIu64 " bytes at byte %" PRIu64
                            ", lies past the end of the file (%" PRIu64 " bytes)",
                            extension->directory_bytes, extension->directory_offset,
                            reader->blob->size_bytes);
    reader->names = malloc(extension->directory_bytes + 1);
    reader->bitmaps = calloc(nr, sizeof *reader->bitmaps);
    reader->by_name = calloc(nr, sizeof *reader->by_name);
    if (!reader->names || !reader->bitmaps || !reader->by_name)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmap directory");
    r = bf_blob_read(reader->blob, extension->directory_offset, reader->names,
                     extension->directory_bytes, "bitmap directory", err);
    if (r < 0)
        return r;
    cursor.bytes = (const uint8_t *)reader->names;
    r = take_entries(reader, &cursor, reader->names, err);
    if (r < 0)
        return r;
    return sort_names(reader, err);
}
