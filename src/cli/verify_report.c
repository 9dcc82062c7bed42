#include "verify_report.h"

#include "base/text.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RANGES_SHOWN = 10 };

enum { COLUMN_DISK, COLUMN_BITMAP, COLUMN_VERDICT, COLUMN_MISSING, COLUMN_EXTRA, NR_COLUMNS };

static void put_ranges(FILE *out, const struct bf_verify_result *result)
{
    size_t shown = result->nr_missing < RANGES_SHOWN ? result->nr_missing : RANGES_SHOWN;

    for (size_t i = 0; i < shown; i++) {
        char size[BF_SIZE_TEXT_MAX];

        (void)fprintf(out, "%s  not covered: %s at byte %" PRIu64, i > 0 ? "\n" : "",
                      bf_size_text(result->missing[i].length_bytes, size),
                      result->missing[i].offset_bytes);
    }
    if (result->nr_missing_ranges > shown)
        (void)fprintf(out, "\n  and %" PRIu64 " more ranges", result->nr_missing_ranges - shown);
}

/* What stands under the row, or NULL with *@ret 0 for nothing. */
static char *make_below(const struct bf_verify_result *result)
{
    char *text = NULL;
    size_t nr_bytes;
    FILE *out = open_memstream(&text, &nr_bytes);

    if (!out)
        return NULL;
    if (result->verdict == BF_VERDICT_MISSING)
        put_ranges(out, result);
    else
        (void)fprintf(out, "  %s", result->problem);
    (void)fclose(out);
    return text;
}

static int add_result(const struct bf_verify_result *result, struct bf_table *table,
                      struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *disk = bf_escape(result->disk);
    BF_CLEANUP(bf_freep) char *bitmap = bf_escape(result->bitmap);
    char missing[BF_SIZE_TEXT_MAX] = "";
    char extra[BF_SIZE_TEXT_MAX] = "";
    const char *cells[NR_COLUMNS] = {disk, bitmap, bf_verdict_name(result->verdict), missing,
                                     extra};
    struct bf_table_row *row;
    int ret;

    if (!disk || !bitmap)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (result->verdict <= BF_VERDICT_MISSING) {
        bf_size_text(result->comparison.missing_bytes, missing);
        bf_size_text(result->comparison.extra_bytes, extra);
    }
    ret = bf_table_add(table, cells, &row, err);
    if (ret == 0 && result->verdict >= BF_VERDICT_MISSING)
        row->below = make_below(result);
    return ret;
}

int bf_verify_print(const struct bf_verify_results *results, struct bf_error *err)
{
    static const char *const head[NR_COLUMNS] = {"DISK", "BITMAP", "RESULT", "MISSING", "EXTRA"};
    struct bf_table table = {
        .nr_columns = NR_COLUMNS,
        .right = {[COLUMN_MISSING] = true, [COLUMN_EXTRA] = true},
    };
    struct bf_screen screen = bf_screen_of(stdout);
    int ret = bf_table_add(&table, head, NULL, err);

    for (size_t i = 0; ret == 0 && i < results->nr_results; i++)
        ret = add_result(&results->results[i], &table, err);
    if (ret == 0)
        bf_table_print(&table, 0, screen.colour, stdout);
    bf_table_release(&table);
    return ret;
}

static json_t *json_of_ranges(const struct bf_verify_result *result)
{
    json_t *ranges = json_array();

    for (size_t i = 0; i < result->nr_missing; i++) {
        const struct bf_extent *extent = &result->missing[i];

        (void)json_array_append_new(
            ranges, json_pack("{s:I, s:I}", "offset_bytes", (json_int_t)extent->offset_bytes,
                              "length_bytes", (json_int_t)extent->length_bytes));
    }
    return ranges;
}

static json_t *json_of_result(const struct bf_verify_result *result)
{
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:s}", "disk", bf_text_to_json(result->disk), "bitmap",
                  bf_text_to_json(result->bitmap), "candidate_disk",
                  result->candidate_disk ? bf_text_to_json(result->candidate_disk) : json_null(),
                  "candidate_bitmap", bf_text_to_json(result->candidate_bitmap), "result",
                  bf_verdict_name(result->verdict));

    if (result->verdict > BF_VERDICT_MISSING) {
        (void)json_object_set_new(object, "problem", bf_text_to_json(result->problem));
        return object;
    }
    (void)json_object_set_new(object, "missing_bytes",
                              json_integer((json_int_t)result->comparison.missing_bytes));
    (void)json_object_set_new(object, "extra_bytes",
                              json_integer((json_int_t)result->comparison.extra_bytes));
    (void)json_object_set_new(object, "nr_missing_ranges",
                              json_integer((json_int_t)result->nr_missing_ranges));
    (void)json_object_set_new(object, "missing", json_of_ranges(result));
    return object;
}

json_t *bf_verify_to_json(const struct bf_verify_results *results)
{
    json_t *bitmaps = json_array();

    for (size_t i = 0; i < results->nr_results; i++)
        (void)json_array_append_new(bitmaps, json_of_result(&results->results[i]));
    return json_pack("{s:i, s:b, s:o}", "schema", 1, "covered",
                     bf_verify_exit(results) == BF_EXIT_OK, "bitmaps", bitmaps);
}
