/** The two QEMUs, the guest and the mirror of the simulated world. */
#ifndef QEMU_H
#define QEMU_H

#include "world.h"

enum notice {
    NOTICE_PAUSED = 1,
    NOTICE_SWITCHED = 2,
    NOTICE_KEPT = 4,
    NOTICE_GONE = 8,
    NOTICE_RUNS = 16,
    NOTICE_FAILED = 32,
    NOTICE_MIGRATING = 64,
};

void broken(struct world *world, const char *what);

/* each returns false when it cannot happen now */
bool guest_write(struct world *world, unsigned block);
bool guest_zero(struct world *world, unsigned block);
bool guest_discard(struct world *world, unsigned block);
bool bitmap_clear(struct world *world, unsigned bitmap);
bool bitmap_remove(struct world *world, unsigned bitmap);
bool bitmap_toggle(struct world *world, unsigned bitmap);
bool bitmap_merge(struct world *world, unsigned bitmap);
bool bitmap_toggle_behind(struct world *world, unsigned bitmap);
bool mirror_start(struct world *world, unsigned disk);
bool mirror_land(struct world *world, unsigned disk);
bool mirror_ready(struct world *world, unsigned disk);
bool mirror_break(struct world *world, unsigned disk);
bool mirror_restart(struct world *world, unsigned disk);
bool mirror_end(struct world *world, unsigned disk);
bool migration_begin(struct world *world, unsigned unused);
bool migration_pause(struct world *world, unsigned unused);
bool migration_leave(struct world *world, unsigned unused);
bool migration_start(struct world *world, unsigned unused);
bool migration_cancel(struct world *world, unsigned unused);
bool source_dies(struct world *world, unsigned unused);
bool dest_dies(struct world *world, unsigned unused);
bool source_returns(struct world *world, unsigned unused);
bool enable_late(struct world *world, unsigned unused);

bool mirror_drained(const struct world *world, unsigned disk);

#endif
