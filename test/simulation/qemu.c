#include "qemu.h"

#include "brought.h"
#include "helpers.h"
#include "hold.h"
#include "snapshot.h"
#include "still.h"

#include <string.h>

#define BIT(block) ((uint8_t)(1u << (block)))

void broken(struct world *world, const char *what)
{
    if (!world->broken)
        world->broken = what;
}

static uint8_t all_blocks(const struct world *world)
{
    return (uint8_t)(BIT(world->settings.nr_blocks) - 1);
}

static void record(struct qemu_bitmap *bitmap, unsigned block)
{
    if (bitmap->there && bitmap->recording)
        bitmap->bits |= BIT(block);
}

static void source_recorded(struct world *world, unsigned disk, unsigned block)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] != disk)
            continue;
        if (world->shadow[i].there && world->shadow[i].recording)
            world->need[i] |= BIT(block);
        record(&world->user[i], block);
        record(&world->twin[i], block);
        record(&world->shadow[i], block);
    }
    record(&world->delta[disk], block);
    world->mirror[disk].dirty |= BIT(block);
}

static void dest_recorded(struct world *world, unsigned disk, unsigned block)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] == disk)
            record(&world->final[i], block);
    }
    record(&world->tracker[disk], block);
}

static bool write_value(struct world *world, unsigned index, bool zero, bool discard)
{
    unsigned disk = index / BLOCKS;
    unsigned block = index % BLOCKS;
    uint8_t *data;

    if (world->writes_left == 0 || disk >= world->settings.nr_disks ||
        block >= world->settings.nr_blocks)
        return false;
    if (world->guest != AT_SOURCE && (world->guest != AT_DEST || !world->dest_qemu || discard))
        return false;
    world->writes_left--;
    data = world->guest == AT_SOURCE ? world->source_data[disk] : world->dest_data[disk];
    data[block] = zero ? 0 : (uint8_t)(data[block] % 3 + 1);
    if (world->guest == AT_SOURCE) {
        bool ignored =
            discard && world->settings.passes_discards && world->settings.ignores_discards;

        world->hole[disk] =
            (uint8_t)((world->hole[disk] & ~BIT(block)) | (discard ? BIT(block) : 0));
        world->loose[disk] =
            (uint8_t)((world->loose[disk] & ~BIT(block)) | (ignored ? BIT(block) : 0));
        source_recorded(world, disk, block);
        return true;
    }
    world->loose[disk] &= (uint8_t)~BIT(block);
    dest_recorded(world, disk, block);
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.disk[i] == disk && world->user[i].recording)
            world->need[i] |= BIT(block);
    }
    return true;
}

bool guest_write(struct world *world, unsigned block)
{
    return write_value(world, block, false, false);
}

bool guest_zero(struct world *world, unsigned block)
{
    return write_value(world, block, true, false);
}

bool guest_discard(struct world *world, unsigned block)
{
    return write_value(world, block, true, true);
}

/* --- what users do to the source's bitmaps -------------------------------------------------------
 */

static bool may_change(const struct world *world, unsigned bitmap)
{
    return bitmap < world->settings.nr_bitmaps && world->user[bitmap].there && world->source_qemu &&
           world->guest == AT_SOURCE;
}

bool bitmap_clear(struct world *world, unsigned bitmap)
{
    if (!may_change(world, bitmap))
        return false;
    hold_note_change(world, bitmap);
    world->user[bitmap].bits = 0;
    world->shadow[bitmap].bits = 0;
    world->need[bitmap] = 0;
    memcpy(world->base[bitmap], world->source_data[world->settings.disk[bitmap]], BLOCKS);
    world->generation[bitmap]++;
    return true;
}

bool bitmap_remove(struct world *world, unsigned bitmap)
{
    if (!may_change(world, bitmap))
        return false;
    hold_note_change(world, bitmap);
    world->user[bitmap] = (struct qemu_bitmap){0};
    world->shadow[bitmap] = (struct qemu_bitmap){0};
    world->need[bitmap] = 0;
    return true;
}

bool bitmap_toggle(struct world *world, unsigned bitmap)
{
    if (!may_change(world, bitmap))
        return false;
    hold_note_change(world, bitmap);
    world->user[bitmap].recording = !world->user[bitmap].recording;
    world->shadow[bitmap].recording = world->user[bitmap].recording;
    world->gapped |= BIT(bitmap);
    return true;
}

/* The same, at the moment that is so short. */
bool bitmap_toggle_behind(struct world *world, unsigned bitmap)
{
    return world->source_action.looked && bitmap_toggle(world, bitmap);
}

/* Nobody sees it behind the look of HOLD (handoff/source.h). */
bool bitmap_merge(struct world *world, unsigned bitmap)
{
    uint8_t all = all_blocks(world);

    if (!may_change(world, bitmap) || !world->settings.recording[bitmap] || is_still(world) ||
        is_brought(world) || world->held[world->settings.disk[bitmap]].there ||
        world->source_action.to_hold >> bitmap & 1)
        return false;
    world->merged |= BIT(bitmap);
    world->user[bitmap].bits |= all;
    world->shadow[bitmap].bits |= all;
    world->need[bitmap] |= all;
    return true;
}

/* --- the mirror ----------------------------------------------------------------------------------
 */

static bool mirror_runs(const struct world *world, unsigned disk)
{
    return disk < world->settings.nr_disks && world->settings.kind == BF_HANDOFF_TRACKER &&
           world->source_qemu && world->dest_qemu &&
           (world->mirror[disk].state == MIRROR_COPYING ||
            world->mirror[disk].state == MIRROR_READY);
}

bool mirror_drained(const struct world *world, unsigned disk)
{
    return mirror_runs(world, disk) && world->mirror[disk].state == MIRROR_READY &&
           world->mirror[disk].dirty == 0 && !world->mirror[disk].flying;
}

bool mirror_start(struct world *world, unsigned disk)
{
    struct mirror *mirror = &world->mirror[disk];

    if (!mirror_runs(world, disk) || mirror->flying || mirror->dirty == 0)
        return false;
    mirror->flying = 1;
    mirror->block = (uint8_t)__builtin_ctz(mirror->dirty);
    mirror->dirty &= (uint8_t)~BIT(mirror->block);
    mirror->value = world->source_data[disk][mirror->block];
    mirror->discard =
        world->settings.passes_discards && (world->hole[disk] & BIT(mirror->block)) != 0;
    return true;
}

bool mirror_land(struct world *world, unsigned disk)
{
    struct mirror *mirror = &world->mirror[disk];
    uint8_t *data = &world->dest_data[disk][mirror->block];

    if (!mirror_runs(world, disk) || !mirror->flying)
        return false;
    mirror->flying = 0;
    if (mirror->discard && world->settings.ignores_discards)
        return true;
    if (world->settings.skips_zeroes && mirror->value == 0 && *data == 0)
        return true;
    *data = mirror->value;
    if (!mirror->unseen)
        dest_recorded(world, disk, mirror->block);
    return true;
}

static void tell_mirror(struct world *world, unsigned disk, enum bf_source_fact_kind kind)
{
    if (kind != BF_SOURCE_MIRROR_VOID || world->settings.breakage != BREAK_MIRROR_VOID_UNNOTICED)
        source_feed(world, &(struct bf_source_fact){.kind = kind, .disk = disk});
}

bool mirror_ready(struct world *world, unsigned disk)
{
    struct mirror *mirror = &world->mirror[disk];

    if (!mirror_runs(world, disk) || mirror->state != MIRROR_COPYING || mirror->dirty ||
        mirror->flying)
        return false;
    mirror->state = MIRROR_READY;
    tell_mirror(world, disk, BF_SOURCE_MIRROR_READY);
    return true;
}

bool mirror_break(struct world *world, unsigned disk)
{
    if (!mirror_runs(world, disk))
        return false;
    world->mirror[disk].state = MIRROR_BROKEN;
    world->mirror[disk].flying = 0;
    world->mirror[disk].dirty = all_blocks(world);
    tell_mirror(world, disk, BF_SOURCE_MIRROR_VOID);
    return true;
}

bool mirror_restart(struct world *world, unsigned disk)
{
    if (disk >= world->settings.nr_disks || world->mirror[disk].state != MIRROR_BROKEN ||
        world->guest != AT_SOURCE || !world->dest_qemu)
        return false;
    world->mirror[disk].state = MIRROR_COPYING;
    world->mirror[disk].dirty = all_blocks(world);
    world->mirror[disk].unseen = world->tracker[disk].there;
    return true;
}

bool mirror_end(struct world *world, unsigned disk)
{
    if (world->guest != PAUSED || !mirror_drained(world, disk))
        return false;
    world->mirror[disk].state = MIRROR_ENDED;
    return true;
}

/* --- the migration -------------------------------------------------------------------------------
 */

static bool all_mirrors(const struct world *world, enum mirror_state state)
{
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (world->mirror[i].state != state && world->settings.kind == BF_HANDOFF_TRACKER)
            return false;
    }
    return true;
}

/* Does the orchestrator wait for the helpers?  A move that has ended keeps nobody waiting. */
static bool waits_for(const struct world *world, enum bf_source_milestone milestone)
{
    return world->settings.patient && world->source.outcome != BF_OUTCOME_ABORTED &&
           (world->source_helper != HELPER_ALIVE ||
            bf_source_milestone(&world->source) < milestone);
}

bool migration_begin(struct world *world, unsigned unused)
{
    (void)unused;
    if (is_still(world) || world->migrating || world->guest != AT_SOURCE || !world->source_qemu ||
        !world->dest_qemu || world->dest_failed || !all_mirrors(world, MIRROR_READY) ||
        waits_for(world, BF_SOURCE_REACHED_INSTALLED))
        return false;
    world->migrating = 1;
    world->notices |= NOTICE_MIGRATING;
    return true;
}

bool migration_pause(struct world *world, unsigned unused)
{
    (void)unused;
    if (!world->migrating || world->guest != AT_SOURCE || !world->source_qemu ||
        !world->dest_qemu || !all_mirrors(world, MIRROR_READY))
        return false;
    world->guest = PAUSED;
    if (world->settings.sees_pause)
        world->notices |= NOTICE_PAUSED;
    return true;
}

bool migration_leave(struct world *world, unsigned unused)
{
    (void)unused;
    if (world->guest != PAUSED || !world->source_qemu || !world->dest_qemu ||
        !all_mirrors(world, MIRROR_ENDED) ||
        (world->settings.kind == BF_HANDOFF_FREEZE && world->settings.sees_pause &&
         waits_for(world, BF_SOURCE_REACHED_FROZEN)))
        return false;
    world->guest = LEFT;
    world->notices |= NOTICE_SWITCHED;
    if (world->settings.kind != BF_HANDOFF_TRACKER)
        memcpy(world->dest_data, world->source_data, sizeof world->dest_data);
    return true;
}

/* Nothing keeps QEMU from it: a bitmap of that name cannot be there before. */
static void bring_natively(struct world *world, unsigned bitmap)
{
    uint8_t native = world->settings.native[bitmap];

    if (native == NATIVE_GOOD || native > NR_NATIVES)
        bring(world, bitmap);
    else if (native == NATIVE_OLD)
        world->final[bitmap] =
            (struct qemu_bitmap){.there = 1, .recording = world->settings.recording[bitmap]};
    if (world->final[bitmap].there)
        world->final[bitmap].native = native;
}

bool migration_start(struct world *world, unsigned unused)
{
    (void)unused;
    if (world->guest != LEFT || !world->dest_qemu)
        return false;
    world->guest = AT_DEST;
    world->dest_notices |= NOTICE_RUNS;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.native[i] != NATIVE_NOT)
            bring_natively(world, i);
        else if (world->settings.stale)
            world->final[i] = (struct qemu_bitmap){.there = 1, .recording = 1, .stale = 1};
    }
    return true;
}

/* The guest stays on the source: cancelled, failed, or resumed after the destination had not. */
bool migration_cancel(struct world *world, unsigned unused)
{
    (void)unused;
    if ((world->guest != PAUSED && world->guest != LEFT &&
         (world->guest != AT_SOURCE || !world->migrating)) ||
        !world->source_qemu)
        return false;
    world->guest = AT_SOURCE;
    world->migrating = 0;
    world->notices |= NOTICE_KEPT;
    world->dest_notices |= NOTICE_FAILED;
    world->dest_failed = 1;
    for (unsigned i = 0; i < world->settings.nr_disks; i++)
        world->mirror[i].state = MIRROR_BROKEN;
    return true;
}

/* With the twin goes what shows that something was merged. */
static bool would_go_unseen(const struct world *world)
{
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->merged & BIT(i) && world->changed[i] == BF_DROP_NONE)
            return true;
    }
    return false;
}

bool source_dies(struct world *world, unsigned unused)
{
    (void)unused;
    if (!world->source_qemu || is_still(world) || would_go_unseen(world))
        return false;
    world->source_qemu = 0;
    world->notices |= NOTICE_GONE;
    memset(world->snapshot, 0, sizeof world->snapshot);
    memset(world->delta, 0, sizeof world->delta);
    memset(world->held, 0, sizeof world->held);
    memset(world->left, 0, sizeof world->left);
    memset(world->twin, 0, sizeof world->twin);
    return true;
}

bool dest_dies(struct world *world, unsigned unused)
{
    (void)unused;
    if (!world->dest_qemu || is_still(world))
        return false;
    world->dest_qemu = 0;
    world->dest_notices |= NOTICE_GONE;
    memset(world->final, 0, sizeof world->final);
    memset(world->loaded, 0, sizeof world->loaded);
    memset(world->dest_delta, 0, sizeof world->dest_delta);
    memset(world->tracker, 0, sizeof world->tracker);
    for (unsigned i = 0; i < world->settings.nr_disks; i++) {
        if (world->mirror[i].state == MIRROR_COPYING || world->mirror[i].state == MIRROR_READY) {
            world->mirror[i].state = MIRROR_BROKEN;
            tell_mirror(world, i, BF_SOURCE_MIRROR_VOID);
        }
    }
    return true;
}

/* The destination is lost after it had run, and the operator resumes the source. */
bool source_returns(struct world *world, unsigned unused)
{
    (void)unused;
    if (!world->settings.dest_may_return || world->dest_qemu || !world->source_qemu ||
        (world->guest != AT_DEST && world->guest != LEFT) || world->retired)
        return false;
    world->guest = AT_SOURCE;
    world->migrating = 0;
    world->notices |= NOTICE_KEPT;
    return true;
}

/* --- what broken helpers do later ----------------------------------------------------------------
 */

bool enable_late(struct world *world, unsigned unused)
{
    bool any = false;

    (void)unused;
    for (unsigned i = 0; i < world->settings.nr_bitmaps; i++) {
        if (world->settings.breakage == BREAK_ENABLE_LATER && world->final[i].there &&
            world->settings.recording[i] && !world->final[i].recording) {
            world->final[i].recording = 1;
            any = true;
        }
    }
    return any;
}
