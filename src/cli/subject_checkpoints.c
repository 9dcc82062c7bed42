/* Which checkpoints there are, where libvirt does not tell. */
#include "archive_files.h"
#include "catalog/checkpoints.h"
#include "handoff/names.h"
#include "subject_build.h"

#include <fcntl.h>
#include <string.h>

static int read_file(const char *file, struct bf_subject *subject, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = NULL;
    size_t nr_bytes = 0;
    int r = bf_file_read(AT_FDCWD, file, BF_CHECKPOINTS_JSON_MAX_BYTES, &text, &nr_bytes, err);

    if (r < 0)
        return r;
    bf_checkpoints_release(&subject->checkpoints);
    subject->origin = BF_SUBJECT_BY_FILE;
    if (bf_checkpoints_parse(text, nr_bytes, &subject->checkpoints, err) < 0)
        return bf_error_prefix(err, "%.300s", file);
    return 0;
}

/* No checkpoints: what a move or a libvirt job puts on a disk for the time that it takes. */
static bool is_temporary(const char *name)
{
    return bf_temporary_name_reserved(name) || strncmp(name, "libvirt-", 8) == 0;
}

static int add_name(struct bf_checkpoints *checkpoints, const char *name, const char *disk,
                    struct bf_error *err)
{
    size_t index = bf_checkpoints_find(checkpoints, name);
    struct bf_checkpoint *checkpoint =
        index == BF_NO_CHECKPOINT ? NULL : &checkpoints->items[index];
    int r = 0;

    if (!checkpoint)
        r = bf_checkpoints_add(checkpoints, name, NULL, BF_NO_TIME, &checkpoint, err);
    if (r == 0 && !bf_checkpoint_bitmap(checkpoint, disk))
        r = bf_checkpoint_add_disk(checkpoint, disk, name, err);
    return r;
}

/* QEMU's order says nothing; people number or date their checkpoints. */
static int by_name(const void *a, const void *b)
{
    return strverscmp(((const struct bf_checkpoint *)a)->name,
                      ((const struct bf_checkpoint *)b)->name);
}

/* The most that can be said: a bitmap of that name was made so that a backup can be made since. */
static int take_names(struct bf_subject *subject, struct bf_error *err)
{
    subject->checkpoints.style = BF_CHAIN_NESTED;
    for (size_t i = 0; i < subject->nr_disks; i++) {
        const struct bf_catalog *layers = &subject->disks[i].layers;

        for (size_t j = 0; j < layers->nr_disks; j++) {
            for (size_t k = 0; k < layers->disks[j].nr_bitmaps; k++) {
                const struct bf_catalog_bitmap *bitmap = &layers->disks[j].bitmaps[k];

                if (bitmap->persistent && !is_temporary(bitmap->name) &&
                    add_name(&subject->checkpoints, bitmap->name, subject->disks[i].name, err) < 0)
                    return -1;
            }
        }
    }
    if (subject->checkpoints.nr_items > 0)
        qsort(subject->checkpoints.items, subject->checkpoints.nr_items,
              sizeof *subject->checkpoints.items, by_name);
    return bf_checkpoints_settle(&subject->checkpoints, err);
}

int bf_subject_find_checkpoints(const char *file, struct bf_subject *subject, struct bf_error *err)
{
    if (file)
        return read_file(file, subject, err);
    return subject->origin == BF_SUBJECT_BY_FILE ? 0 : take_names(subject, err);
}
