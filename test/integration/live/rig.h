/** Real QEMUs without a guest, and the live layer's operations step by step. */
#ifndef LIVE_RIG_H
#define LIVE_RIG_H

#include "live/clean.h"
#include "live/load.h"
#include "live/measure.h"
#include "live/spill.h"
#include "live/survey.h"
#include "live/transaction.h"
#include "live/watch.h"

#include "carrier/reader.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    AMPLE_MS = 30000, /* for what is expected to happen */
    SHORT_MS = 200,   /* for what must not happen */
    DISK_BYTES = 64 << 20,
    GRANULE_BYTES = 64 << 10,
    VMS_MAX = 2,
};

#define RIG_UUID "5c0ffee0-0000-4000-8000-00000000000f"
#define RIG_TAG  "0123456789abcdef0123456789abcdef"
#define OURS     "bitferry-tmp." RIG_TAG "."

struct vm {
    struct rig *rig;
    pid_t pid; /* 0: none */
    char socket_path[64];
    struct bf_live *live;
    struct bf_live_watch *watch; /* of a watcher; freed with the session where a test failed */
    bool answered;               /* `ready` was called */
    struct bf_error ready_err;
    unsigned nr_closed;
};

struct rig {
    uv_loop_t loop;
    char folder[32];
    struct vm vms[VMS_MAX];
};

/** How an operation ended. */
struct outcome {
    bool done;
    enum bf_live_end end;
    struct bf_error err;
};

int rig_set_up(void **state);
/** Kills, closes, and fails where the loop cannot be closed or a file of ours is left. */
int rig_tear_down(void **state);

/** FOLDER/NAME into a static buffer of 8. */
const char *rig_path(const struct rig *rig, const char *name);
void rig_run(const char *const argv[]); /* to its end, which must be 0 */
/** A qcow2 image of DISK_BYTES at FOLDER/NAME. */
void rig_make_image(const struct rig *rig, const char *name);

void vm_spawn(struct vm *vm, const char *const more[]);
/** Opens a session; *ready_err tells how that went. */
void vm_open(struct vm *vm, const char *uuid, const char *start);
/** Both, with success. */
void vm_start(struct vm *vm, const char *const more[]);
void vm_signal(struct vm *vm, int number); /* SIGSTOP and SIGKILL: waits for its effect */
void vm_reap(struct vm *vm);               /* it ends by itself */
void vm_close(struct vm *vm);

json_t *vm_call(struct vm *vm, const char *command, json_t *arguments); /* new reference */
void vm_do(struct vm *vm, const char *command, json_t *arguments);
void vm_add_disk(struct vm *vm, const char *node, const char *image);
/** With a backend "guest-NODE" on it, as a guest's device has one.  A mirror copies what goes
 *  through the backend; what is written to the node itself it misses (QEMU 10.0, not 7.2). */
void vm_add_guest_disk(struct vm *vm, const char *node, const char *image);
void vm_add_bitmap(struct vm *vm, const char *node, const char *name, bool persistent,
                   bool recording);
/** @disk: a backend or a node. */
void vm_write(struct vm *vm, const char *disk, unsigned first_granule, unsigned nr_granules);

void outcome_take(void *ctx, enum bf_live_end end,
                  const struct bf_error *err); /* bf_live_done_fn */
void outcome_await(struct vm *vm, struct outcome *outcome);
void expect_done(struct vm *vm, struct outcome *outcome);
void expect_end(struct vm *vm, struct outcome *outcome, enum bf_live_end end, enum bf_code code,
                const char *part_of_text);

/** Takes @actions over. */
void run_actions(struct vm *vm, struct bf_live_actions *actions);
void snapshot(struct vm *vm, const char *node, const char *name, const char *source);
void measure(struct vm *vm, const struct bf_live_place *places, uint32_t nr_places,
             struct bf_live_measure *ret_measures);
struct bf_live_measure measure_one(struct vm *vm, const char *node, const char *name);
struct bf_live_survey survey(struct vm *vm, const struct bf_live_disk_wish *disks,
                             uint32_t nr_disks);
void clean(struct vm *vm);
/** Nothing that is ours is in QEMU. */
void expect_nothing_of_ours(struct vm *vm);

/** Run the loop until *@flag. */
void await_flag(struct vm *vm, const bool *flag);

#endif
