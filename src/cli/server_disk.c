#include "server_disk.h"

#include "base/math.h"
#include "base/name.h"
#include "interruptible_pull.h"
#include "model/stretches.h"
#include "progress.h"
#include "target_source.h"

#include <inttypes.h>
#include <string.h>

/* The export's stretches on their way into a carrier, one copy after the other. */
struct intake {
    const struct bf_arguments *args;
    const struct bf_catalog_disk *disk;
    struct bf_writer *writer;
    struct bf_stretches stretches;
    struct bf_target_copy *copies;
    const struct bf_stretch **parts; /* parts[i] is the stretch of copies[i] */
    struct bf_nbd_range *ranges;     /* of all parts; neighbours joined */
    size_t nr_copies, nr_ranges;
    struct bf_meter meter;
    bool begun;
    size_t at;           /* the copy that is being written */
    uint64_t left_bytes; /* of its bits */
    uint64_t skip_bytes; /* before them, in the range that it shares with the copy before */
};

static const struct bf_catalog_bitmap *bitmap_of(const struct intake *intake, size_t i)
{
    return &intake->disk->bitmaps[intake->parts[i]->bitmap];
}

static uint64_t end_of(const struct bf_stretch *stretch)
{
    return stretch->offset_bytes + stretch->nr_bytes;
}

/* Are the two so close that they are read as one? */
static bool are_neighbours(const struct bf_stretch *before, const struct bf_stretch *after)
{
    return after->offset_bytes - end_of(before) < BF_STRETCH_ALIGN_BYTES;
}

static int begin_copy(struct intake *intake, struct bf_error *err)
{
    const struct bf_stretch *part = intake->parts[intake->at];
    const struct bf_stretch *before = intake->at > 0 ? intake->parts[intake->at - 1] : NULL;

    intake->left_bytes = part->nr_bytes;
    intake->skip_bytes =
        before && are_neighbours(before, part) ? part->offset_bytes - end_of(before) : 0;
    bf_meter_begin_bitmap(&intake->meter, intake->args, "pulling", intake->disk->name,
                          intake->copies[intake->at].bitmap);
    return bf_writer_begin(intake->writer, &intake->copies[intake->at].spec, err);
}

/* End the copies that have all their bits, and begin the next. */
static int go_on(struct intake *intake, struct bf_error *err)
{
    int ret = 0;

    while (ret == 0 && intake->at < intake->nr_copies && intake->left_bytes == 0) {
        bf_meter_end(&intake->meter);
        ret = bf_target_copy_end(intake->disk, bitmap_of(intake, intake->at), intake->writer,
                                 &intake->copies[intake->at], err);
        intake->at++;
        if (ret == 0 && intake->at < intake->nr_copies)
            ret = begin_copy(intake, err);
    }
    return ret;
}

static int begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    struct intake *intake = ctx;
    int ret;

    intake->begun = true;
    if (size_bytes != intake->stretches.size_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the export has %" PRIu64 " bytes where the index promises %" PRIu64,
                            size_bytes, intake->stretches.size_bytes);
    ret = begin_copy(intake, err);
    return ret == 0 ? go_on(intake, err) : ret;
}

/* @bytes NULL: a hole. */
static int take_part(struct intake *intake, const uint8_t *bytes, uint64_t nr_bytes,
                     struct bf_error *err)
{
    uint64_t total_bytes = intake->parts[intake->at]->nr_bytes;
    int ret = bytes ? bf_writer_append(intake->writer, bytes, nr_bytes, err)
                    : bf_writer_append_clean(intake->writer, nr_bytes, err);

    if (ret < 0)
        return ret;
    intake->left_bytes -= nr_bytes;
    ret = bf_meter_update(&intake->meter, total_bytes - intake->left_bytes, total_bytes, err);
    return ret == 0 ? go_on(intake, err) : ret;
}

static int take(struct intake *intake, const uint8_t *bytes, uint64_t nr_bytes,
                struct bf_error *err)
{
    int ret = 0;

    while (ret == 0 && nr_bytes > 0) {
        bool skip = intake->skip_bytes > 0;
        uint64_t nr = bf_min_u64(nr_bytes, skip ? intake->skip_bytes : intake->left_bytes);

        if (intake->at == intake->nr_copies)
            return bf_error_set(err, BF_E_PROTOCOL, "more bytes came than were asked for");
        if (skip)
            intake->skip_bytes -= nr;
        else
            ret = take_part(intake, bytes, nr, err);
        bytes = bytes ? bytes + nr : NULL;
        nr_bytes -= nr;
    }
    return ret;
}

static int take_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    return take(ctx, bytes, nr_bytes, err);
}

static int take_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    return take(ctx, NULL, nr_bytes, err);
}

static void add_range(struct intake *intake, const struct bf_stretch *before,
                      const struct bf_stretch *part)
{
    struct bf_nbd_range *last = &intake->ranges[intake->nr_ranges];

    if (part->nr_bytes == 0)
        return;
    if (before && intake->nr_ranges > 0 && are_neighbours(before, part))
        last[-1].nr_bytes = end_of(part) - last[-1].offset_bytes;
    else
        intake->ranges[intake->nr_ranges++] =
            (struct bf_nbd_range){part->offset_bytes, part->nr_bytes};
}

/* Find the stretch of every copy; false if they are not in the catalog's order. */
static bool find_parts(struct intake *intake)
{
    size_t from = 0;

    for (size_t i = 0; i < intake->nr_copies; i++) {
        const struct bf_catalog_bitmap *bitmap =
            bf_catalog_find_bitmap(intake->disk, intake->copies[i].bitmap);

        while (from < intake->stretches.nr_items &&
               &intake->disk->bitmaps[intake->stretches.items[from].bitmap] != bitmap)
            from++;
        if (from == intake->stretches.nr_items)
            return false;
        intake->parts[i] = &intake->stretches.items[from++];
        add_range(intake, i > 0 ? intake->parts[i - 1] : NULL, intake->parts[i]);
    }
    return true;
}

static int pull(const struct bf_nbd_endpoint *endpoint, struct intake *intake, bool *ret_done,
                struct bf_error *err)
{
    const struct bf_nbd_sink sink = {begin, take_data, take_hole, intake};
    const struct bf_nbd_ranges ranges = {intake->ranges, intake->nr_ranges};
    struct bf_error why = BF_ERROR_INIT;
    char export_name[BF_EXPORT_NAME_MAX + 1];
    int ret = bf_export_name_encode(intake->disk->name, "", BF_VIEW_DISK, export_name, err);

    if (ret < 0)
        return ret;
    ret = bf_interruptible_pull(endpoint, export_name, &ranges, &sink, &why);
    if (intake->begun)
        bf_meter_end(&intake->meter);
    *ret_done = intake->begun || why.code != BF_E_NOT_FOUND;
    return *ret_done && ret < 0 ? bf_error_set(err, why.code, "%s", why.text) : 0;
}

int bf_server_disk_append(const struct bf_nbd_endpoint *endpoint, const struct bf_arguments *args,
                          const struct bf_catalog_disk *disk, struct bf_writer *writer,
                          struct bf_target_copy *copies, size_t nr_copies, bool *ret_done,
                          struct bf_error *err)
{
    struct intake intake = {
        .args = args, .disk = disk, .writer = writer, .copies = copies, .nr_copies = nr_copies};
    int ret = bf_stretches_init(&intake.stretches, disk, err);

    *ret_done = false;
    if (ret < 0)
        return ret;
    intake.parts = calloc(nr_copies, sizeof *intake.parts);
    intake.ranges = calloc(nr_copies, sizeof *intake.ranges);
    if (!intake.parts || !intake.ranges)
        ret = bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    else if (find_parts(&intake))
        ret = pull(endpoint, &intake, ret_done, err);
    free(intake.parts);
    free(intake.ranges);
    bf_stretches_release(&intake.stretches);
    return ret;
}
