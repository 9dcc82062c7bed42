#include "table.h"

#include "output.h"

#include <stdlib.h>
#include <string.h>

static const char gap[] = "  ";

int bf_table_add(struct bf_table *table, const char *const *cells, struct bf_table_row **ret_row,
                 struct bf_error *err)
{
    struct bf_table_row *rows = realloc(table->rows, (table->nr_rows + 1) * sizeof *rows);
    struct bf_table_row *row;

    if (!rows)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    table->rows = rows;
    row = &rows[table->nr_rows++];
    *row = (struct bf_table_row){.below = NULL};
    for (size_t i = 0; i < table->nr_columns; i++) {
        row->cells[i] = strdup(cells[i]);
        if (!row->cells[i])
            return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    }
    if (ret_row)
        *ret_row = row;
    return 0;
}

static size_t column_width(const struct bf_table *table, size_t column)
{
    size_t width = 0;

    for (size_t i = 0; i < table->nr_rows; i++) {
        const char *cell = table->rows[i].cells[column];
        size_t columns = cell ? bf_text_columns(cell) : 0;
        width = columns > width ? columns : width;
    }
    return width;
}

static void put_spaces(FILE *out, size_t nr)
{
    (void)fprintf(out, "%*s", (int)nr, "");
}

static void print_row(const struct bf_table *table, const struct bf_table_row *row,
                      const size_t *widths, FILE *out)
{
    size_t last = table->nr_columns - 1;

    /* Nothing is padded that has nothing behind it. */
    while (last > 0 && row->cells[last][0] == '\0')
        last--;
    for (size_t i = 0; i <= last; i++) {
        size_t pad = widths[i] - bf_text_columns(row->cells[i]);

        if (table->right[i])
            put_spaces(out, pad);
        (void)fputs(row->cells[i], out);
        if (i == last)
            break;
        if (!table->right[i])
            put_spaces(out, pad);
        (void)fputs(gap, out);
    }
}

void bf_table_print(const struct bf_table *table, size_t indent, bool colour, FILE *out)
{
    size_t widths[BF_TABLE_COLUMNS_MAX] = {0};

    for (size_t i = 0; i < table->nr_columns; i++)
        widths[i] = column_width(table, i);
    for (size_t i = 0; i < table->nr_rows; i++) {
        bool bold = colour && i == 0;

        put_spaces(out, indent);
        (void)fputs(bold ? "\033[1m" : "", out);
        print_row(table, &table->rows[i], widths, out);
        (void)fputs(bold ? "\033[0m\n" : "\n", out);
        if (table->rows[i].below) {
            put_spaces(out, indent);
            (void)fprintf(out, "%s\n", table->rows[i].below);
        }
    }
}

void bf_table_release(struct bf_table *table)
{
    for (size_t i = 0; i < table->nr_rows; i++) {
        for (size_t j = 0; j < table->nr_columns; j++)
            free(table->rows[i].cells[j]);
        free(table->rows[i].below);
    }
    free(table->rows);
    table->rows = NULL;
    table->nr_rows = 0;
}
