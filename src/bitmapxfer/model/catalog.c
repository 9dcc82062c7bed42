#include "model/catalog.h"

#include "base/math.h"
#include "base/name.h"
#include "base/text.h"

#include <search.h>
#include <string.h>

/* What the search trees hold: names stay where they are when the arrays move. */
struct name_entry {
    const char *name;
    size_t index;
};

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct name_entry *)a)->name, ((const struct name_entry *)b)->name);
}

static const struct name_entry *find_entry(void *const *tree, const char *name)
{
    const struct name_entry key = {.name = name};
    struct name_entry *const *found = tfind(&key, tree, compare_entries);

    return found ? *found : NULL;
}

static int add_entry(void **tree, const char *name, size_t index, struct bf_error *err)
{
    struct name_entry *entry = malloc(sizeof *entry);

    if (!entry)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a catalog");
    *entry = (struct name_entry){.name = name, .index = index};
    if (!tsearch(entry, tree, compare_entries)) {
        free(entry);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a catalog");
    }
    return 0;
}

/* Make room for one more in the array *@array of @nr_used.  Its capacity is always the power of two
 * from @nr_used up, so it need not be kept. */
static int grow(void *array, size_t nr_used, size_t item_bytes, struct bf_error *err)
{
    void *grown;

    if (nr_used != 0 && !bf_is_power_of_two_u64(nr_used))
        return 0;
    grown = reallocarray(*(void **)array, nr_used == 0 ? 1 : nr_used * 2, item_bytes);
    if (!grown)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a catalog");
    *(void **)array = grown;
    return 0;
}

static void bitmap_release(struct bf_catalog_bitmap *bitmap)
{
    free(bitmap->name);
    free(bitmap->problem);
}

static void disk_release(struct bf_catalog_disk *disk)
{
    tdestroy(disk->by_name, free);
    for (size_t i = 0; i < disk->nr_bitmaps; i++)
        bitmap_release(&disk->bitmaps[i]);
    free(disk->bitmaps);
    free(disk->name);
    free(disk->note);
}

void bf_catalog_release(struct bf_catalog *catalog)
{
    tdestroy(catalog->by_name, free);
    for (size_t i = 0; i < catalog->nr_disks; i++)
        disk_release(&catalog->disks[i]);
    free(catalog->disks);
    *catalog = (struct bf_catalog){0};
}

static int check_disk_name(const char *name, struct bf_error *err)
{
    size_t length = strlen(name);

    if (length == 0 || length > BF_DISK_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "a disk name has 1 to %d bytes, this one has %zu",
                            BF_DISK_NAME_MAX, length);
    if (!bf_utf8_valid(name, length))
        return bf_error_set(err, BF_E_INVALID, "disk name '%s' is not UTF-8", name);
    for (const char *at = name; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f || *at == '/')
            return bf_error_set(err, BF_E_INVALID,
                                "disk name '%s' has a control character or a slash", name);
    }
    return 0;
}

int bf_catalog_add_disk(struct bf_catalog *catalog, const char *name, uint64_t virtual_size_bytes,
                        struct bf_catalog_disk **ret_disk, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *copy = NULL;
    struct bf_catalog_disk *disk;
    int r = check_disk_name(name, err);

    if (r < 0)
        return r;
    if (find_entry(&catalog->by_name, name))
        return bf_error_set(err, BF_E_EXISTS, "there are two disks named '%s'", name);
    copy = strdup(name);
    if (!copy)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a catalog");
    r = grow(&catalog->disks, catalog->nr_disks, sizeof *catalog->disks, err);
    if (r >= 0)
        r = add_entry(&catalog->by_name, copy, catalog->nr_disks, err);
    if (r < 0)
        return r;
    disk = &catalog->disks[catalog->nr_disks++];
    *disk = (struct bf_catalog_disk){.name = bf_steal_ptr(&copy),
                                     .virtual_size_bytes = virtual_size_bytes};
    if (ret_disk)
        *ret_disk = disk;
    return 0;
}

static int check_bitmap(const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                        struct bf_error *err)
{
    struct bf_geometry geometry = bf_catalog_geometry(disk, bitmap);
    size_t length = strlen(bitmap->name);
    int r;

    if (length == 0 || length > BF_BITMAP_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "a bitmap name has 1 to %d bytes, this one has %zu",
                            BF_BITMAP_NAME_MAX, length);
    r = bf_geometry_check(&geometry, err);
    if (r < 0)
        return r;
    if ((bitmap->has_summary || bitmap->counted) &&
        (!bitmap->consistent || bitmap->summary.nr_dirty_bits > bf_geometry_nr_bits(&geometry)))
        return bf_error_set(err, BF_E_INVALID,
                            "bitmap '%.200s' of disk '%s' has an impossible count", bitmap->name,
                            disk->name);
    if (find_entry(&disk->by_name, bitmap->name))
        return bf_error_set(err, BF_E_EXISTS, "disk '%s' has two bitmaps named '%.200s'",
                            disk->name, bitmap->name);
    return 0;
}

static int copy_bitmap(const struct bf_catalog_bitmap *bitmap, struct bf_catalog_bitmap *ret_copy,
                       struct bf_error *err)
{
    struct bf_catalog_bitmap copy = *bitmap;

    copy.name = strdup(bitmap->name);
    copy.problem = bitmap->problem ? strdup(bitmap->problem) : NULL;
    if (!copy.name || (bitmap->problem && !copy.problem)) {
        bitmap_release(&copy);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a catalog");
    }
    *ret_copy = copy;
    return 0;
}

int bf_catalog_add_bitmap(struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                          struct bf_error *err)
{
    struct bf_catalog_bitmap copy;
    int r = check_bitmap(disk, bitmap, err);

    if (r >= 0)
        r = grow(&disk->bitmaps, disk->nr_bitmaps, sizeof *disk->bitmaps, err);
    if (r >= 0)
        r = copy_bitmap(bitmap, &copy, err);
    if (r < 0)
        return r;
    r = add_entry(&disk->by_name, copy.name, disk->nr_bitmaps, err);
    if (r < 0) {
        bitmap_release(&copy);
        return r;
    }
    disk->bitmaps[disk->nr_bitmaps++] = copy;
    return 0;
}

const struct bf_catalog_disk *bf_catalog_find_disk(const struct bf_catalog *catalog,
                                                   const char *name)
{
    const struct name_entry *entry = find_entry(&catalog->by_name, name);

    return entry ? &catalog->disks[entry->index] : NULL;
}

const struct bf_catalog_bitmap *bf_catalog_find_bitmap(const struct bf_catalog_disk *disk,
                                                       const char *name)
{
    const struct name_entry *entry = find_entry(&disk->by_name, name);

    return entry ? &disk->bitmaps[entry->index] : NULL;
}

struct bf_geometry bf_catalog_geometry(const struct bf_catalog_disk *disk,
                                       const struct bf_catalog_bitmap *bitmap)
{
    return (struct bf_geometry){
        .disk_size_bytes = disk->virtual_size_bytes,
        .granularity_bytes = bitmap->granularity_bytes,
    };
}
