/* The timeline in a terminal. */
#include "base/cleanup.h"
#include "base/text.h"
#include "timeline.h"

#include <stdio.h>
#include <string.h>

enum {
    INDENT = 2,
    NAME_MAX = 20, /* columns of a bitmap's name in front of its bar */
    TEXT_MAX = 64, /* what stands beside a bar */
    BAR_MAX = 100, /* columns; wider tells no more */
    STEP_MIN = 2,  /* columns from one checkpoint to the next */
    LABEL_MIN = 9, /* columns of a label with a gap; where there is less, some have none */
};

struct glyphs {
    const char *begin, *line, *point, *now;         /* the axis */
    const char *bar_begin, *bar, *bar_end, *broken; /* below it */
    const char *cut;
};

static const struct glyphs unicode = {
    .begin = "\xe2\x94\x9c",     /* ├ */
    .line = "\xe2\x94\x80",      /* ─ */
    .point = "\xe2\x97\x8f",     /* ● */
    .now = "\xe2\x96\xb6",       /* ▶ */
    .bar_begin = "\xe2\x95\x9e", /* ╞ */
    .bar = "\xe2\x95\x90",       /* ═ */
    .bar_end = "\xe2\x95\xa1",   /* ╡ */
    .broken = "\xe2\x95\x8c",    /* ╌ */
    .cut = "\xe2\x80\xa6",       /* … */
};

static const struct glyphs ascii = {
    .begin = "|",
    .line = "-",
    .point = "o",
    .now = ">",
    .bar_begin = "[",
    .bar = "=",
    .bar_end = "]",
    .broken = ".",
    .cut = "~",
};

struct drawing {
    const struct bf_timeline *timeline;
    const struct bf_screen *screen;
    const struct glyphs *glyphs;
    size_t first; /* checkpoint that is drawn: older ones have no room */
    size_t name_columns;
    size_t step; /* columns from one checkpoint to the next */
};

static const struct bf_checkpoints *checkpoints_of(const struct drawing *drawing)
{
    return &drawing->timeline->diagnosis->subject->checkpoints;
}

static size_t nr_drawn(const struct drawing *drawing)
{
    return checkpoints_of(drawing)->nr_items - drawing->first;
}

/* Column of a checkpoint; the one behind the last is now. */
static size_t column_of(const struct drawing *drawing, size_t checkpoint)
{
    return checkpoint < drawing->first ? 0 : (checkpoint - drawing->first + 1) * drawing->step;
}

static const char *coloured(const struct drawing *drawing, const char *code)
{
    return drawing->screen->colour ? code : "";
}

/* --- text of a width --- */

/* The first @columns of @text, cut visibly where there is more, then spaces. */
static void put_cell(const struct drawing *drawing, const char *text, size_t columns)
{
    BF_CLEANUP(bf_freep) char *escaped = bf_escape(text);
    bool cut = escaped && bf_text_columns(escaped) > columns;
    size_t width;

    if (!escaped)
        return;
    if (cut)
        bf_text_clip(escaped, columns > 0 ? columns - 1 : 0);
    width = bf_text_columns(escaped) + cut;
    (void)printf("%s%s%*s", escaped, cut ? drawing->glyphs->cut : "",
                 (int)(columns > width ? columns - width : 0), "");
}

static void put_many(const char *glyph, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        (void)fputs(glyph, stdout);
}

/* --- the axis --- */

static void put_lead(const struct drawing *drawing)
{
    (void)printf("%*s", (int)(INDENT + drawing->name_columns + 2), "");
}

/* Every how many checkpoints there is room for a label. */
static size_t label_every(const struct drawing *drawing)
{
    return (LABEL_MIN + drawing->step - 1) / drawing->step;
}

static bool has_label(const struct drawing *drawing, size_t checkpoint)
{
    size_t end = column_of(drawing, checkpoints_of(drawing)->nr_items);

    return (checkpoint - drawing->first) % label_every(drawing) == 0 &&
           end - column_of(drawing, checkpoint) >= LABEL_MIN;
}

/* One label under the other's start; the last has the room up to now. */
static void put_label(const struct drawing *drawing, size_t checkpoint, const char *text)
{
    size_t next = checkpoint + label_every(drawing);
    size_t nr_items = checkpoints_of(drawing)->nr_items;
    size_t end = column_of(drawing, next < nr_items && has_label(drawing, next) ? next : nr_items);

    put_cell(drawing, text, end - column_of(drawing, checkpoint) - 1);
    (void)putchar(' ');
}

static void print_labels(const struct drawing *drawing)
{
    const char *begin = drawing->first > 0 ? "earlier" : "creation";

    put_lead(drawing);
    put_cell(drawing, drawing->step >= LABEL_MIN ? begin : "", drawing->step);
    for (size_t i = drawing->first; i < checkpoints_of(drawing)->nr_items; i++) {
        if (has_label(drawing, i))
            put_label(drawing, i, checkpoints_of(drawing)->items[i].name);
    }
    (void)puts("active");
}

static bool has_times(const struct drawing *drawing)
{
    for (size_t i = drawing->first; i < checkpoints_of(drawing)->nr_items; i++) {
        if (checkpoints_of(drawing)->items[i].time_unix_s != BF_NO_TIME)
            return true;
    }
    return false;
}

/* "2026-11-30" over "17:05"; without room for the year, month and day. */
static void print_times(const struct drawing *drawing)
{
    bool narrow = label_every(drawing) * drawing->step < 11;

    for (int part = 0; part < 2; part++) {
        put_lead(drawing);
        (void)printf("%*s", (int)drawing->step, "");
        for (size_t i = drawing->first; i < checkpoints_of(drawing)->nr_items; i++) {
            char made[BF_SUBJECT_TIME_MAX];
            char *space;

            if (!has_label(drawing, i))
                continue;
            (void)bf_subject_time_text(&checkpoints_of(drawing)->items[i], made);
            space = strchr(made, ' ');
            if (space)
                *space = '\0';
            put_label(drawing, i, !space ? "" : part == 1 ? space + 1 : narrow ? made + 5 : made);
        }
        (void)putchar('\n');
    }
}

static void print_axis(const struct drawing *drawing)
{
    const struct glyphs *glyphs = drawing->glyphs;

    put_lead(drawing);
    (void)fputs(drawing->first > 0 ? glyphs->cut : glyphs->begin, stdout);
    for (size_t i = 0; i < nr_drawn(drawing); i++) {
        put_many(glyphs->line, drawing->step - 1);
        (void)fputs(glyphs->point, stdout);
    }
    put_many(glyphs->line, drawing->step - 1);
    (void)puts(glyphs->now);
}

/* --- bars --- */

static const char *colour_of(const struct bf_timeline_bar *bar)
{
    static const char *const colours[] = {
        [BF_BAR_WHOLE] = "\033[32m",
        [BF_BAR_BUSY] = "\033[33m",
        [BF_BAR_BROKEN] = "\033[31m",
    };

    return colours[bar->state];
}

static void print_bar(const struct drawing *drawing, const struct bf_timeline_bar *bar)
{
    const struct glyphs *glyphs = drawing->glyphs;
    size_t nr_items = checkpoints_of(drawing)->nr_items;
    size_t begin = column_of(drawing, bar->from);
    size_t end = column_of(drawing, bar->to);
    bool links = checkpoints_of(drawing)->style == BF_CHAIN_LINKS;
    char text[TEXT_MAX];

    if (end == 0) /* all of it lies before what is drawn */
        return;
    (void)printf("%*s", INDENT, "");
    put_cell(drawing, bar->bitmap, drawing->name_columns);
    (void)printf("  %*s%s", (int)begin, "", coloured(drawing, colour_of(bar)));
    (void)fputs(bar->from < drawing->first ? glyphs->cut : glyphs->bar_begin, stdout);
    put_many(bar->state == BF_BAR_BROKEN ? glyphs->broken : glyphs->bar, end - begin - 1);
    (void)fputs(bar->to < nr_items ? glyphs->bar_end : glyphs->now, stdout);
    (void)fputs(coloured(drawing, "\033[0m"), stdout);
    bf_timeline_bar_text(bar, links, text, sizeof text);
    (void)printf("%*s  %s\n", (int)(column_of(drawing, nr_items) - end), "", text);
}

/* --- a disk --- */

static void print_disk(const struct drawing *drawing, const struct bf_timeline_disk *disk)
{
    char size[BF_SIZE_TEXT_MAX];

    (void)printf("\n%s", coloured(drawing, "\033[1m"));
    put_cell(drawing, disk->disk->name, bf_text_columns(disk->disk->name));
    (void)printf("%s  %s", coloured(drawing, "\033[0m"), bf_size_text(disk->size_bytes, size));
    if (disk->disk->problem) {
        (void)fputs(", not seen: ", stdout);
        put_cell(drawing, disk->disk->problem, bf_text_columns(disk->disk->problem));
    }
    (void)putchar('\n');
    print_labels(drawing);
    if (has_times(drawing))
        print_times(drawing);
    print_axis(drawing);
    for (size_t i = 0; i < disk->nr_bars; i++)
        print_bar(drawing, &disk->bars[i]);
    if (disk->nr_bars == 0)
        (void)printf("%*sno checkpoint has this disk\n", INDENT, "");
}

/* --- how much room there is --- */

static size_t widest(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void lay_out(struct drawing *drawing)
{
    const struct bf_timeline *timeline = drawing->timeline;
    bool links = checkpoints_of(drawing)->style == BF_CHAIN_LINKS;
    size_t text_columns = 6;
    size_t room;
    size_t nr_steps;

    for (size_t i = 0; i < timeline->nr_disks; i++) {
        for (size_t j = 0; j < timeline->disks[i].nr_bars; j++) {
            const struct bf_timeline_bar *bar = &timeline->disks[i].bars[j];
            char text[TEXT_MAX];

            bf_timeline_bar_text(bar, links, text, sizeof text);
            text_columns = widest(text_columns, bf_text_columns(text));
            drawing->name_columns = widest(drawing->name_columns, bf_text_columns(bar->bitmap));
        }
    }
    if (drawing->name_columns > NAME_MAX)
        drawing->name_columns = NAME_MAX;
    room = INDENT + drawing->name_columns + 2 + 1 + 2 + text_columns;
    room = drawing->screen->columns > room ? drawing->screen->columns - room : 0;
    if (room > BAR_MAX)
        room = BAR_MAX;
    nr_steps = nr_drawn(drawing) + 1;
    if (room / nr_steps < STEP_MIN) {
        nr_steps = widest(room / STEP_MIN, LABEL_MIN);
        if (nr_steps - 1 < nr_drawn(drawing))
            drawing->first = nr_drawn(drawing) - (nr_steps - 1);
        nr_steps = nr_drawn(drawing) + 1;
    }
    drawing->step = widest(room / nr_steps, STEP_MIN);
}

static void print_other_bitmaps(const struct bf_timeline *timeline)
{
    const struct bf_diagnosis *diagnosis = timeline->diagnosis;

    for (size_t i = 0; i < diagnosis->nr_findings; i++) {
        const struct bf_finding *finding = &diagnosis->findings[i];
        BF_CLEANUP(bf_freep) char *bitmap = finding->bitmap ? bf_escape(finding->bitmap) : NULL;

        if (finding->check == BF_CHECK_BITMAP_KNOWN && bitmap)
            (void)printf("\n%*sBesides, on %s: %s, of no checkpoint\n", INDENT, "",
                         finding->disk->name, bitmap);
    }
}

void bf_timeline_print(const struct bf_timeline *timeline, const struct bf_screen *screen)
{
    const struct bf_subject *subject = timeline->diagnosis->subject;
    BF_CLEANUP(bf_freep) char *title = bf_escape(subject->title);
    struct drawing drawing = {
        .timeline = timeline,
        .screen = screen,
        .glyphs = screen->utf8 ? &unicode : &ascii,
    };

    lay_out(&drawing);
    (void)printf("%s%s%s: %zu checkpoint%s, %s\n", coloured(&drawing, "\033[1m"),
                 title ? title : "?", coloured(&drawing, "\033[0m"), subject->checkpoints.nr_items,
                 subject->checkpoints.nr_items == 1 ? "" : "s",
                 bf_chain_style_name(subject->checkpoints.style));
    if (drawing.first > 0)
        (void)printf("%*sThere is no room for the first %zu: a wider terminal or --svg has more\n",
                     INDENT, "", drawing.first);
    for (size_t i = 0; i < timeline->nr_disks; i++)
        print_disk(&drawing, &timeline->disks[i]);
    print_other_bitmaps(timeline);
}
