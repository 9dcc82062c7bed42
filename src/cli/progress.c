#include "progress.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "interrupt.h"
#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    QUIET_MS = 300, /* a step that is over sooner shows nothing */
    REDRAW_MS = 100,
    BAR_COLUMNS = 24,
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void bf_meter_begin(struct bf_meter *meter, const struct bf_arguments *args, const char *label)
{
    *meter = (struct bf_meter){
        .args = args,
        .visible = !args->quiet && bf_screen_of(stderr).terminal,
        .begun_ms = now_ms(),
    };
    (void)snprintf(meter->label, sizeof meter->label, "%s", label);
    bf_say_step(args, "%s", label);
}

void bf_meter_begin_bitmap(struct bf_meter *meter, const struct bf_arguments *args,
                           const char *verb, const char *disk, const char *bitmap)
{
    BF_CLEANUP(bf_freep) char *safe_disk = bf_escape(disk);
    BF_CLEANUP(bf_freep) char *safe_bitmap = bf_escape(bitmap);
    char label[sizeof meter->label];

    (void)snprintf(label, sizeof label, "%s %.20s/%.30s", verb, safe_disk ? safe_disk : "",
                   safe_bitmap ? safe_bitmap : "");
    bf_meter_begin(meter, args, label);
}

static void draw(struct bf_meter *meter, uint64_t done_bytes, uint64_t total_bytes, uint64_t now)
{
    char bar[BAR_COLUMNS + 1];
    char rate[BF_SIZE_TEXT_MAX];
    double part = total_bytes > 0 ? (double)done_bytes / (double)total_bytes : 0;
    size_t filled = (size_t)(part * (double)BAR_COLUMNS);

    memset(bar, ' ', BAR_COLUMNS);
    memset(bar, '=', filled < BAR_COLUMNS ? filled : BAR_COLUMNS);
    bar[BAR_COLUMNS] = '\0';
    bf_size_text(done_bytes * 1000 / (now - meter->begun_ms + 1), rate);
    /* Erase the rest of the line: the text before may have been longer. */
    (void)fprintf(stderr, "\r%s [%s] %3.0f %%  %s/s\033[K", meter->label, bar, part * 100, rate);
    (void)fflush(stderr);
    meter->drawn = true;
    meter->drawn_ms = now;
}

int bf_meter_update(struct bf_meter *meter, uint64_t done_bytes, uint64_t total_bytes,
                    struct bf_error *err)
{
    uint64_t now;

    if (meter->visible) {
        now = now_ms();
        if (now - meter->begun_ms >= QUIET_MS && now - meter->drawn_ms >= REDRAW_MS)
            draw(meter, done_bytes, total_bytes, now);
    }
    return bf_interrupt_check(err);
}

static int on_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    return bf_meter_update(ctx, done_bytes, total_bytes, NULL);
}

struct bf_progress bf_meter_progress(struct bf_meter *meter)
{
    return (struct bf_progress){.function = on_progress, .ctx = meter};
}

void bf_meter_end(struct bf_meter *meter)
{
    if (!meter->drawn)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    meter->drawn = false;
}
