#include "base/cleanup.h"
#include "catalog/checkpoints.h"
#include "timeline.h"

/* json_array_append_new() takes NULL for "no memory" and fails; json_pack() gives NULL then. */

static const char *state_name(enum bf_bar_state state)
{
    static const char *const names[] = {
        [BF_BAR_WHOLE] = "whole",
        [BF_BAR_BUSY] = "busy",
        [BF_BAR_BROKEN] = "broken",
    };

    return names[state];
}

static json_t *bar_to_json(const struct bf_checkpoints *checkpoints,
                           const struct bf_timeline_bar *bar)
{
    bool ends = bar->to < checkpoints->nr_items;

    return json_pack("{s:o, s:o, s:o, s:s, s:s?, s:b, s:I, s:o}", "bitmap",
                     bf_text_to_json(bar->bitmap), "from",
                     bf_text_to_json(checkpoints->items[bar->from].name), "to",
                     ends ? bf_text_to_json(checkpoints->items[bar->to].name) : json_null(),
                     "state", state_name(bar->state), "reason", bar->why, "recording",
                     bar->recording, "images", (json_int_t)bar->nr_images, "dirty_bytes",
                     bar->counted ? json_integer((json_int_t)bar->dirty_bytes) : json_null());
}

static json_t *disk_to_json(const struct bf_checkpoints *checkpoints,
                            const struct bf_timeline_disk *disk)
{
    BF_CLEANUP(json_decrefp) json_t *bars = json_array();

    for (size_t i = 0; i < disk->nr_bars; i++) {
        if (json_array_append_new(bars, bar_to_json(checkpoints, &disk->bars[i])) < 0)
            return NULL;
    }
    return json_pack("{s:o, s:I, s:O}", "name", bf_text_to_json(disk->disk->name),
                     "virtual_size_bytes", (json_int_t)disk->size_bytes, "bars", bars);
}

json_t *bf_timeline_to_json(const struct bf_timeline *timeline)
{
    const struct bf_subject *subject = timeline->diagnosis->subject;
    BF_CLEANUP(json_decrefp) json_t *disks = json_array();

    for (size_t i = 0; i < timeline->nr_disks; i++) {
        if (json_array_append_new(disks, disk_to_json(&subject->checkpoints, &timeline->disks[i])) <
            0)
            return NULL;
    }
    return json_pack("{s:i, s:o, s:s, s:O}", "schema", 1, "subject",
                     bf_text_to_json(subject->title), "style",
                     bf_chain_style_name(subject->checkpoints.style), "disks", disks);
}
