#include "since.h"

#include "base/name.h"
#include "carrier/writer.h"
#include "model/transform.h"
#include "output.h"
#include "subject.h"
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bf_since {
    const struct bf_since_request *request; /* while it is opened */
    char *folder;
    char **files;
    size_t nr_files;
    struct bf_subject subject;
    size_t checkpoint;
};

const char *bf_since_folder(const struct bf_since *since)
{
    return since->folder;
}

void bf_since_free(struct bf_since *since)
{
    for (size_t i = 0; i < since->nr_files; i++) {
        (void)unlink(since->files[i]);
        free(since->files[i]);
    }
    free(since->files);
    if (since->folder)
        (void)rmdir(since->folder);
    free(since->folder);
    bf_subject_release(&since->subject);
    free(since);
}

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

/* --- the union --- */

struct part {
    struct bf_target *target;
    struct bf_resize resize;
    struct bf_regrain regrain;
};

struct join {
    struct part *parts;
    struct bf_bits *sources;
    size_t nr_parts;
    struct bf_union whole;
    struct bf_bits bits;
};

static void release_join(struct join *join)
{
    for (size_t i = 0; i < join->nr_parts; i++)
        bf_target_free(join->parts[i].target);
    free(join->parts);
    free(join->sources);
}

/* In an archive layers are disks of their own; an image is alone in its file. */
static int open_part(const struct bf_since *since, const struct bf_subject_disk *disk,
                     const struct bf_coverage_part *from, struct part *part,
                     struct bf_bits *ret_bits, struct bf_error *err)
{
    struct bf_target_options options = {.args = since->request->args};
    char name[BF_DISK_NAME_MAX + 1];
    const char *there = name;
    int ret = bf_layer_name_encode(disk->name, (unsigned)from->layer, name, err);

    if (ret == 0)
        ret = bf_target_open(disk->images[from->layer].file, &options, &part->target, err);
    if (ret < 0)
        return ret;
    if (bf_target_kind(part->target) == BF_TARGET_IMAGE)
        there = bf_target_catalog(part->target)->disks[0].name;
    ret = bf_target_bits(part->target, there, from->bitmap->name, ret_bits, err);
    if (ret < 0)
        bf_target_free(part->target);
    return ret;
}

static uint64_t finest(const struct bf_coverage *coverage)
{
    uint64_t granularity_bytes = coverage->parts[0].bitmap->granularity_bytes;

    for (size_t i = 1; i < coverage->nr_parts; i++) {
        if (coverage->parts[i].bitmap->granularity_bytes < granularity_bytes)
            granularity_bytes = coverage->parts[i].bitmap->granularity_bytes;
    }
    return granularity_bytes;
}

/* Everything in the size of the top image and the finest granularity, which loses nothing. */
static int add_part(const struct bf_since *since, const struct bf_subject_disk *disk,
                    const struct bf_coverage *coverage, size_t index, struct join *join,
                    struct bf_error *err)
{
    struct part *part = &join->parts[join->nr_parts];
    struct bf_bits *bits = &join->sources[join->nr_parts];
    int ret = open_part(since, disk, &coverage->parts[index], part, bits, err);

    if (ret < 0)
        return ret;
    join->nr_parts++;
    ret = bf_resize_init(&part->resize, bits, disk->layers.disks[0].virtual_size_bytes, bits, err);
    return ret < 0 ? ret : bf_regrain_init(&part->regrain, bits, finest(coverage), bits, err);
}

static int make_union(const struct bf_since *since, const struct bf_subject_disk *disk,
                      const struct bf_coverage *coverage, struct join *join, struct bf_error *err)
{
    int ret = 0;

    join->parts = calloc(coverage->nr_parts, sizeof *join->parts);
    join->sources = calloc(coverage->nr_parts, sizeof *join->sources);
    if (!join->parts || !join->sources)
        return no_memory(err);
    for (size_t i = 0; ret == 0 && i < coverage->nr_parts; i++)
        ret = add_part(since, disk, coverage, i, join, err);
    return ret < 0 ? ret
                   : bf_union_init(&join->whole, join->sources, join->nr_parts, &join->bits, err);
}

static int write_carrier(struct bf_since *since, const struct bf_subject_disk *disk,
                         const struct join *join, struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    struct bf_bitmap_spec spec = {.name = since->request->checkpoint,
                                  .granularity_bytes = join->bits.geometry.granularity_bytes};
    char *path = NULL;
    int ret;

    if (asprintf(&path, "%s/%s.carrier.qcow2", since->folder, disk->name) < 0)
        return no_memory(err);
    since->files[since->nr_files++] = path;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", path);
    ret = bf_writer_new(fd, path, join->bits.geometry.disk_size_bytes, &writer, err);
    if (ret == 0)
        ret = bf_writer_add(writer, &spec, &join->bits, NULL, NULL, err);
    return ret < 0 ? ret : bf_writer_finish(writer, err);
}

/* --- disk by disk --- */

static int refuse(const struct bf_since *since, const struct bf_subject_disk *disk,
                  const struct bf_coverage *coverage, struct bf_error *why)
{
    bool named = coverage->checkpoint != BF_NO_CHECKPOINT &&
                 strcmp(since->subject.checkpoints.items[coverage->checkpoint].name,
                        since->request->checkpoint) != 0;

    bf_error_clear(why);
    (void)bf_error_set(
        why, BF_E_COVERAGE_MISSING,
        "disk '%.255s' is not covered since checkpoint '%.255s': %s (%s%s%.255s)%s; its next "
        "backup is a full one",
        disk->name, since->request->checkpoint, bf_coverage_reason_text(coverage->reason),
        bf_coverage_reason_name(coverage->reason), named ? ", checkpoint " : "",
        named ? since->subject.checkpoints.items[coverage->checkpoint].name : "",
        coverage->reason == BF_COVERAGE_BITMAP_FROZEN &&
                since->subject.origin == BF_SUBJECT_BY_NAMES
            ? "; of a chain of links, tell which checkpoints there are with --checkpoints"
            : "");
    bf_note(since->request->args, "%s", why->text);
    return 0;
}

static int make_disk(struct bf_since *since, const struct bf_subject_disk *disk,
                     struct bf_error *why, struct bf_error *err)
{
    struct bf_coverage_disk covered = bf_subject_coverage_disk(disk);
    BF_CLEANUP(bf_coverage_release) struct bf_coverage coverage = {.nr_parts = 0};
    BF_CLEANUP(release_join) struct join join = {.nr_parts = 0};
    int ret =
        bf_coverage_since(&since->subject.checkpoints, since->checkpoint, &covered, &coverage, err);

    if (ret < 0)
        return ret;
    if (coverage.reason != BF_COVERAGE_NONE)
        return refuse(since, disk, &coverage, why);
    ret = make_union(since, disk, &coverage, &join, err);
    return ret < 0 ? ret : write_carrier(since, disk, &join, err);
}

static int make_all(struct bf_since *since, struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int ret = 0;

    since->files = calloc(since->subject.nr_disks + 1, sizeof(char *));
    if (!since->files)
        return no_memory(err);
    for (size_t i = 0; ret == 0 && i < since->subject.nr_disks; i++)
        ret = make_disk(since, &since->subject.disks[i], &why, err);
    if (ret == 0 && since->nr_files == 0)
        ret = bf_error_set(err, BF_E_COVERAGE_MISSING, "%s",
                           why.code == BF_E_NONE ? "there is no disk" : why.text);
    return ret;
}

static int find_checkpoint(struct bf_since *since, struct bf_error *err)
{
    since->checkpoint =
        bf_checkpoints_find(&since->subject.checkpoints, since->request->checkpoint);
    if (since->checkpoint != BF_NO_CHECKPOINT)
        return 0;
    return bf_error_set(err, BF_E_NOT_FOUND, "there is no checkpoint '%.255s'%s",
                        since->request->checkpoint,
                        since->subject.origin == BF_SUBJECT_BY_NAMES
                            ? ": no bitmap has that name ('bitferry inspect' lists them)"
                            : "");
}

static int make_folder(struct bf_since *since, struct bf_error *err)
{
    const char *parent = getenv("TMPDIR");

    if (asprintf(&since->folder, "%s/bitferry-since.XXXXXX", parent ? parent : "/tmp") < 0) {
        since->folder = NULL;
        return no_memory(err);
    }
    if (mkdtemp(since->folder))
        return 0;
    free(since->folder);
    since->folder = NULL;
    return bf_error_set_errno(err, errno, "cannot make a folder in %s", parent ? parent : "/tmp");
}

int bf_since_open(const struct bf_since_request *request, struct bf_since **ret_since,
                  struct bf_error *err)
{
    BF_CLEANUP(bf_since_freep) struct bf_since *since = calloc(1, sizeof *since);
    struct bf_subject_request looks = {.args = request->args, .checkpoints = request->checkpoints};
    int ret;

    if (!since)
        return no_memory(err);
    since->request = request;
    ret = bf_subject_open(&looks, &since->subject, err);
    if (ret == 0)
        ret = find_checkpoint(since, err);
    if (ret == 0)
        ret = make_folder(since, err);
    if (ret == 0)
        ret = make_all(since, err);
    if (ret < 0)
        return ret;
    since->request = NULL;
    *ret_since = bf_steal_ptr(&since);
    return 0;
}
