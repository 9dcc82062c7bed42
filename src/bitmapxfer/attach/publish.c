#include "publish.h"

#include "base/fail_point.h"
#include "base/math.h"
#include "base/text.h"
#include "change_plan.h"
#include "journal.h"
#include "staged_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

struct publisher {
    struct bf_stage *stage;
    int overlay_fd;
    struct bf_change_plan *plan;
    uint8_t *new_bytes; /* BF_CHANGE_MAX_BYTES each */
    uint8_t *old_bytes;
};

static const char *image_name(const struct publisher *publisher)
{
    return publisher->stage->folder->image_path;
}

static int write_all(const struct publisher *publisher, uint64_t offset_bytes, const uint8_t *bytes,
                     uint64_t nr_bytes, struct bf_error *err)
{
    while (nr_bytes > 0) {
        ssize_t put = pwrite(publisher->stage->image.fd, bytes, nr_bytes, (off_t)offset_bytes);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return bf_error_set_errno(err, errno, "cannot write to %s", image_name(publisher));
        bytes += put;
        offset_bytes += (uint64_t)put;
        nr_bytes -= (uint64_t)put;
    }
    return 0;
}

static int make_durable(const struct publisher *publisher, struct bf_error *err)
{
    if (fdatasync(publisher->stage->image.fd) < 0)
        return bf_error_set_errno(err, errno, "cannot write %s to the disk", image_name(publisher));
    return 0;
}

/* Write a change as QEMU staged it. */
static int write_new(struct publisher *publisher, const struct bf_change *change,
                     struct bf_error *err)
{
    int r = bf_staged_read_new(publisher->overlay_fd, &change->where, 0, publisher->new_bytes,
                               change->where.length_bytes, err);

    return r < 0 ? r
                 : write_all(publisher, change->where.image_offset_bytes, publisher->new_bytes,
                             change->where.length_bytes, err);
}

/* Write refcounts so that nothing that the old or the new state needs counts as free. */
static int write_larger(struct publisher *publisher, const struct bf_change *change,
                        struct bf_error *err)
{
    const struct bf_staged_extent *where = &change->where;
    int r = bf_staged_read_new(publisher->overlay_fd, where, 0, publisher->new_bytes,
                               where->length_bytes, err);

    if (r == 0)
        r = bf_staged_read_old(publisher->stage, where->image_offset_bytes, publisher->old_bytes,
                               where->length_bytes, err);
    if (r < 0)
        return r;
    bf_refcounts_max(publisher->plan->refcount_bits, publisher->new_bytes, publisher->old_bytes,
                     publisher->new_bytes, where->length_bytes);
    return write_all(publisher, where->image_offset_bytes, publisher->new_bytes,
                     where->length_bytes, err);
}

static int write_kind(struct publisher *publisher, enum bf_change_kind kind,
                      int (*write)(struct publisher *, const struct bf_change *, struct bf_error *),
                      struct bf_error *err)
{
    for (size_t i = 0; i < publisher->plan->nr_changes; i++) {
        const struct bf_change *change = &publisher->plan->changes[i];
        int r = change->kind == kind ? write(publisher, change, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int no_room(const struct publisher *publisher, int errnum, struct bf_error *err)
{
    uint64_t needed_bytes = 0;
    char text[BF_SIZE_TEXT_MAX];

    for (size_t i = 0; i < publisher->plan->nr_changes; i++) {
        if (publisher->plan->changes[i].kind == BF_CHANGE_FREE)
            needed_bytes += publisher->plan->changes[i].where.length_bytes;
    }
    return bf_error_set_errno(err, errnum, "no room in %s for the %s that the bitmaps need",
                              image_name(publisher), bf_size_text(needed_bytes, text));
}

/* Give the file the clusters that are to be written, and its length.  Returns 0 or an errno. */
static int allocate(const struct publisher *publisher)
{
    const struct bf_change_plan *plan = publisher->plan;
    const struct bf_image_file *image = &publisher->stage->image;
    uint64_t end_bytes =
        bf_div_round_up_u64(plan->file_end_bytes, plan->cluster_bytes) * plan->cluster_bytes;

    for (size_t i = 0; i < plan->nr_changes; i++) {
        const struct bf_staged_extent *where = &plan->changes[i].where;

        if (plan->changes[i].kind == BF_CHANGE_FREE &&
            fallocate(image->fd, 0, (off_t)where->image_offset_bytes, (off_t)where->length_bytes) <
                0 &&
            errno != EOPNOTSUPP)
            return errno;
    }
    if (end_bytes > image->file_bytes && ftruncate(image->fd, (off_t)end_bytes) < 0)
        return errno;
    return 0;
}

/* Make sure that there is room for every cluster to be written, before anything is. */
static int reserve_space(const struct publisher *publisher, struct bf_error *err)
{
    const struct bf_image_file *image = &publisher->stage->image;
    int errnum;

    if (image->block_device)
        return publisher->plan->file_end_bytes > image->file_bytes ? no_room(publisher, ENOSPC, err)
                                                                   : 0;
    errnum = allocate(publisher);
    if (errnum == 0)
        return 0;
    if (ftruncate(image->fd, (off_t)image->file_bytes) < 0)
        return bf_error_set_errno(err, errno, "cannot give back the space of %s",
                                  image_name(publisher));
    return no_room(publisher, errnum, err);
}

static int write_before_switch(struct publisher *publisher, struct bf_error *err)
{
    int r = write_kind(publisher, BF_CHANGE_FREE, write_new, err);

    bf_fail_point("publish.clusters");
    if (r == 0)
        r = write_kind(publisher, BF_CHANGE_REFCOUNT_TABLE, write_new, err);
    if (r == 0)
        r = write_kind(publisher, BF_CHANGE_REFCOUNTS, write_larger, err);
    bf_fail_point("publish.refcounts");
    return r < 0 ? r : make_durable(publisher, err);
}

static int write_switch_and_after(struct publisher *publisher, struct bf_error *err)
{
    int r = write_kind(publisher, BF_CHANGE_HEADER, write_new, err);

    if (r == 0)
        r = make_durable(publisher, err);
    bf_fail_point("publish.header");
    if (r == 0)
        r = write_kind(publisher, BF_CHANGE_REFCOUNTS, write_new, err);
    return r < 0 ? r : make_durable(publisher, err);
}

static int publish_plan(struct publisher *publisher, struct bf_error *err)
{
    struct bf_work_folder *folder = publisher->stage->folder;
    int r = reserve_space(publisher, err);

    if (r == 0)
        r = bf_journal_write(publisher->stage, publisher->overlay_fd, publisher->plan, err);
    if (r < 0)
        return r;
    bf_fail_point("publish.marked");
    r = write_before_switch(publisher, err);
    if (r == 0)
        r = write_switch_and_after(publisher, err);
    if (r < 0)
        return bf_error_prefix(err,
                               "the image may hold unused clusters now; the next run frees them");
    return bf_work_folder_unmark(folder, err);
}

int bf_publish(struct bf_stage *stage, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int overlay_fd = open(stage->overlay_path, O_RDONLY | O_CLOEXEC);
    BF_CLEANUP(bf_freep) struct bf_staged_extent *extents = NULL;
    BF_CLEANUP(bf_change_plan_freep) struct bf_change_plan *plan = NULL;
    BF_CLEANUP(bf_freep) uint8_t *new_bytes = malloc(BF_CHANGE_MAX_BYTES);
    BF_CLEANUP(bf_freep) uint8_t *old_bytes = malloc(BF_CHANGE_MAX_BYTES);
    struct publisher publisher = {stage, overlay_fd, NULL, new_bytes, old_bytes};
    size_t nr_extents = 0;
    int r;

    if (overlay_fd < 0)
        return bf_error_set_errno(err, errno, "cannot open %s", stage->overlay_path);
    if (!new_bytes || !old_bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    r = bf_stage_extents(stage, &extents, &nr_extents, err);
    if (r == 0)
        r = bf_change_plan_new(stage, overlay_fd, extents, nr_extents, &plan, err);
    if (r < 0 || plan->nr_changes == 0)
        return r;
    publisher.plan = plan;
    return publish_plan(&publisher, err);
}
