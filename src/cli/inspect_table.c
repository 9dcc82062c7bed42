#include "inspect_table.h"

#include "base/text.h"
#include "heat.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    INDENT = 2,
    STRIP_COLUMNS_MAX = 120, /* wider tells no more */
    SHORT_DIGITS = 12,
};

enum {
    COLUMN_NAME,
    COLUMN_GRANULARITY,
    COLUMN_STATE,
    COLUMN_DIRTY,
    COLUMN_PERCENT,
    COLUMN_SHA256,
    NR_COLUMNS
};

void bf_percent_text(uint64_t nr_dirty_bits, uint64_t nr_bits, char buf[16])
{
    double percent = nr_bits > 0 ? 100.0 * (double)nr_dirty_bits / (double)nr_bits : 0;

    if (nr_dirty_bits == 0)
        (void)snprintf(buf, 16, "0 %%");
    else if (nr_dirty_bits == nr_bits)
        (void)snprintf(buf, 16, "100 %%");
    else if (percent < 0.1)
        (void)snprintf(buf, 16, "<0.1 %%");
    else
        (void)snprintf(buf, 16, "%.1f %%", percent > 99.9 ? 99.9 : percent);
}

static const char *state_text(const struct bf_catalog_bitmap *bitmap)
{
    if (!bitmap->consistent)
        return "inconsistent";
    if (!bitmap->persistent)
        return bitmap->recording ? "recording, transient" : "frozen, transient";
    return bitmap->recording ? "recording" : "frozen";
}

static char *make_strip(const struct bf_inspect_view *view, struct bf_target *target,
                        const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                        struct bf_error *err)
{
    struct bf_heat_cell cells[STRIP_COLUMNS_MAX];
    unsigned columns = view->screen.columns - INDENT - 2;
    struct bf_bits bits;
    char *strip;

    if (columns > STRIP_COLUMNS_MAX)
        columns = STRIP_COLUMNS_MAX;
    if (bf_target_bits(target, disk->name, bitmap->name, &bits, err) < 0 ||
        bf_bits_heat(&bits, cells, columns, err) < 0)
        return NULL;
    strip = bf_heat_strip(cells, columns, &view->screen);
    if (!strip)
        (void)bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    return strip;
}

static char *make_problem(const struct bf_inspect_view *view,
                          const struct bf_catalog_bitmap *bitmap)
{
    BF_CLEANUP(bf_freep) char *problem = bf_escape(bitmap->problem ? bitmap->problem : "");
    char *text = NULL;

    if (!problem || asprintf(&text, "%s%s%s", view->screen.colour ? "\033[31m" : "", problem,
                             view->screen.colour ? "\033[0m" : "") < 0)
        return NULL;
    return text;
}

/* Count and digest, blank where there is none. */
static void summary_cells(const struct bf_inspect_view *view, const struct bf_catalog_disk *disk,
                          const struct bf_catalog_bitmap *bitmap, char dirty[BF_SIZE_TEXT_MAX],
                          char percent[16], char sha256[BF_HEX_SHA256_MAX])
{
    struct bf_geometry geometry = bf_catalog_geometry(disk, bitmap);

    dirty[0] = percent[0] = sha256[0] = '\0';
    if (!bitmap->has_summary)
        return;
    bf_size_text(bf_summary_dirty_bytes(&bitmap->summary, &geometry), dirty);
    bf_percent_text(bitmap->summary.nr_dirty_bits, bf_geometry_nr_bits(&geometry), percent);
    bf_hex_encode(bitmap->summary.sha256, BF_SHA256_BYTES, sha256);
    if (!view->args->verbose)
        sha256[SHORT_DIGITS] = '\0';
}

static int add_bitmap(const struct bf_inspect_view *view, struct bf_target *target,
                      const struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap,
                      struct bf_table *table, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = bf_escape(bitmap->name);
    char granularity[BF_SIZE_TEXT_MAX];
    char dirty[BF_SIZE_TEXT_MAX];
    char percent[16];
    char sha256[BF_HEX_SHA256_MAX];
    const char *cells[NR_COLUMNS] = {
        [COLUMN_NAME] = name,
        [COLUMN_GRANULARITY] = bf_size_text(bitmap->granularity_bytes, granularity),
        [COLUMN_STATE] = state_text(bitmap),
        [COLUMN_DIRTY] = dirty,
        [COLUMN_PERCENT] = percent,
        [COLUMN_SHA256] = sha256,
    };
    struct bf_table_row *row;
    int ret;

    if (!name)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    summary_cells(view, disk, bitmap, dirty, percent, sha256);
    ret = bf_table_add(table, cells, &row, err);
    if (ret < 0)
        return ret;
    if (!bitmap->consistent)
        row->below = make_problem(view, bitmap);
    else if (view->heat)
        row->below = make_strip(view, target, disk, bitmap, err);
    return view->heat && bitmap->consistent && !row->below ? -1 : 0;
}

static int print_bitmaps(const struct bf_inspect_view *view, struct bf_target *target,
                         const struct bf_catalog_disk *disk, struct bf_error *err)
{
    static const char *const head[NR_COLUMNS] = {"BITMAP", "GRANULARITY", "STATE", "DIRTY",
                                                 "",       "SHA-256"};
    struct bf_table table = {
        .nr_columns = NR_COLUMNS,
        .right = {[COLUMN_GRANULARITY] = true, [COLUMN_DIRTY] = true, [COLUMN_PERCENT] = true},
    };
    int ret = bf_table_add(&table, head, NULL, err);

    for (size_t i = 0; ret == 0 && i < disk->nr_bitmaps; i++)
        ret = add_bitmap(view, target, disk, &disk->bitmaps[i], &table, err);
    if (ret == 0)
        bf_table_print(&table, INDENT, view->screen.colour, stdout);
    bf_table_release(&table);
    return ret;
}

static int print_disk(const struct bf_inspect_view *view, const char *text,
                      struct bf_target *target, const struct bf_catalog_disk *disk,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = bf_escape(disk->name);
    BF_CLEANUP(bf_freep) char *where = bf_escape(text);
    BF_CLEANUP(bf_freep) char *note = bf_escape(disk->note ? disk->note : "");
    char size[BF_SIZE_TEXT_MAX];

    if (!name || !where || !note)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    (void)printf("%s%s%s  %s, %zu bitmap%s, in %s\n", view->screen.colour ? "\033[1m" : "", name,
                 view->screen.colour ? "\033[0m" : "", bf_size_text(disk->virtual_size_bytes, size),
                 disk->nr_bitmaps, disk->nr_bitmaps == 1 ? "" : "s", where);
    if (note[0] != '\0')
        (void)printf("%*snote: %s\n", INDENT, "", note);
    return disk->nr_bitmaps > 0 ? print_bitmaps(view, target, disk, err) : 0;
}

int bf_inspect_print(const struct bf_inspect_view *view, const char *text, struct bf_target *target,
                     struct bf_error *err)
{
    const struct bf_catalog *catalog = bf_target_catalog(target);
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < catalog->nr_disks; i++) {
        if (i > 0)
            (void)putchar('\n');
        ret = print_disk(view, text, target, &catalog->disks[i], err);
    }
    return ret;
}
