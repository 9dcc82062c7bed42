#include "export.h"

#include "base/math.h"
#include "base/name.h"

#include <string.h>

enum {
    GRAIN_BYTES = 4096, /* the smallest hole worth a client's while inside mixed bits */
    PIECES_MAX = 4096,  /* per walk: at most 16 MiB of bits are looked at */
};

/* Where a walk over the bits of one bitmap is; positions are within these. */
struct scan {
    const struct bf_bits *bits;
    uint64_t mixed_end_bytes; /* up to here the bits are known to be mixed */
    uint64_t offset_bytes;    /* the window that was read last */
    uint64_t nr_bytes;
    uint8_t bytes[BF_WINDOW_BYTES];
};

static int open_index(struct bf_export *export, struct bf_error *err)
{
    size_t nr_bytes;
    int ret = bf_store_index(export->store, &export->index, &nr_bytes, err);

    export->size_bytes = nr_bytes;
    return ret;
}

static int open_view(struct bf_export *export, struct bf_error *err)
{
    const struct bf_catalog_bitmap *bitmap = bf_store_bitmap(export->store, export->which);
    int ret = bf_view_new(export->bits, bitmap->name, bitmap->recording, &export->view, err);

    if (ret == 0)
        export->size_bytes = bf_view_size_bytes(export->view);
    return ret;
}

/* Its size is known, and so its description can be shown; reading it fails. */
static int open_inconsistent(struct bf_export *export, struct bf_error *err)
{
    struct bf_geometry geometry = bf_catalog_geometry(
        bf_store_disk(export->store, export->which), bf_store_bitmap(export->store, export->which));

    export->inconsistent = true;
    export->size_bytes = bf_geometry_packed_bytes(&geometry);
    return bf_store_check_unchanged(export->store, export->which, err);
}

/* Room for the bits of @nr bitmaps. */
static int make_bits(struct bf_export *export, size_t nr, struct bf_error *err)
{
    export->bits = calloc(nr, sizeof *export->bits);
    return export->bits ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection");
}

static int open_bits(struct bf_export *export, struct bf_error *err)
{
    int ret = make_bits(export, 1, err);

    if (ret == 0)
        ret = bf_store_bits(export->store, export->which, export->bits, err);
    if (ret < 0)
        return ret;
    export->stretches.items = calloc(1, sizeof *export->stretches.items);
    if (!export->stretches.items)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection");
    export->size_bytes = bf_geometry_packed_bytes(&export->bits->geometry);
    export->stretches.items->nr_bytes = export->size_bytes;
    export->stretches.nr_items = 1;
    return 0;
}

static int open_disk(struct bf_export *export, const char *name, struct bf_error *err)
{
    const struct bf_catalog_disk *disk;
    int ret = bf_store_find_disk(export->store, name, &export->which, err);

    if (ret < 0)
        return ret;
    disk = bf_store_disk(export->store, export->which);
    export->whole_disk = true;
    if ((ret = bf_stretches_init(&export->stretches, disk, err)) < 0 ||
        (ret = make_bits(export, export->stretches.nr_items + 1, err)) < 0)
        return ret;
    export->size_bytes = export->stretches.size_bytes;
    for (size_t i = 0; ret == 0 && i < export->stretches.nr_items; i++) {
        struct bf_served which = {export->which.disk, export->stretches.items[i].bitmap};
        ret = bf_store_bits(export->store, which, &export->bits[i], err);
    }
    return ret < 0 ? ret : bf_store_check_unchanged(export->store, export->which, err);
}

static int open_named(struct bf_export *export, const char *text, struct bf_error *err)
{
    struct bf_export_name name;
    int ret;

    if ((ret = bf_export_name_decode(text, &name, err)) < 0)
        return ret;
    if (name.view == BF_VIEW_DISK)
        return open_disk(export, name.disk, err);
    if ((ret = bf_store_find(export->store, name.disk, name.bitmap, &export->which, err)) < 0)
        return ret;
    if (name.view == BF_VIEW_BITS && !bf_store_bitmap(export->store, export->which)->consistent)
        return open_inconsistent(export, err);
    ret = open_bits(export, err);
    return ret == 0 && name.view == BF_VIEW_QCOW2 ? open_view(export, err) : ret;
}

int bf_export_open(struct bf_store *store, const char *name, struct bf_export **ret_export,
                   struct bf_error *err)
{
    BF_CLEANUP(bf_export_freep) struct bf_export *export = calloc(1, sizeof *export);
    int ret;

    if (!export)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection");
    export->store = store;
    ret = name[0] == '\0' ? open_index(export, err) : open_named(export, name, err);
    if (ret == 0)
        *ret_export = bf_steal_ptr(&export);
    return ret;
}

void bf_export_free(struct bf_export *export)
{
    if (export->view)
        bf_view_free(export->view);
    bf_stretches_release(&export->stretches);
    free(export->bits);
    free(export);
}

/* What was read before a change is still what was opened, so this comes after reading. */
static int check_unchanged(const struct bf_export *export, struct bf_error *err)
{
    return export->index ? 0 : bf_store_check_unchanged(export->store, export->which, err);
}

/* Says why. */
static int refuse(const struct bf_export *export, struct bf_error *err)
{
    struct bf_bits none;

    return bf_store_bits(export->store, export->which, &none, err);
}

/* Bits, and zeroes between them. */
static int read_stretches(const struct bf_export *export, uint8_t *buf, uint64_t nr_bytes,
                          uint64_t offset_bytes, struct bf_error *err)
{
    uint64_t end_bytes = offset_bytes + nr_bytes;
    size_t i = bf_stretches_find(&export->stretches, offset_bytes);

    while (offset_bytes < end_bytes) {
        const struct bf_stretch *stretch = &export->stretches.items[i];
        bool between = offset_bytes < stretch->offset_bytes;
        uint64_t part_end_bytes =
            between ? stretch->offset_bytes : stretch->offset_bytes + stretch->nr_bytes;
        uint64_t nr = bf_min_u64(end_bytes, part_end_bytes) - offset_bytes;
        int ret = 0;

        if (between)
            memset(buf, 0, nr);
        else
            ret = bf_bits_read(&export->bits[i++], offset_bytes - stretch->offset_bytes, buf, nr,
                               err);
        if (ret < 0)
            return ret;
        buf += nr;
        offset_bytes += nr;
    }
    return 0;
}

int bf_export_read(struct bf_export *export, void *buf, uint64_t nr_bytes, uint64_t offset_bytes,
                   struct bf_error *err)
{
    int ret;

    if (export->index) {
        memcpy(buf, export->index + offset_bytes, nr_bytes);
        return 0;
    }
    if (export->inconsistent)
        return refuse(export, err);
    if (export->view)
        ret = bf_view_read(export->view, offset_bytes, buf, nr_bytes, err);
    else
        ret = read_stretches(export, buf, nr_bytes, offset_bytes, err);
    return ret < 0 ? ret : check_unchanged(export, err);
}

static bool is_zero(const uint8_t *bytes, uint64_t nr_bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, nr_bytes - 1) == 0;
}

/* Read a window from @offset_bytes on, within the mixed run. */
static int read_window(struct scan *scan, uint64_t offset_bytes, struct bf_error *err)
{
    scan->offset_bytes = offset_bytes;
    scan->nr_bytes = bf_min_u64(scan->mixed_end_bytes - offset_bytes, sizeof scan->bytes);
    return bf_bits_read(scan->bits, offset_bytes, scan->bytes, scan->nr_bytes, err);
}

/* The grain at @piece's offset, within the mixed run: is it clean? */
static int look_at_grain(struct scan *scan, struct bf_piece *piece, struct bf_error *err)
{
    uint64_t at = piece->offset_bytes;
    int ret = 0;

    piece->nr_bytes = bf_min_u64(scan->mixed_end_bytes - at, GRAIN_BYTES - at % GRAIN_BYTES);
    if (at + piece->nr_bytes > scan->offset_bytes + scan->nr_bytes)
        ret = read_window(scan, at, err);
    if (ret == 0)
        piece->hole = is_zero(scan->bytes + (at - scan->offset_bytes), piece->nr_bytes);
    return ret;
}

/* The piece of the bits at @piece's offset; its nr_bytes is how far to look. */
static int find_bits_piece(struct scan *scan, struct bf_piece *piece, struct bf_error *err)
{
    enum bf_run_kind kind = BF_RUN_MIXED;
    int ret = 0;

    if (piece->offset_bytes >= scan->mixed_end_bytes) {
        ret = bf_bits_run(scan->bits, piece->offset_bytes, piece->nr_bytes, &kind, &piece->nr_bytes,
                          err);
        scan->mixed_end_bytes = piece->offset_bytes + piece->nr_bytes;
    }
    if (ret == 0 && kind == BF_RUN_MIXED)
        return look_at_grain(scan, piece, err);
    piece->hole = kind == BF_RUN_CLEAN;
    return ret;
}

/* The same within the export: a bitmap's, or what is between two. */
static int find_stretches_piece(const struct bf_export *export, struct scan *scan,
                                struct bf_piece *piece, struct bf_error *err)
{
    size_t i = bf_stretches_find(&export->stretches, piece->offset_bytes);
    const struct bf_stretch *stretch = &export->stretches.items[i];
    int ret;

    if (piece->offset_bytes < stretch->offset_bytes) {
        piece->hole = true;
        piece->nr_bytes = bf_min_u64(piece->nr_bytes, stretch->offset_bytes - piece->offset_bytes);
        return 0;
    }
    if (scan->bits != &export->bits[i]) {
        scan->bits = &export->bits[i];
        scan->mixed_end_bytes = scan->offset_bytes = scan->nr_bytes = 0;
    }
    piece->offset_bytes -= stretch->offset_bytes;
    piece->nr_bytes = bf_min_u64(piece->nr_bytes, stretch->nr_bytes - piece->offset_bytes);
    ret = find_bits_piece(scan, piece, err);
    piece->offset_bytes += stretch->offset_bytes;
    return ret;
}

static int find_piece(const struct bf_export *export, struct scan *scan, struct bf_piece *piece,
                      struct bf_error *err)
{
    if (export->index) {
        piece->hole = false;
        return 0;
    }
    if (export->inconsistent)
        return refuse(export, err);
    if (export->view)
        return bf_view_hole(export->view, piece->offset_bytes, piece->nr_bytes, &piece->hole,
                            &piece->nr_bytes, err);
    return find_stretches_piece(export, scan, piece, err);
}

int bf_export_each_piece(struct bf_export *export, uint64_t offset_bytes, uint64_t nr_bytes,
                         int (*function)(void *ctx, const struct bf_piece *piece), void *ctx,
                         struct bf_error *err)
{
    BF_CLEANUP(bf_freep) struct scan *scan = malloc(sizeof *scan);
    uint64_t end_bytes = offset_bytes + nr_bytes;
    bool stop = false;
    int ret;

    if (!scan)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to look for holes");
    scan->bits = NULL;
    for (int i = 0; i < PIECES_MAX && offset_bytes < end_bytes && !stop; i++) {
        struct bf_piece piece = {.offset_bytes = offset_bytes,
                                 .nr_bytes = end_bytes - offset_bytes};
        if ((ret = find_piece(export, scan, &piece, err)) < 0)
            return ret;
        offset_bytes += piece.nr_bytes;
        stop = function(ctx, &piece) != 0;
    }
    return check_unchanged(export, err);
}
