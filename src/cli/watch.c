#include "watch.h"

#include "base/cleanup.h"
#include "daemon_link.h"
#include "move_view.h"

#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

int bf_watch_init(struct bf_watch *watch, bool json, struct bf_error *err)
{
    *watch = (struct bf_watch){.json = json, .said = json_object()};
    return watch->said ? 0 : no_memory(err);
}

void bf_watch_release(struct bf_watch *watch)
{
    json_decref(watch->said);
}

/* ---- on a terminal ---- */

static int draw(const json_t *moves, const struct bf_screen *screen,
                enum bf_move_view_detail detail, char **ret_text, struct bf_error *err)
{
    size_t text_bytes = 0;
    FILE *out = open_memstream(ret_text, &text_bytes);
    const json_t *move;
    size_t i;

    if (!out)
        return no_memory(err);
    json_array_foreach(moves, i, move)
    {
        bf_move_view_print(move, screen, detail, out);
    }
    return fclose(out) == 0 ? 0 : no_memory(err);
}

static size_t count_lines(const char *text)
{
    size_t nr_lines = 0;

    for (; (text = strchr(text, '\n')) != NULL; text++)
        nr_lines++;
    return nr_lines;
}

/* The most detailed view that fits; a line is left for the cursor. */
static int draw_to_fit(const json_t *moves, const struct bf_screen *screen, char **ret_text,
                       struct bf_error *err)
{
    int r = 0;

    for (int detail = BF_MOVE_VIEW_ALL; detail >= BF_MOVE_VIEW_DISKS && r == 0; detail--) {
        free(*ret_text);
        *ret_text = NULL;
        r = draw(moves, screen, (enum bf_move_view_detail)detail, ret_text, err);
        if (r == 0 && count_lines(*ret_text) < screen->rows)
            break;
    }
    return r;
}

/* What was drawn before is drawn over: a line that wraps or scrolls away could not be. */
static void print_clipped(struct bf_watch *watch, char *text, const struct bf_screen *screen)
{
    char *line;

    for (watch->nr_lines = 0; watch->nr_lines + 1 < screen->rows && *text; watch->nr_lines++) {
        line = strsep(&text, "\n");
        bf_text_clip(line, screen->columns);
        (void)fputs(line, stdout);
        (void)fputc('\n', stdout);
    }
}

static int draw_over(struct bf_watch *watch, const json_t *moves, const struct bf_screen *screen,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *text = NULL;
    int r = draw_to_fit(moves, screen, &text, err);

    if (r < 0)
        return r;
    if (watch->nr_lines > 0)
        (void)printf("\033[%zuA", watch->nr_lines);
    (void)fputs("\033[J", stdout);
    print_clipped(watch, text, screen);
    return 0;
}

/* ---- elsewhere ---- */

static int say_change(struct bf_watch *watch, const json_t *move, struct bf_error *err)
{
    const char *id = bf_daemon_text(move, "id");
    BF_CLEANUP(bf_freep) char *line = NULL;
    size_t line_bytes = 0;
    FILE *out = open_memstream(&line, &line_bytes);

    if (!out)
        return no_memory(err);
    bf_move_view_state(move, out);
    if (fclose(out) != 0)
        return no_memory(err);
    if (strcmp(bf_daemon_text(watch->said, id), line) == 0)
        return 0;
    (void)printf("%s %s\n", id, line);
    return json_object_set_new(watch->said, id, json_string(line)) < 0 ? no_memory(err) : 0;
}

static int say_changes(struct bf_watch *watch, const json_t *moves, struct bf_error *err)
{
    const json_t *move;
    size_t i;
    int r = 0;

    json_array_foreach(moves, i, move)
    {
        if (r == 0)
            r = say_change(watch, move, err);
    }
    return r;
}

static int say_json(json_t *moves, struct bf_error *err)
{
    BF_CLEANUP(json_decrefp)
    json_t *document = json_pack("{s:i, s:O}", "schema", 1, "moves", moves);

    if (!document || json_dumpf(document, stdout, JSON_COMPACT) < 0)
        return no_memory(err);
    (void)putchar('\n');
    return 0;
}

int bf_watch_show(struct bf_watch *watch, json_t *moves, struct bf_error *err)
{
    struct bf_screen screen = bf_screen_of(stdout); /* terminals change their size */
    int r;

    if (watch->json)
        r = say_json(moves, err);
    else if (screen.terminal)
        r = draw_over(watch, moves, &screen, err);
    else
        r = say_changes(watch, moves, err);
    return r < 0 ? r : bf_output_finish(err);
}
