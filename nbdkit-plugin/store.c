#include "store.h"

#include "carrier/describe.h"
#include "catalog/json.h"

#include <string.h>

static void catalog_releasep(struct bf_catalog *catalog)
{
    bf_catalog_release(catalog);
}

static bool is_chosen(const struct bf_config *config, const char *bitmap)
{
    for (size_t i = 0; i < config->nr_bitmaps; i++) {
        if (strcmp(config->bitmaps[i], bitmap) == 0)
            return true;
    }
    return config->nr_bitmaps == 0;
}

/* Append a copy of @disk with the chosen bitmaps. */
static int add_chosen(struct bf_catalog *catalog, const struct bf_config *config,
                      const struct bf_catalog_disk *disk, struct bf_error *err)
{
    struct bf_catalog_disk *copy;
    int ret = bf_catalog_add_disk(catalog, disk->name, disk->virtual_size_bytes, &copy, err);

    if (ret < 0)
        return ret;
    if (disk->note && !(copy->note = strdup(disk->note)))
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the catalog");
    for (size_t i = 0; i < disk->nr_bitmaps; i++) {
        if (is_chosen(config, disk->bitmaps[i].name) &&
            (ret = bf_catalog_add_bitmap(copy, &disk->bitmaps[i], err)) < 0)
            return ret;
    }
    return 0;
}

/* Open @file and make it the next disk of the store. */
static int open_file(struct bf_store *store, const struct bf_config *config,
                     const struct bf_served_file *file, struct bf_error *err)
{
    BF_CLEANUP(catalog_releasep) struct bf_catalog all = {0};
    struct bf_reader **reader = &store->readers[store->nr_readers];
    int ret;

    if ((ret = bf_reader_open_path(file->path, 0, reader, err)) < 0)
        return ret;
    store->nr_readers++;
    if ((ret = bf_describe_image(*reader, file->disk, false, NULL, &all, err)) < 0)
        return ret;
    return add_chosen(&store->catalog, config, &all.disks[0], err);
}

static int check_all_found(const struct bf_store *store, const struct bf_config *config,
                           struct bf_error *err)
{
    for (size_t i = 0; i < config->nr_bitmaps; i++) {
        bool found = false;
        for (size_t d = 0; d < store->catalog.nr_disks && !found; d++)
            found = bf_catalog_find_bitmap(&store->catalog.disks[d], config->bitmaps[i]) != NULL;
        if (!found)
            return bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                                "bitmap=%s: none of the images has a bitmap of this name",
                                config->bitmaps[i]);
    }
    return 0;
}

int bf_store_open(struct bf_store *store, const struct bf_config *config, struct bf_error *err)
{
    int ret;

    *store = (struct bf_store){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (config->nr_files + config->nr_late == 0)
        return bf_error_set(err, BF_E_USAGE,
                            "nothing to serve: give image=FILE, carrier=FILE or dir=FOLDER");
    store->readers = calloc(config->nr_files + 1, sizeof(*store->readers));
    if (!store->readers)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the catalog");
    for (size_t i = 0; i < config->nr_files; i++) {
        if ((ret = open_file(store, config, &config->files[i], err)) < 0)
            return ret;
    }
    return check_all_found(store, config, err);
}

void bf_store_release(struct bf_store *store)
{
    for (size_t i = 0; i < store->nr_readers; i++)
        bf_reader_free(store->readers[i]);
    free(store->readers);
    free(store->index);
    bf_catalog_release(&store->catalog);
    *store = (struct bf_store){.lock = PTHREAD_MUTEX_INITIALIZER};
}

const struct bf_catalog_disk *bf_store_disk(const struct bf_store *store, struct bf_served which)
{
    return &store->catalog.disks[which.disk];
}

const struct bf_catalog_bitmap *bf_store_bitmap(const struct bf_store *store,
                                                struct bf_served which)
{
    return &store->catalog.disks[which.disk].bitmaps[which.bitmap];
}

int bf_store_find_disk(const struct bf_store *store, const char *disk, struct bf_served *ret_which,
                       struct bf_error *err)
{
    const struct bf_catalog_disk *found = bf_catalog_find_disk(&store->catalog, disk);

    if (!found)
        return bf_error_set(err, BF_E_NOT_FOUND,
                            "no disk '%s' is served here: `nbdinfo --list` shows what is", disk);
    *ret_which = (struct bf_served){.disk = (size_t)(found - store->catalog.disks)};
    return 0;
}

int bf_store_find(const struct bf_store *store, const char *disk, const char *bitmap,
                  struct bf_served *ret_which, struct bf_error *err)
{
    const struct bf_catalog_disk *found = bf_catalog_find_disk(&store->catalog, disk);
    const struct bf_catalog_bitmap *entry = found ? bf_catalog_find_bitmap(found, bitmap) : NULL;

    if (!entry)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                            "no bitmap '%s' of a disk '%s' is served here: `nbdinfo --list` shows "
                            "what is",
                            bitmap, disk);
    ret_which->disk = (size_t)(found - store->catalog.disks);
    ret_which->bitmap = (size_t)(entry - found->bitmaps);
    return 0;
}

int bf_store_check_unchanged(const struct bf_store *store, struct bf_served which,
                             struct bf_error *err)
{
    return bf_reader_check_unchanged(store->readers[which.disk], err);
}

int bf_store_bits(const struct bf_store *store, struct bf_served which, struct bf_bits *ret_bits,
                  struct bf_error *err)
{
    const struct bf_catalog_bitmap *bitmap = bf_store_bitmap(store, which);
    struct bf_reader *reader = store->readers[which.disk];
    uint32_t index;
    int ret;

    if (!bitmap->consistent)
        return bf_error_set(err, BF_E_BITMAP_INCONSISTENT,
                            "bitmap '%s' of disk '%s' is inconsistent and must not be used: %s",
                            bitmap->name, bf_store_disk(store, which)->name,
                            bitmap->problem ? bitmap->problem : "the image says so");
    if ((ret = bf_reader_check_unchanged(reader, err)) < 0 ||
        (ret = bf_reader_find(reader, bitmap->name, &index, err)) < 0)
        return ret;
    return bf_reader_bits(reader, index, ret_bits, err);
}

/* With the lock held. */
static int summarize(struct bf_store *store, struct bf_served which, struct bf_error *err)
{
    struct bf_catalog_bitmap *bitmap = &store->catalog.disks[which.disk].bitmaps[which.bitmap];
    struct bf_bits bits;
    int ret = bf_store_bits(store, which, &bits, err);

    if (ret < 0 || bitmap->has_summary)
        return ret;
    if ((ret = bf_bits_summarize(&bits, NULL, &bitmap->summary, err)) < 0 ||
        (ret = bf_store_check_unchanged(store, which, err)) < 0)
        return ret;
    bitmap->has_summary = true;
    return 0;
}

int bf_store_summary(struct bf_store *store, struct bf_served which, struct bf_summary *ret_summary,
                     struct bf_error *err)
{
    int ret;

    pthread_mutex_lock(&store->lock);
    ret = summarize(store, which, err);
    if (ret == 0)
        *ret_summary = bf_store_bitmap(store, which)->summary;
    pthread_mutex_unlock(&store->lock);
    return ret;
}

/* With the lock held: every summary that can be had, and no image changed. */
static int summarize_all(struct bf_store *store, struct bf_error *err)
{
    struct bf_served which;
    int ret;

    for (which.disk = 0; which.disk < store->catalog.nr_disks; which.disk++) {
        const struct bf_catalog_disk *disk = bf_store_disk(store, which);
        if ((ret = bf_reader_check_unchanged(store->readers[which.disk], err)) < 0)
            return ret;
        for (which.bitmap = 0; which.bitmap < disk->nr_bitmaps; which.bitmap++) {
            if (disk->bitmaps[which.bitmap].consistent && (ret = summarize(store, which, err)) < 0)
                return ret;
        }
    }
    return 0;
}

static int make_index(struct bf_store *store, struct bf_error *err)
{
    int ret = summarize_all(store, err);

    if (ret == 0 && !store->index)
        ret = bf_catalog_format(&store->catalog, &store->index, &store->nr_index_bytes, err);
    if (ret < 0)
        return ret;
    if (store->nr_index_bytes > BF_CATALOG_JSON_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT,
                            "the index of all bitmaps is longer than the %d MiB that a client "
                            "takes: serve fewer images, or choose bitmaps with bitmap=",
                            BF_CATALOG_JSON_MAX_BYTES >> 20);
    return 0;
}

int bf_store_index(struct bf_store *store, const char **ret_text, size_t *ret_nr_bytes,
                   struct bf_error *err)
{
    int ret;

    pthread_mutex_lock(&store->lock);
    ret = make_index(store, err);
    *ret_text = store->index;
    *ret_nr_bytes = store->nr_index_bytes;
    pthread_mutex_unlock(&store->lock);
    return ret;
}
