#include "move_view.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon_link.h"

#include <string.h>

enum { BAR_CELLS = 24, NAME_COLUMNS = 30 };

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

static void put_name(const json_t *row, FILE *out)
{
    BF_CLEANUP(bf_freep) char *disk = bf_escape(bf_daemon_text(row, "disk"));
    BF_CLEANUP(bf_freep) char *bitmap = bf_escape(bf_daemon_text(row, "bitmap"));
    BF_CLEANUP(bf_freep) char *name = NULL;
    size_t columns;

    if (!disk || !bitmap || asprintf(&name, "%s/%s", disk, bitmap) < 0)
        return;
    columns = bf_text_columns(name);
    (void)fprintf(out, "  %s%*s ", name, columns < NAME_COLUMNS ? (int)(NAME_COLUMNS - columns) : 0,
                  "");
}

static void put_row(const json_t *row, const struct bf_screen *screen, FILE *out)
{
    uint64_t done = (uint64_t)json_integer_value(json_object_get(row, "done_bytes"));
    uint64_t total = (uint64_t)json_integer_value(json_object_get(row, "total_bytes"));

    put_name(row, out);
    if (strcmp(bf_daemon_text(row, "outcome"), "pending") != 0) {
        put(out, row, "outcome");
        if (json_object_get(row, "reason")) {
            (void)fputs(": ", out);
            put(out, json_object_get(row, "reason"), "code");
        }
    } else {
        if (total > 0) {
            put_bar(done, total, screen, out);
            (void)fputs("  ", out);
        }
        put(out, row, "phase");
    }
    (void)fputc('\n', out);
}

static size_t put_checkpoints(const json_t *move, FILE *out)
{
    const json_t *checkpoints =
        json_object_get(json_object_get(move, "checkpoints"), "checkpoints");
    const json_t *checkpoint;
    size_t i;

    json_array_foreach(checkpoints, i, checkpoint)
    {
        BF_CLEANUP(bf_freep) char *name = bf_escape(bf_daemon_text(checkpoint, "name"));
        size_t columns = name ? bf_text_columns(name) + sizeof "checkpoint " - 1 : 0;

        (void)fprintf(out, "  checkpoint %s%*s ", name ? name : "?",
                      columns < NAME_COLUMNS ? (int)(NAME_COLUMNS - columns) : 0, "");
        put(out, checkpoint, "status");
        (void)fputc('\n', out);
    }
    return json_array_size(checkpoints);
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

static size_t put_modes(const json_t *move, FILE *out)
{
    const json_t *how = json_object_get(move, "how");
    const json_t *disk;
    size_t i;

    json_array_foreach(how, i, disk)
    {
        put_part("  ", disk, "disk", ": ", out);
        put_part("", disk, "mode", ", because ", out);
        put_part("", disk, "why", "\n", out);
    }
    return json_array_size(how);
}

static size_t put_warnings(const json_t *move, FILE *out)
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
    return json_array_size(warnings);
}

size_t bf_move_view_print(const json_t *move, const struct bf_screen *screen, FILE *out)
{
    const json_t *rows = json_object_get(move, "bitmaps");
    const json_t *row;
    size_t nr_lines = 2;
    size_t i;

    (void)fputs(screen->colour ? "\033[1m" : "", out);
    put(out, move, "vm");
    (void)fprintf(out, "%s  %s  ", screen->colour ? "\033[0m" : "", bf_daemon_text(move, "role"));
    put(out, move, "id");
    (void)fputs("\n  ", out);
    bf_move_view_state(move, out);
    put_milestones(move, out);
    (void)fputc('\n', out);
    nr_lines += put_modes(move, out);
    nr_lines += put_warnings(move, out);
    json_array_foreach(rows, i, row)
    {
        put_row(row, screen, out);
    }
    return nr_lines + json_array_size(rows) + put_checkpoints(move, out);
}

void bf_move_view_drops(const json_t *move, FILE *out)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(move, "bitmaps"), i, row)
    {
        const json_t *reason = json_object_get(row, "reason");

        if (json_object_get(row, "note")) {
            (void)fputs("note on ", out);
            put(out, row, "disk");
            (void)fputc('/', out);
            put(out, row, "bitmap");
            (void)fputs(": ", out);
            put(out, row, "note");
            (void)fputc('\n', out);
        }
        if (!reason)
            continue;
        (void)fputs("dropped ", out);
        put(out, row, "disk");
        (void)fputc('/', out);
        put(out, row, "bitmap");
        (void)fputs(": ", out);
        put(out, reason, "code");
        (void)fputs(": ", out);
        put(out, reason, "message");
        (void)fputs("; the next backup from it is a full one\n", out);
    }
}
