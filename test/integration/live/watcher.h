/** A watch whose facts are kept until a test asks for them. */
#ifndef LIVE_WATCHER_H
#define LIVE_WATCHER_H

#include "rig.h"

enum { FACTS_MAX = 128 };

struct seen {
    struct bf_live_fact fact; /* its text is below */
    char text[64];
    bool taken;
};

struct watcher {
    struct vm *vm;
    struct bf_live_watch *watch; /* the same as vm->watch */
    struct seen facts[FACTS_MAX];
    unsigned nr_facts;
};

/** Disks "d0", "d1", ... on @nodes (NULL at the end). */
void watcher_start(struct watcher *watcher, struct vm *vm, const char *const nodes[]);
void watcher_stop(struct watcher *watcher);

/** The next fact of that kind that was not taken yet, or NULL. */
const struct seen *watcher_take(struct watcher *watcher, enum bf_live_fact_kind kind);
/** The same, awaited. */
const struct seen *watcher_await(struct watcher *watcher, enum bf_live_fact_kind kind);
void watcher_await_migration(struct watcher *watcher, enum bf_live_migration migration);

/** Let QEMU be looked at for so long. */
void watcher_go_on(struct watcher *watcher, uint64_t for_ms);

#endif
