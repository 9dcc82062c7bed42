/** Rows of cells in aligned columns. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

enum { BF_TABLE_COLUMNS_MAX = 8 };

struct bf_table_row {
    char *cells[BF_TABLE_COLUMNS_MAX]; /* owned */
    char *below;                       /* owned, or NULL: printed under the row as it is */
};

struct bf_table {
    size_t nr_columns;
    bool right[BF_TABLE_COLUMNS_MAX]; /* columns aligned to the right */
    struct bf_table_row *rows;        /* owned; the first is the head */
    size_t nr_rows;
};

/** Append a row of @table->nr_columns cells, which are copied; *ret_row (may be NULL) is valid
 * until the next append. */
int bf_table_add(struct bf_table *table, const char *const *cells, struct bf_table_row **ret_row,
                 struct bf_error *err);

/** Print all rows, each line begun with @indent spaces; the head in bold with @colour. */
void bf_table_print(const struct bf_table *table, size_t indent, bool colour, FILE *out);

void bf_table_release(struct bf_table *table);

#endif
