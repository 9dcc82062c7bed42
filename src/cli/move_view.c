#include "move_view.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon_link.h"

#include <string.h>

enum { BAR_CELLS = 24, NAME_COLUMNS = 28 };

/* Of a daemon's text nothing but what is safe on a terminal. */
static void put(FILE *out, const json_t *object, const char *key)
{
    BF_CLEANUP(bf_freep) char *safe = bf_escape(bf_daemon_text(object, key));

    (void)fputs(safe ? safe : "?", out);
}

void bf_move_view_state(const json_t *move, FILE *out)
{
    const json_t *reason = json_object_get(move, "reason");

    put(out, move, "state");
    if (reason) {
        (void)fputs(": ", out);
        put(out, reason, "message");
        (void)fputs(" (", out);
        put(out, reason, "code");
        (void)fputc(')', out);
    } else if (strcmp(bf_daemon_text(move, "state"), "under-way") == 0) {
        (void)fputs(": ", out);
        put(out, move, "phase");
    }
}

/* ---- how far ---- */

struct sum {
    uint64_t done_bytes, total_bytes;
    size_t nr_rows, nr_carried, nr_dropped;
};

static uint64_t number(const json_t *row, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(row, key));
}

static bool is_pending(const json_t *row)
{
    return strcmp(bf_daemon_text(row, "outcome"), "pending") == 0;
}

static bool is_on_its_way(const json_t *row)
{
    uint64_t done_bytes = number(row, "done_bytes");

    return is_pending(row) && done_bytes > 0 && done_bytes < number(row, "total_bytes");
}

/* What is dropped does not travel, and does not count. */
static void add(struct sum *sum, const json_t *row)
{
    sum->nr_rows++;
    if (json_object_get(row, "reason")) {
        sum->nr_dropped++;
        return;
    }
    sum->nr_carried += !is_pending(row);
    sum->done_bytes += number(row, "done_bytes");
    sum->total_bytes += number(row, "total_bytes");
}

static void put_bar(uint64_t done_bytes, uint64_t total_bytes, const struct bf_screen *screen,
                    FILE *out)
{
    double part = total_bytes > 0 ? (double)done_bytes / (double)total_bytes : 0;
    size_t filled = part >= 1 ? BAR_CELLS : (size_t)(part * (double)BAR_CELLS);
    char size[BF_SIZE_TEXT_MAX];

    (void)fputs(screen->utf8 ? "▕" : "[", out);
    for (size_t i = 0; i < BAR_CELLS; i++) {
        const char *full = screen->utf8 ? "█" : "=";

        (void)fputs(i < filled ? full : " ", out);
    }
    (void)fprintf(out, "%s %3.0f %% of %s", screen->utf8 ? "▏" : "]", part * 100,
                  bf_size_text(total_bytes, size));
}

static void put_name(const char *indent, const json_t *row, const char *key, FILE *out)
{
    BF_CLEANUP(bf_freep) char *name = bf_escape(bf_daemon_text(row, key));
    size_t columns = strlen(indent) + (name ? bf_text_columns(name) : 0);

    (void)fprintf(out, "%s%s%*s ", indent, name ? name : "?",
                  columns < NAME_COLUMNS ? (int)(NAME_COLUMNS - columns) : 0, "");
}

static void put_row(const json_t *row, const struct bf_screen *screen, FILE *out)
{
    put_name("    ", row, "bitmap", out);
    if (!is_pending(row)) {
        put(out, row, "outcome");
        if (json_object_get(row, "reason")) {
            (void)fputs(": ", out);
            put(out, json_object_get(row, "reason"), "code");
        }
    } else {
        if (number(row, "total_bytes") > 0) {
            put_bar(number(row, "done_bytes"), number(row, "total_bytes"), screen, out);
            (void)fputs("  ", out);
        }
        put(out, row, "phase");
    }
    (void)fputc('\n', out);
}

static void put_checkpoints(const json_t *move, FILE *out)
{
    const json_t *checkpoints =
        json_object_get(json_object_get(move, "checkpoints"), "checkpoints");
    const json_t *checkpoint;
    size_t i;

    json_array_foreach(checkpoints, i, checkpoint)
    {
        put_name("  checkpoint ", checkpoint, "name", out);
        put(out, checkpoint, "status");
        (void)fputc('\n', out);
    }
}

static void put_disk(const json_t *first, const struct sum *sum, const struct bf_screen *screen,
                     FILE *out)
{
    const char *plural = sum->nr_rows == 1 ? "" : "s";

    put_name("  ", first, "disk", out);
    if (sum->nr_carried + sum->nr_dropped == sum->nr_rows) {
        (void)fprintf(out, "%zu of %zu bitmap%s carried\n", sum->nr_carried, sum->nr_rows, plural);
        return;
    }
    if (sum->total_bytes > 0) {
        put_bar(sum->done_bytes, sum->total_bytes, screen, out);
        (void)fputs("  ", out);
    }
    (void)fprintf(out, "%zu bitmap%s", sum->nr_rows, plural);
    if (sum->nr_dropped > 0)
        (void)fprintf(out, ", %zu dropped", sum->nr_dropped);
    (void)fputc('\n', out);
}

static bool is_of_disk(const json_t *row, const json_t *first)
{
    return strcmp(bf_daemon_text(row, "disk"), bf_daemon_text(first, "disk")) == 0;
}

static bool is_shown(const json_t *row, enum bf_move_view_detail detail)
{
    return detail == BF_MOVE_VIEW_ALL || (detail == BF_MOVE_VIEW_BUSY && is_on_its_way(row));
}

/* The disk of the row at @first, unless it was shown before with an earlier one. */
static void put_disk_and_rows(const json_t *rows, size_t first, const struct bf_screen *screen,
                              enum bf_move_view_detail detail, FILE *out)
{
    const json_t *head = json_array_get(rows, first);
    struct sum sum = {0};
    const json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (!is_of_disk(row, head))
            continue;
        if (i < first)
            return;
        add(&sum, row);
    }
    put_disk(head, &sum, screen, out);
    json_array_foreach(rows, i, row)
    {
        if (is_of_disk(row, head) && is_shown(row, detail))
            put_row(row, screen, out);
    }
}

static void put_milestones(const json_t *move, FILE *out)
{
    const json_t *milestone;
    size_t i;

    json_array_foreach(json_object_get(move, "milestones"), i, milestone)
    {
        const char *name = json_string_value(milestone);

        (void)fprintf(out, "%s%s", i > 0 ? ", " : "  reached: ", name ? name : "?");
    }
}

static void put_part(const char *before, const json_t *object, const char *key, const char *after,
                     FILE *out)
{
    (void)fputs(before, out);
    put(out, object, key);
    (void)fputs(after, out);
}

static void put_mirror(const json_t *mirror, const struct bf_screen *screen, FILE *out)
{
    if (number(mirror, "done_bytes") >= number(mirror, "total_bytes"))
        return; /* or there is none */
    (void)fprintf(out, "    %*s ", 4 - NAME_COLUMNS, "mirror");
    put_bar(number(mirror, "done_bytes"), number(mirror, "total_bytes"), screen, out);
    (void)fputc('\n', out);
}

static void put_modes(const json_t *move, const struct bf_screen *screen, FILE *out)
{
    const json_t *how = json_object_get(move, "how");
    const json_t *disk;
    size_t i;

    json_array_foreach(how, i, disk)
    {
        put_part("  ", disk, "disk", ": ", out);
        put_part("", disk, "mode", ", because ", out);
        put_part("", disk, "why", "\n", out);
        put_mirror(json_object_get(disk, "mirror"), screen, out);
    }
}

static void put_warnings(const json_t *move, FILE *out)
{
    const json_t *warnings = json_object_get(move, "warnings");
    const json_t *warning;
    size_t i;

    json_array_foreach(warnings, i, warning)
    {
        const char *text = json_string_value(warning);
        BF_CLEANUP(bf_freep) char *safe = bf_escape(text ? text : "?");

        (void)fprintf(out, "  warning: %s\n", safe ? safe : "?");
    }
}

void bf_move_view_print(const json_t *move, const struct bf_screen *screen,
                        enum bf_move_view_detail detail, FILE *out)
{
    const json_t *rows = json_object_get(move, "bitmaps");

    (void)fputs(screen->colour ? "\033[1m" : "", out);
    put(out, move, "vm");
    (void)fprintf(out, "%s  %s  ", screen->colour ? "\033[0m" : "", bf_daemon_text(move, "role"));
    put(out, move, "id");
    (void)fputs("\n  ", out);
    bf_move_view_state(move, out);
    put_milestones(move, out);
    (void)fputc('\n', out);
    put_modes(move, screen, out);
    put_warnings(move, out);
    for (size_t i = 0; i < json_array_size(rows); i++)
        put_disk_and_rows(rows, i, screen, detail, out);
    put_checkpoints(move, out);
}

/* ---- what is to be known at the end ---- */

static void put_bitmap(const char *what, const json_t *row, FILE *out)
{
    (void)fputs(what, out);
    put(out, row, "disk");
    (void)fputc('/', out);
    put(out, row, "bitmap");
    (void)fputs(": ", out);
}

/* Most messages begin with their code. */
static void put_reason(const json_t *reason, FILE *out)
{
    const char *code = bf_daemon_text(reason, "code");

    if (strncmp(bf_daemon_text(reason, "message"), code, strlen(code)) != 0) {
        put(out, reason, "code");
        (void)fputs(": ", out);
    }
    put(out, reason, "message");
}

void bf_move_view_drops(const json_t *move, FILE *out)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(move, "bitmaps"), i, row)
    {
        const json_t *reason = json_object_get(row, "reason");

        if (json_object_get(row, "note")) {
            put_bitmap("note on ", row, out);
            put(out, row, "note");
            (void)fputc('\n', out);
        }
        if (!reason)
            continue;
        put_bitmap("dropped ", row, out);
        put_reason(reason, out);
        (void)fputs("; the next backup from it is a full one\n", out);
    }
}
