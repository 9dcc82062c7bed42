/* The timeline as a picture. */
#include "base/cleanup.h"
#include "base/text.h"
#include "timeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* All in pixels. */
enum {
    MARGIN = 36,
    HEAD = 84,        /* title and what is below it */
    NAME_WIDTH = 150, /* in front of the bars */
    TEXT_WIDTH = 250, /* behind them */
    TRACK_WIDTH = 560,
    STEP_MIN = 24,     /* from one checkpoint to the next */
    LABEL_WIDTH = 104, /* that a label needs; where there is less, some have none */
    DISK_HEAD = 86,    /* name of the disk, labels, axis */
    ROW = 30,
    BAR = 16,
    DISK_GAP = 34,
    LEGEND = 44,
    LABEL_CHARS = 16,
    NAME_CHARS = 20,
};

struct picture {
    FILE *out;
    const struct bf_timeline *timeline;
    size_t step;
    size_t width;
};

static const char style[] =
    "<style>\n"
    "text { font-family: Inter, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif; "
    "font-size: 13px; fill: #1f2933; }\n"
    ".paper { fill: #ffffff; }\n"
    ".card { fill: #f7f9fb; stroke: #e1e7ed; }\n"
    ".title { font-size: 20px; font-weight: 600; }\n"
    ".disk { font-size: 15px; font-weight: 600; }\n"
    ".quiet { fill: #61707f; font-size: 12px; }\n"
    ".small { fill: #61707f; font-size: 11px; }\n"
    ".why { fill: #c0362c; }\n"
    ".axis { stroke: #7b8794; stroke-width: 2; }\n"
    ".tip { fill: #7b8794; }\n"
    ".guide { stroke: #cbd2d9; stroke-width: 1; stroke-dasharray: 2 4; }\n"
    ".point { fill: #ffffff; stroke: #3e4c59; stroke-width: 2.5; }\n"
    ".recording { fill: #2f6fed; }\n"
    ".frozen { fill: #93b4f7; }\n"
    ".busy { fill: #e8a317; }\n"
    ".broken { fill: url(#hatch); stroke: #d64545; stroke-dasharray: 5 3; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  text { fill: #e4e7eb; } .paper { fill: #15191e; }\n"
    "  .card { fill: #1c2229; stroke: #2d3640; } .quiet, .small { fill: #9aa5b1; }\n"
    "  .guide { stroke: #3a4550; } .point { fill: #15191e; stroke: #cbd2d9; }\n"
    "}\n"
    "</style>\n"
    "<defs><pattern id=\"hatch\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect width=\"8\" height=\"8\" fill=\"#fbe3e1\"/>"
    "<rect width=\"3\" height=\"8\" fill=\"#eea9a4\"/></pattern></defs>\n";

static const struct bf_checkpoints *checkpoints_of(const struct picture *picture)
{
    return &picture->timeline->diagnosis->subject->checkpoints;
}

/* --- text --- */

static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        default:
            (void)fputc(*text, out);
            break;
        }
    }
}

/* At most @columns characters; all of them are shown to whoever points at it. */
static void put_text(const struct picture *picture, size_t x, size_t y, const char *attributes,
                     const char *text, size_t columns)
{
    BF_CLEANUP(bf_freep) char *whole = bf_escape(text);
    BF_CLEANUP(bf_freep) char *shown = whole ? strdup(whole) : NULL;
    bool cut = shown && bf_text_columns(shown) > columns;

    if (!shown)
        return;
    if (cut)
        bf_text_clip(shown, columns - 1);
    (void)fprintf(picture->out, "<text x=\"%zu\" y=\"%zu\" %s>", x, y, attributes);
    put_escaped(picture->out, shown);
    if (cut) {
        (void)fputs("\xe2\x80\xa6<title>", picture->out);
        put_escaped(picture->out, whole);
        (void)fputs("</title>", picture->out);
    }
    (void)fputs("</text>\n", picture->out);
}

/* --- where things are --- */

static size_t track_x(const struct picture *picture, size_t checkpoint)
{
    return MARGIN + 20 + NAME_WIDTH + (checkpoint + 1) * picture->step;
}

static size_t now_x(const struct picture *picture)
{
    return track_x(picture, checkpoints_of(picture)->nr_items);
}

static size_t disk_height(const struct bf_timeline_disk *disk)
{
    size_t nr_rows = disk->nr_bars > 0 ? disk->nr_bars : 1;

    return DISK_HEAD + nr_rows * ROW + 14;
}

/* --- the axis of a disk --- */

static bool has_label(const struct picture *picture, size_t checkpoint)
{
    size_t every = (LABEL_WIDTH + picture->step - 1) / picture->step;
    size_t nr_items = checkpoints_of(picture)->nr_items;

    /* Counted from the newest, which people look for first. */
    return (nr_items - 1 - checkpoint) % every == 0;
}

static void put_point(const struct picture *picture, size_t checkpoint, size_t y, size_t bottom)
{
    const struct bf_checkpoint *item = &checkpoints_of(picture)->items[checkpoint];
    size_t x = track_x(picture, checkpoint);
    char made[BF_SUBJECT_TIME_MAX];

    (void)fprintf(picture->out,
                  "<line class=\"guide\" x1=\"%zu\" y1=\"%zu\" x2=\"%zu\" y2=\"%zu\"/>\n", x, y, x,
                  bottom);
    (void)fprintf(picture->out, "<circle class=\"point\" cx=\"%zu\" cy=\"%zu\" r=\"5\"/>\n", x, y);
    if (!has_label(picture, checkpoint))
        return;
    put_text(picture, x, y - 27, "text-anchor=\"middle\"", item->name, LABEL_CHARS);
    put_text(picture, x, y - 12, "class=\"small\" text-anchor=\"middle\"",
             bf_subject_time_text(item, made), LABEL_CHARS + 4);
}

static void put_axis(const struct picture *picture, size_t y, size_t bottom)
{
    size_t begin = MARGIN + 20 + NAME_WIDTH;
    size_t end = now_x(picture);

    (void)fprintf(picture->out,
                  "<line class=\"axis\" x1=\"%zu\" y1=\"%zu\" x2=\"%zu\" y2=\"%zu\"/>\n", begin, y,
                  end - 6, y);
    (void)fprintf(picture->out, "<path class=\"tip\" d=\"M%zu %zu l-10 -5 v10 z\"/>\n", end + 2, y);
    (void)fprintf(picture->out,
                  "<line class=\"axis\" x1=\"%zu\" y1=\"%zu\" x2=\"%zu\" y2=\"%zu\"/>\n", begin,
                  y - 5, begin, y + 5);
    put_text(picture, begin, y - 12, "class=\"small\" text-anchor=\"middle\"", "creation",
             LABEL_CHARS);
    put_text(picture, end + 10, y + 4, "class=\"small\"", "active", LABEL_CHARS);
    for (size_t i = 0; i < checkpoints_of(picture)->nr_items; i++)
        put_point(picture, i, y, bottom);
}

/* --- bars --- */

static const char *class_of(const struct bf_timeline_bar *bar)
{
    switch (bar->state) {
    case BF_BAR_BROKEN:
        return "broken";
    case BF_BAR_BUSY:
        return "busy";
    case BF_BAR_WHOLE:
        break;
    }
    return bar->recording ? "recording" : "frozen";
}

/* One that goes on until now has a tip. */
static void put_bar(const struct picture *picture, const struct bf_timeline_bar *bar, size_t y)
{
    bool goes_on = bar->to == checkpoints_of(picture)->nr_items;
    bool links = checkpoints_of(picture)->style == BF_CHAIN_LINKS;
    size_t begin = track_x(picture, bar->from) + 2;
    size_t end = track_x(picture, bar->to) - 2;
    size_t tip = goes_on ? BAR / 2 : 0;
    char text[64];

    put_text(picture, MARGIN + 20, y + BAR - 4, "", bar->bitmap, NAME_CHARS);
    (void)fprintf(picture->out,
                  "<path class=\"%s\" d=\"M%zu %zu H%zu l%zu %d l-%zu %d H%zu a3 3 0 0 1 -3 -3 "
                  "v-%d a3 3 0 0 1 3 -3 z\"/>\n",
                  class_of(bar), begin + 3, y, end - tip, tip, BAR / 2, tip, BAR / 2, begin + 3,
                  BAR - 6);
    bf_timeline_bar_text(bar, links, text, sizeof text);
    put_text(picture, now_x(picture) + 16, y + BAR - 4, bar->why ? "class=\"why\"" : "", text,
             sizeof text);
}

static void put_disk(const struct picture *picture, const struct bf_timeline_disk *disk, size_t y)
{
    size_t axis_y = y + DISK_HEAD - 14;
    char size[BF_SIZE_TEXT_MAX];

    (void)fprintf(picture->out,
                  "<rect class=\"card\" x=\"%d\" y=\"%zu\" width=\"%zu\" height=\"%zu\" "
                  "rx=\"10\"/>\n",
                  MARGIN, y, picture->width - 2 * (size_t)MARGIN, disk_height(disk));
    put_text(picture, MARGIN + 20, y + 30, "class=\"disk\"", disk->disk->name, NAME_CHARS);
    put_text(picture, MARGIN + 20, y + 48, "class=\"quiet\"", bf_size_text(disk->size_bytes, size),
             sizeof size);
    put_axis(picture, axis_y, y + disk_height(disk) - 12);
    for (size_t i = 0; i < disk->nr_bars; i++)
        put_bar(picture, &disk->bars[i], y + DISK_HEAD + i * ROW + 4);
    if (disk->nr_bars == 0 || disk->disk->problem)
        put_text(picture, MARGIN + 20, y + disk_height(disk) - 16, "class=\"quiet\"",
                 disk->disk->problem ? disk->disk->problem : "no checkpoint has this disk", 120);
}

/* --- the whole --- */

static size_t put_legend_item(const struct picture *picture, size_t x, size_t y, const char *class,
                              const char *text)
{
    (void)fprintf(picture->out,
                  "<rect class=\"%s\" x=\"%zu\" y=\"%zu\" width=\"28\" height=\"12\" rx=\"3\"/>\n",
                  class, x, y);
    put_text(picture, x + 36, y + 10, "class=\"quiet\"", text, 40);
    return x + 36 + strlen(text) * 7 + 22;
}

static void put_legend(const struct picture *picture, size_t y)
{
    size_t x = put_legend_item(picture, MARGIN + 20, y, "recording", "records");

    if (checkpoints_of(picture)->style == BF_CHAIN_LINKS)
        x = put_legend_item(picture, x, y, "frozen", "frozen");
    x = put_legend_item(picture, x, y, "busy", "in use now");
    (void)put_legend_item(picture, x, y, "broken", "of no use: the next backup since is full");
}

static void put_head(const struct picture *picture, size_t height)
{
    const struct bf_subject *subject = picture->timeline->diagnosis->subject;
    char text[128];

    (void)fprintf(picture->out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
                  "viewBox=\"0 0 %zu %zu\">\n",
                  picture->width, height, picture->width, height);
    (void)fputs(style, picture->out);
    (void)fprintf(picture->out, "<rect class=\"paper\" width=\"%zu\" height=\"%zu\"/>\n",
                  picture->width, height);
    put_text(picture, MARGIN, 42, "class=\"title\"", subject->title, 60);
    (void)snprintf(text, sizeof text, "%zu checkpoint%s, %s; %zu of %zu backups can be incremental",
                   subject->checkpoints.nr_items, subject->checkpoints.nr_items == 1 ? "" : "s",
                   subject->checkpoints.style == BF_CHAIN_LINKS ? "a chain of links" : "nested",
                   picture->timeline->diagnosis->nr_incremental,
                   picture->timeline->diagnosis->nr_cells);
    put_text(picture, MARGIN, 64, "class=\"quiet\"", text, sizeof text);
}

static void draw(const struct bf_timeline *timeline, FILE *out)
{
    size_t nr_steps = timeline->diagnosis->subject->checkpoints.nr_items + 1;
    struct picture picture = {.out = out, .timeline = timeline, .step = TRACK_WIDTH / nr_steps};
    size_t height = HEAD;
    size_t y = HEAD;

    if (picture.step < STEP_MIN)
        picture.step = STEP_MIN;
    picture.width = now_x(&picture) + TEXT_WIDTH + MARGIN;
    for (size_t i = 0; i < timeline->nr_disks; i++)
        height += disk_height(&timeline->disks[i]) + (i > 0 ? DISK_GAP : 0);
    put_head(&picture, height + LEGEND + 16);
    for (size_t i = 0; i < timeline->nr_disks; i++) {
        put_disk(&picture, &timeline->disks[i], y);
        y += disk_height(&timeline->disks[i]) + DISK_GAP;
    }
    put_legend(&picture, height + 24);
    (void)fputs("</svg>\n", out);
}

int bf_timeline_write_svg(const struct bf_timeline *timeline, const char *path,
                          struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *draft = NULL;
    FILE *out;
    int fd;

    if (asprintf(&draft, "%s.XXXXXX", path) < 0)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    fd = mkstemp(draft);
    out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out)
        return bf_error_set_errno(err, errno, "cannot make the picture '%.300s'", path);
    draw(timeline, out);
    (void)fchmod(fd, 0644);
    if ((ferror(out) | fclose(out)) == 0 && rename(draft, path) == 0)
        return 0;
    (void)bf_error_set_errno(err, errno ? errno : EIO, "cannot write the picture '%.300s'", path);
    (void)unlink(draft);
    return -1;
}
