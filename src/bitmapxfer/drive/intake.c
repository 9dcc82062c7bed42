#include "intake.h"

#include "base/cleanup.h"
#include "base/math.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct bf_geometry geometry_of(const struct bf_fetch_item *item, uint64_t size_bytes)
{
    return (struct bf_geometry){size_bytes, item->granularity_bytes};
}

int bf_intake_open(struct bf_intake *intake, const struct bf_fetch_item *item, struct bf_error *err)
{
    struct bf_geometry exported = geometry_of(item, item->disk_size_bytes);
    struct bf_bitmap_spec spec = {.name = BF_FETCH_BITMAP,
                                  .granularity_bytes = item->granularity_bytes};
    int r;

    *intake = (struct bf_intake){.fd = -1, .total_bytes = bf_geometry_packed_bytes(&exported)};
    if (item->wanted_size_bytes < item->disk_size_bytes)
        return bf_error_set(err, BF_E_SIZE_MISMATCH, "the disk is smaller here");
    (void)unlink(item->path);
    intake->fd = open(item->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (intake->fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", item->path);
    r = bf_writer_new(intake->fd, item->path, item->wanted_size_bytes, &intake->writer, err);
    if (r == 0)
        r = bf_writer_begin(intake->writer, &spec, err);
    if (r < 0 || item->wanted_size_bytes == item->disk_size_bytes)
        return r; /* the writer sums up the same bits */
    return bf_summarizer_new(&intake->summarizer, err);
}

/* All but the last word goes to the writer as it is. */
int bf_intake_feed(struct bf_intake *intake, const uint8_t *bytes, uint64_t nr_bytes,
                   struct bf_error *err)
{
    uint64_t body = intake->total_bytes - BF_INTAKE_WORD_BYTES;
    uint64_t at = intake->done_bytes;
    uint64_t now = at < body ? bf_min_u64(nr_bytes, body - at) : 0;

    intake->done_bytes += nr_bytes;
    if (!bytes) {
        if (intake->summarizer)
            bf_summarizer_feed_clean(intake->summarizer, nr_bytes);
        return now > 0 ? bf_writer_append_clean(intake->writer, now, err) : 0;
    }
    if (intake->summarizer)
        bf_summarizer_feed(intake->summarizer, bytes, nr_bytes);
    if (nr_bytes > now)
        memcpy(intake->last + (at + now - body), bytes + now, nr_bytes - now);
    return now > 0 ? bf_writer_append(intake->writer, bytes, now, err) : 0;
}

/* Where the disk is larger here: bits of the granule in which the old disk ends, and of all behind
 * it, are dirty. */
static int write_end(struct bf_intake *intake, const struct bf_fetch_item *item,
                     struct bf_error *err)
{
    struct bf_geometry wanted = geometry_of(item, item->wanted_size_bytes);
    uint64_t first_new = item->disk_size_bytes / item->granularity_bytes;
    uint64_t word_first = (intake->total_bytes - BF_INTAKE_WORD_BYTES) * 8;
    uint64_t word_end = intake->total_bytes * 8;
    uint64_t more = bf_geometry_packed_bytes(&wanted) - intake->total_bytes;
    int r;

    if (item->wanted_size_bytes > item->disk_size_bytes) {
        for (uint64_t bit = first_new; bit < word_end; bit++)
            intake->last[(bit - word_first) / 8] |= (uint8_t)(1U << (bit % 8));
    }
    r = bf_writer_append(intake->writer, intake->last, BF_INTAKE_WORD_BYTES, err);
    if (r == 0 && more > 0)
        r = bf_writer_append_dirty(intake->writer, more, err);
    return r;
}

static int check(const struct bf_fetch_item *item, const struct bf_summary *arrived,
                 struct bf_error *err)
{
    if (bf_summary_equal(arrived, &item->announced))
        return 0;
    return bf_error_set(err, BF_E_DIGEST_MISMATCH,
                        "count or digest of '%s' are not what was announced", item->export_name);
}

int bf_intake_finish(struct bf_intake *intake, struct bf_fetch_item *item, struct bf_error *err)
{
    struct bf_summary arrived;
    int r;

    if (intake->summarizer)
        bf_summarizer_finish(intake->summarizer, &arrived);
    r = write_end(intake, item, err);
    if (r == 0)
        r = bf_writer_end(intake->writer, &item->written, err);
    if (r == 0)
        r = check(item, intake->summarizer ? &arrived : &item->written, err);
    return r < 0 ? r : bf_writer_finish(intake->writer, err);
}

void bf_intake_release(struct bf_intake *intake)
{
    if (intake->writer)
        bf_writer_free(intake->writer);
    if (intake->summarizer)
        bf_summarizer_free(intake->summarizer);
    if (intake->fd >= 0)
        (void)close(intake->fd);
    intake->writer = NULL;
    intake->summarizer = NULL;
    intake->fd = -1;
}
