#include "staged_blob.h"

#include "base/math.h"

#include <errno.h>
#include <string.h>

struct staged_blob {
    struct bf_blob blob;
    const struct bf_stage *stage;
    int overlay_fd;
    const struct bf_staged_extent *extents;
    size_t nr_extents;
};

static int read_zero_past_end(int fd, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                              const char *path, struct bf_error *err)
{
    while (nr_bytes > 0) {
        ssize_t got = pread(fd, buf, nr_bytes, (off_t)offset_bytes);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return bf_error_set_errno(err, errno, "cannot read %s", path);
        if (got == 0) {
            memset(buf, 0, nr_bytes);
            return 0;
        }
        buf += got;
        offset_bytes += (uint64_t)got;
        nr_bytes -= (uint64_t)got;
    }
    return 0;
}

int bf_staged_read_new(int overlay_fd, const struct bf_staged_extent *extent, uint64_t skip_bytes,
                       uint8_t *buf, uint64_t nr_bytes, struct bf_error *err)
{
    if (extent->zero) {
        memset(buf, 0, nr_bytes);
        return 0;
    }
    return read_zero_past_end(overlay_fd, extent->overlay_offset_bytes + skip_bytes, buf, nr_bytes,
                              "the staged image", err);
}

int bf_staged_read_old(const struct bf_stage *stage, uint64_t offset_bytes, uint8_t *buf,
                       uint64_t nr_bytes, struct bf_error *err)
{
    return read_zero_past_end(stage->image.fd, offset_bytes, buf, nr_bytes,
                              stage->folder->image_path, err);
}

/* The first extent that ends behind @offset_bytes, or NULL. */
static const struct bf_staged_extent *find_extent(const struct staged_blob *staged,
                                                  uint64_t offset_bytes)
{
    size_t low = 0;
    size_t high = staged->nr_extents;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct bf_staged_extent *extent = &staged->extents[middle];

        if (extent->image_offset_bytes + extent->length_bytes <= offset_bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low < staged->nr_extents ? &staged->extents[low] : NULL;
}

static int read_staged(struct bf_blob *blob, uint64_t offset_bytes, void *buf, uint64_t nr_bytes,
                       struct bf_error *err)
{
    const struct staged_blob *staged = (const struct staged_blob *)blob;
    uint8_t *to = buf;
    int r = 0;

    while (r == 0 && nr_bytes > 0) {
        const struct bf_staged_extent *extent = find_extent(staged, offset_bytes);
        uint64_t part_bytes = nr_bytes;

        if (extent && extent->image_offset_bytes <= offset_bytes) {
            uint64_t skip_bytes = offset_bytes - extent->image_offset_bytes;

            part_bytes = bf_min_u64(nr_bytes, extent->length_bytes - skip_bytes);
            r = bf_staged_read_new(staged->overlay_fd, extent, skip_bytes, to, part_bytes, err);
        } else {
            if (extent)
                part_bytes = bf_min_u64(nr_bytes, extent->image_offset_bytes - offset_bytes);
            r = bf_staged_read_old(staged->stage, offset_bytes, to, part_bytes, err);
        }
        to += part_bytes;
        offset_bytes += part_bytes;
        nr_bytes -= part_bytes;
    }
    return r;
}

static int check_unchanged(struct bf_blob *blob, struct bf_error *err)
{
    (void)blob; /* the image is locked, the overlay is ours */
    (void)err;
    return 0;
}

static void free_staged(struct bf_blob *blob)
{
    free(blob);
}

int bf_staged_blob_new(const struct bf_stage *stage, int overlay_fd,
                       const struct bf_staged_extent *extents, size_t nr_extents,
                       struct bf_blob **ret_blob, struct bf_error *err)
{
    static const struct bf_blob_ops ops = {
        .read = read_staged,
        .check_unchanged = check_unchanged,
        .free = free_staged,
    };
    struct staged_blob *staged = calloc(1, sizeof *staged);
    uint64_t end_bytes = stage->image.file_bytes;

    if (!staged)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    if (nr_extents > 0)
        end_bytes = bf_max_u64(end_bytes, extents[nr_extents - 1].image_offset_bytes +
                                              extents[nr_extents - 1].length_bytes);
    *staged = (struct staged_blob){
        .blob = {.ops = &ops, .size_bytes = end_bytes, .name = strdup(stage->folder->image_path)},
        .stage = stage,
        .overlay_fd = overlay_fd,
        .extents = extents,
        .nr_extents = nr_extents,
    };
    if (!staged->blob.name) {
        free(staged);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    }
    *ret_blob = &staged->blob;
    return 0;
}
