/** One move as bitferry-dest drives it: the pure machine of handoff/dest.h, and what it is
 * connected to.
 *
 *     driver.c   begins, resumes, ends        exchange.c   where sources call, and whom they mean
 *     pump.c     facts in, wishes out         talk.c       words with the source, deadlines
 *     facts.c    what happens in QEMU         stream.c     QEMU's own transfer of bitmaps
 *     wish.c     what is under way            items.c      what a round is about
 *     images.h   all of it for a machine that is shut off
 *     place.c, modes.c, below.c, arm.c, pull.c, early.c, load.c, inspect.c, native.c, publish.c,
 * clean.c what a wish wants
 */
#ifndef DEST_DRIVE_H
#define DEST_DRIVE_H

#include "daemon/driver.h"
#include "drive/carriers.h"
#include "drive/fetch.h"
#include "drive/ledger.h"
#include "drive/offer.h"
#include "drive/peer_settings.h"
#include "drive/qemu.h"
#include "drive/words.h"
#include "handoff/dest.h"

struct dest_caller;
struct dest_images;

/** Where a snapshot or a delta can be fetched; as the source said last. */
struct dest_exports {
    char *uri;     /* of the server */
    char **names;  /* per bitmap; NULL: none */
    char **deltas; /* per disk; NULL: none */
};

/** What the last look at QEMU found; see handoff/dest.h, BF_DEST_INSPECTED. */
struct dest_found {
    uint8_t *bitmaps; /* BF_FOUND_..., per bitmap */
    bool trackers, deltas, guest_runs;
};

/** Has what QEMU brought all that we have? */
enum dest_proven {
    DEST_UNCOMPARED,
    DEST_PROVEN,
    DEST_SHORT,
};

struct dest_drive {
    struct bf_move *move;
    uv_loop_t *loop;
    const struct bf_config *config;
    uint8_t uuid[BF_RPC_ID_BYTES];

    struct bf_offer offer;
    struct bf_dest machine;
    bool offered;               /* the offer is durable */
    bool placed;                /* its disks are found in this QEMU, or known not to be there */
    struct bf_live_survey here; /* place.c: the disks among which they were looked for */
    bool begun;                 /* and there is a machine */
    struct bf_ledger ledger;
    struct dest_exports exports;
    uint32_t announced_epoch; /* in the journal that was read; 0: nothing */

    struct bf_qemu *qemu;       /* of a machine that runs, or NULL */
    struct dest_images *images; /* images.h: of one that is shut off, or NULL */
    struct dest_caller *caller; /* the source, while it is connected */
    char *source_name;          /* of its certificate; NULL: it has not called this daemon yet */
    uint64_t silent_since_ms;   /* when it was not */
    uint64_t farewell_ms;       /* until then it may call to hear the end; 0: not ended */
    uv_timer_t tick;
    uv_timer_t again; /* what was busy is tried again */
    unsigned nr_open; /* timers, until the drive can be freed */

    /* The wish that is out.  An operation that was begun for an older one is let come to its end
     * first. */
    struct bf_dest_wish wish;
    bool wish_open;
    bool wish_started;
    uint64_t wish_ms;
    bool busy; /* an operation is under way, for op_ticket */
    uint32_t op_ticket;
    struct bf_live_op *op; /* it can be stopped by this; or NULL */
    struct bf_fetch *fetch;
    uint8_t *early;       /* early.c: per bitmap, or disk, of the round */
    bool early_busy;      /* one of them is being loaded; then op is that */
    bool early_lost;      /* QEMU has not answered: what is there is to be looked at */
    json_t *exports_seen; /* ARM: of QEMU's NBD server */
    uint32_t cursor;      /* how far a wish of many steps is */
    uint8_t *drops;       /* of the wish, one per bitmap */
    struct dest_found found;
    void (*again_step)(struct dest_drive *drive);
    void (*placed_step)(struct dest_drive *drive);
    void (*swept_step)(struct dest_drive *drive);
    void (*proven_step)(struct dest_drive *drive);
    void (*loaded_step)(struct dest_drive *drive);
    uint8_t *proven;    /* native.c: enum dest_proven, per bitmap */
    unsigned nr_proofs; /* brought.c: how often loading what proves was begun */

    bool pumping;
    bool stream_set; /* modes.c: the capability is ours */
    /* what QEMU is known to do */
    bool waits;     /* for the guest, and has all the while since we are connected */
    bool guest_ran; /* it was seen running here */

    bool ended;
    bool freed;
    struct bf_error why;     /* more than the machine's reason says */
    struct dest_drive *next; /* exchange.c: of all */
    void (*closed)(struct bf_move *move);
};

/* --- pump.c --- */

/** Feed a fact and carry out what follows. */
void dest_feed(struct dest_drive *drive, const struct bf_dest_fact *fact);
void dest_tell(struct dest_drive *drive, enum bf_dest_fact_kind kind);

/** Answer the wish that is out, with drive->drops. */
void dest_answer(struct dest_drive *drive, enum bf_dest_fact_kind kind);
void dest_answer_armed(struct dest_drive *drive, bool before_guest);
void dest_answer_inspected(struct dest_drive *drive);

void dest_end(struct dest_drive *drive, enum bf_move_state state, const struct bf_error *err);
void dest_pump(struct dest_drive *drive);

/* --- wish.c --- */

/** Begin with the wish that is out as soon as QEMU is there and free. */
void dest_try_wish(struct dest_drive *drive);

/** An operation was begun for the wish that is out. */
void dest_op_began(struct dest_drive *drive);

/** It has ended.  Is its result still wanted? */
bool dest_op_ended(struct dest_drive *drive);

/** It ended in doubt: only a new connection to QEMU makes sure that nothing is under way. */
void dest_doubt(struct dest_drive *drive);

/** It could not be carried out, but can be repeated: so it is, over a new connection. */
void dest_repeat(struct dest_drive *drive);

/** Try @step again in a while; its place is held. */
void dest_again(struct dest_drive *drive, void (*step)(struct dest_drive *drive));

/* --- driver.c --- */

/** The first OFFER has come: make it durable, then begin. */
void dest_begin(struct dest_drive *drive, const Bitferry__Envelope *envelope);

/** A timer, thread or work of the drive is closed. */
void dest_closed_one(struct dest_drive *drive);

/* --- exchange.c --- */

/** Listen, if that is not so yet.  Errors: as of bf_peer_settings_load() and bf_rpc_listen(). */
int dest_exchange_open(uv_loop_t *loop, const struct bf_config *config, struct bf_error *err);
void dest_exchange_close(void);

/** Whom to ask for a move that a source announces (config->may_announce).  Both outlive the
 * exchange. */
void dest_exchange_set_host(const struct bf_config *config, const struct bf_driver_host *host);

/** Read the certificates anew, for whoever calls from now on.  Errors: likewise; nothing has
 * changed unless the port is lost. */
int dest_exchange_reload(uv_loop_t *loop, const struct bf_config *config, struct bf_error *err);
void dest_exchange_add(struct dest_drive *drive);
void dest_exchange_remove(struct dest_drive *drive);

/** The newest; they are never freed. */
const struct bf_peer_settings *dest_settings(void);

/** Errors: PEER when the source is not connected. */
int dest_caller_send(struct dest_caller *caller, const Bitferry__Envelope *envelope,
                     struct bf_error *err);
const char *dest_caller_host(const struct dest_caller *caller);
const char *dest_caller_name(const struct dest_caller *caller);

/* --- former.c --- */

/** Keep what a source may ask later of a move that has ended; takes its offer away. */
void dest_former_keep(struct dest_drive *drive);

/** A word of a move that is not under way here.  False: it never was, as far as is known. */
bool dest_former_answer(struct dest_caller *caller, const Bitferry__Envelope *envelope);
void dest_former_forget(void);

/* --- talk.c --- */

void dest_say(struct dest_drive *drive, const struct bf_word *word);

/** @envelope is of this move, or an OFFER for its VM. */
void dest_hear(struct dest_drive *drive, const Bitferry__Envelope *envelope);

/** What an EXPORTS record of the journal says; @ctx is the drive. */
int dest_take_announcements(void *ctx, const Bitferry__Envelope *envelope);
void dest_forget_announcements(struct dest_drive *drive);
void dest_on_tick(uv_timer_t *timer);

/* --- facts.c --- */

extern const struct bf_qemu_handlers dest_qemu_handlers; /* its ctx is to be set */

/** By what query-status says, and what was seen before: may the guest have run here? */
bool dest_may_have_run(struct dest_drive *drive, const char *status);

/** query-status, then @done, as an operation.  False: it could not be asked. */
bool dest_query_status(struct dest_drive *drive, bf_qmp_reply_fn done);

/* --- stream.c --- */

/** Modes are decided: tell QEMU what it is to take in by itself.  @here: of this QEMU. */
void dest_set_up_stream(struct dest_drive *drive, const struct bf_vm_facts *here);
void dest_put_stream_back(struct dest_drive *drive);

/** Bitmaps of a former visit that QEMU's own transfer would fail on; then again_step. */
void dest_remove_colliding(struct dest_drive *drive);

/* --- one wish each; all are called with QEMU connected, but for the last four --- */

/** Find the disks of the offer in QEMU, then @next.  Bitmaps that have no place are in
 *  drive->drops. */
void dest_place(struct dest_drive *drive, void (*next)(struct dest_drive *drive));
/** Are there checkpoints to be defined in libvirt?  dest_define() does so, as the first part of
 * CLEAN in TIDYING. */
bool dest_defines(const struct dest_drive *drive);
void dest_define(struct dest_drive *drive);

/** Tell what becomes of the bitmaps of images below, which the offer does not count.  @here: this
 *  disk, of a document of facts. */
void dest_report_below(struct dest_drive *drive, uint32_t index, const struct bf_disk_plan *plan,
                       const struct bf_disk_facts *source, const struct bf_disk_facts *dest,
                       const json_t *here);

/** The disk number @index of the offer is the one that is called @name here; NULL: it is not here.
 *  False: no memory. */
bool dest_place_disk(struct dest_drive *drive, uint32_t index, const char *name);

/** Why the bitmap number @index has no place; BF_DROP_NONE: it has one. */
enum bf_drop dest_judge_place(const struct bf_offer *offer, uint32_t index);

/** Decide which disk each is and how it goes, behind dest_place(); then again_step. */
void dest_choose_modes(struct dest_drive *drive);
void dest_arm(struct dest_drive *drive);
void dest_load(struct dest_drive *drive);
void dest_remove_stale(struct dest_drive *drive);
void dest_commit(struct dest_drive *drive);
void dest_read_back(struct dest_drive *drive);
void dest_unpublish(struct dest_drive *drive);

/** Tell people that the commit waits for somebody who uses a bitmap here; @err: what QEMU says. */
void dest_warn_in_use(struct dest_drive *drive, const struct bf_error *err);
void dest_inspect(struct dest_drive *drive);
void dest_inspect_brought(struct dest_drive *drive); /* in place of it, of BF_HANDOFF_NATIVE */

/** What was fetched to prove bitmaps that QEMU brings, into this QEMU; then @next.  Each that is
 *  there is told to dest_note_proof(); @index: of a bitmap, of a disk in BF_ROUND_DELTA. */
void dest_load_proofs(struct dest_drive *drive, enum bf_round round,
                      void (*next)(struct dest_drive *drive));
void dest_note_proof(struct dest_drive *drive, uint32_t index,
                     const struct bf_live_measure *measure);

/** Is it known what was written on the disk until the guest was paused?  Nothing at all? */
bool dest_has_delta(const struct dest_drive *drive, uint32_t disk);
bool dest_is_delta_empty(const struct dest_drive *drive, uint32_t disk);

/** Compare what QEMU brought (BF_FOUND_NATIVE) with the snapshot and the delta, as far as found:
 *  drive->proven says what came of it.  Then @next. */
void dest_prove_natives(struct dest_drive *drive, void (*next)(struct dest_drive *drive));
void dest_pull(struct dest_drive *drive);
void dest_clean(struct dest_drive *drive); /* CLEAN and UNDO */
void dest_stop_pull(struct dest_drive *drive);

/* --- pull.c, early.c, load.c among themselves --- */

/** The fetch or a load beside it has come to its end: when both have, so has the wish. */
void dest_pull_settle(struct dest_drive *drive);

/** This one is there, and right: load it as soon as QEMU has the one before. */
void dest_early_pulled(struct dest_drive *drive, uint32_t index);

/** It was tried, at least: LOAD proves it. */
bool dest_early_was_loaded(const struct dest_drive *drive, uint32_t index);
void dest_early_forget(struct dest_drive *drive);
size_t dest_nr_early(const struct dest_drive *drive);

/** Errors: as of bf_live_load(). */
int dest_load_item(struct dest_drive *drive, uint32_t index, bf_live_done_fn done);
void dest_report_load(struct dest_drive *drive, const struct bf_error *err);

/* --- items.c --- */

/** Is @index (of a bitmap; of a disk for DELTA) to be pulled and loaded in the wish's round? */
bool dest_wants(const struct dest_drive *drive, uint32_t index);
uint32_t dest_nr_items(const struct dest_drive *drive);
uint32_t dest_disk_of(const struct dest_drive *drive, uint32_t index);
uint64_t dest_granularity_of(const struct dest_drive *drive, uint32_t index);
void dest_drop_item(struct dest_drive *drive, uint32_t index, enum bf_drop reason);

/** The final name's node, "" if there is none. */
const char *dest_node_of(const struct dest_drive *drive, uint32_t bitmap);

#endif
