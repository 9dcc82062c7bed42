/** One move as bitferry-source drives it: the pure machine of handoff/source.h, and what it is
 *  connected to.
 *
 *     driver.c   begins, resumes, ends          talk.c    words with the destination, deadlines
 *     pump.c     facts in, wishes out           facts.c   what happens in QEMU
 *     images.h   the same for a machine that is shut off
 *     offer.c, snapshot.c, drain.c, inspect.c, serve.c, hold.c, examine.c, retire.c, clean.c: one
 *         wish each
 *     put_back.c   what HOLD did is undone by CLEAN
 *     stream.c, repair.c   what there is to do about QEMU's own transfer of bitmaps
 */
#ifndef SOURCE_DRIVE_H
#define SOURCE_DRIVE_H

#include "daemon/driver.h"
#include "drive/ledger.h"
#include "drive/offer.h"
#include "drive/peer_settings.h"
#include "drive/qemu.h"
#include "drive/server.h"
#include "drive/words.h"
#include "handoff/source.h"

#include <stdatomic.h>

/** kept.c: are the deltas in the images too? */
enum source_kept {
    SOURCE_KEEPS_NOTHING, /* not yet, at least */
    SOURCE_KEPT,
    SOURCE_NOT_KEPT,
};

/** SNAPSHOT is many commands: how far the last one came. */
struct source_snapping {
    uint32_t epoch;
    enum bf_round round;
    bool begun; /* something of it may be in QEMU */
    bool whole; /* QEMU has done all of it */
};

struct source_drive;
struct source_reading;
struct source_images;

/** checkpoints.c: what libvirt was asked, in a thread. */
struct source_domain {
    struct bf_checkpoints checkpoints;
    char **definitions;
    struct bf_error err;
    void (*then)(struct source_drive *drive);
};

/** The record that is being written, and the one that waits. */
struct source_journal {
    uv_work_t work;
    struct source_drive *drive;
    uint32_t ticket;
    enum bf_mark mark;
    uint8_t *bytes;
    size_t nr_bytes;
    struct bf_error err;
    bool busy;
    bool waits;
    struct bf_source_wish next;
};

/** Has QEMU opened it before (prepare.c)? */
enum source_opened {
    SOURCE_NOT_OPENED,
    SOURCE_OPENED,
    SOURCE_SPILLED, /* and written once; it reads it still */
};

struct source_drive {
    struct bf_move *move;
    uv_loop_t *loop;
    const struct bf_config *config;
    char host[BF_RPC_HOST_MAX_BYTES + 1];
    uint16_t port;
    uint8_t uuid[BF_RPC_ID_BYTES];

    struct bf_offer offer;
    struct bf_source_disk *disks; /* the machine's */
    struct bf_source machine;
    bool begun; /* there is an offer and a machine */
    struct bf_ledger ledger;

    struct bf_qemu *qemu;         /* of a machine that runs, or NULL */
    struct source_images *images; /* images.h: of one that is shut off, or NULL */
    struct bf_rpc_peer *peer;
    bool peer_open;
    bool heard;         /* a word of this move, ever */
    bool answered;      /* ... since the connection was made */
    uint64_t opened_ms; /* when that was */
    uint64_t peer_lost_ms;
    uint64_t farewell_ms; /* until then the destination may hear the end; 0: not ended */
    bool farewell_said;
    struct bf_server *server;
    uv_timer_t tick;
    uv_timer_t again; /* what was busy is tried again */
    uv_work_t work;   /* what blocks is done in a thread */
    atomic_bool work_stop;
    unsigned nr_open; /* timers, work, processes: until the drive can be freed */

    /* The wish that is out.  An operation that was begun for an older one is let come to its end
     * first. */
    struct bf_source_wish wish;
    bool wish_open;
    bool wish_started;
    uint64_t wish_ms; /* when it was */
    bool busy;        /* an operation is under way, for op_ticket */
    uint32_t op_ticket;
    struct bf_live_op *op; /* it can be stopped by this; or NULL */
    uint32_t cursor;       /* how far a wish of many steps is */
    size_t run_at;         /* how far bf_live_run_each() is */
    uint8_t *drops;        /* of the wish, one per bitmap */
    bool *marked;          /* HOLD, one per disk */
    struct source_snapping snapping;
    struct source_reading *reading; /* SERVE, by block status */
    bool no_spill;                  /* nothing else would do */
    uint8_t *opened;        /* per bitmap, an enum source_opened: the carrier of its snapshot */
    uint32_t serving_epoch; /* whose carriers nbdkit knows; 0: none */
    bool behind; /* SERVE: it is answered, and the carriers that are still to come are written */
    enum source_kept kept; /* of this epoch */
    char migration[32];    /* INSPECT: query-migrate said */
    void (*again_step)(struct source_drive *drive);
    void (*work_step)(struct source_drive *drive);
    void (*work_then)(struct source_drive *drive);

    struct source_journal journal;
    struct source_domain domain;

    /* stream.c, repair.c */
    uint64_t downtime_limit_ms, bandwidth_bytes_s; /* of QEMU's migration, when we began */
    bool mapped_before; /* block-bitmap-mapping was set, or nobody knows: it is not ours to set */
    bool stream_set;    /* the capability is ours */
    bool repaired;
    bool put_back_transient; /* nothing else would do */

    uint64_t said_ms;  /* the last word */
    uint64_t state_ms; /* when the machine came into its state */
    bool pumping;
    /* what QEMU is known to do */
    bool postmigrate; /* its run state */
    bool migrating;   /* seen: what fails or completes from now on is this migration */
    bool completed;   /* it says so, but perhaps of the one by which the guest once came here */
    bool paused;      /* as of PAUSED */
    bool left;        /* as of SWITCHED */

    bool ended;
    bool freed;
    struct bf_error why; /* more than the machine's reason says */
    void (*closed)(struct bf_move *move);
};

/* --- pump.c --- */

/** Feed a fact and carry out what follows. */
void source_feed(struct source_drive *drive, const struct bf_source_fact *fact);
void source_tell(struct source_drive *drive, enum bf_source_fact_kind kind);

/** Answer the wish that is out, with drive->drops. */
void source_answer(struct source_drive *drive, enum bf_source_fact_kind kind);
void source_answer_held(struct source_drive *drive, bool held);
void source_answer_inspected(struct source_drive *drive, enum bf_source_guest guest,
                             bool snapshots_found);

/** Begin with the wish that is out as soon as QEMU is there and free. */
void source_try_wish(struct source_drive *drive);

/** An operation was begun for the wish that is out. */
void source_op_began(struct source_drive *drive);

/** It has ended.  Is its result still wanted? */
bool source_op_ended(struct source_drive *drive);

/** It ended in doubt: only a new connection to QEMU makes sure that nothing is under way. */
void source_doubt(struct source_drive *drive);

/** It could not be carried out, but can be repeated: so it is, over a new connection. */
void source_repeat(struct source_drive *drive);

/** Try @step again in a while; its place is held. */
void source_again(struct source_drive *drive, void (*step)(struct source_drive *drive));

/** Run @work in a thread, which reads of @drive what does not change while a wish is out, and
 * writes only what is the wish's own; then @step in the loop, if it is still wanted. */
void source_work(struct source_drive *drive, void (*work)(struct source_drive *drive),
                 void (*step)(struct source_drive *drive));

void source_end(struct source_drive *drive, enum bf_move_state state, const struct bf_error *err);
void source_pump(struct source_drive *drive);

/* --- driver.c --- */

/** The offer is known for the first time: make it durable, then begin. */
void source_begin(struct source_drive *drive);

/** A timer, process or work of the drive is closed. */
void source_closed_one(struct source_drive *drive);

/* --- talk.c --- */

void source_say(struct source_drive *drive, const struct bf_word *word);
void source_on_tick(uv_timer_t *timer);

/** Call the destination, unless that is being done or is of no use any more. */
void source_call(struct source_drive *drive);
void source_hang_up(struct source_drive *drive);

/** Certificates, once for the whole process, or @anew. */
int source_load_settings(const struct bf_config *config, bool anew, struct bf_error *err);

/** The newest. */
const struct bf_peer_settings *source_settings(void);

/* --- facts.c --- */

int source_open_qemu(struct source_drive *drive, struct bf_error *err);
void source_start_watch(struct source_drive *drive);

/** For people, how far the mirrors are. */
void source_show_mirrors(struct source_drive *drive);

/** Where the guest is, from the answers to query-migrate and query-status. */
enum bf_source_guest source_guest_of(const char *migration, const char *run_state);

/* --- checkpoints.c --- */

/** The offer has its disks and bitmaps: add the checkpoints, then source_begin(). */
void source_complete_offer(struct source_drive *drive);

/** The destination has told what became of the definitions. */
void source_take_fates(struct source_drive *drive, const ProtobufCBinaryData *fates);

/** Those that are settled go from the libvirt here; then @then.  Part of the wish that is out. */
void source_forget_definitions(struct source_drive *drive,
                               void (*then)(struct source_drive *drive));
void source_release_domain(struct source_drive *drive);

/* --- journal.c --- */

void source_journal(struct source_drive *drive, const struct bf_source_wish *wish);

/* --- phases.c --- */

/** For people: "waiting for the mirrors". */
const char *source_phase(enum bf_source_state state);

/* --- carriers.c --- */

enum { SOURCE_PATH_BYTES = 512 };

/** A folder in memory that QEMU can enter.  Errors: PERMISSION, IO, ... */
int source_carriers_begin(struct source_drive *drive, struct bf_error *err);
void source_carrier_path(const struct source_drive *drive, enum bf_round round, uint32_t index,
                         char buf[SOURCE_PATH_BYTES]);
/** The same while it is being written, and giving it its name when it is whole.  Errors: IO. */
void source_carrier_draft(const struct source_drive *drive, enum bf_round round, uint32_t index,
                          char buf[SOURCE_PATH_BYTES]);
int source_carrier_publish(const struct source_drive *drive, enum bf_round round, uint32_t index,
                           struct bf_error *err);
void source_carrier_delete(const struct source_drive *drive, enum bf_round round, uint32_t index);
/** There will be none: whoever waits for it is refused. */
void source_carrier_spoil(const struct source_drive *drive, enum bf_round round, uint32_t index);
/** For an NBD server of QEMU; in a folder of QEMU's own user. */
void source_carrier_socket(const struct source_drive *drive, char buf[SOURCE_PATH_BYTES]);
void source_carriers_delete(struct source_drive *drive);

/* --- leftover.c --- */

/** The copies that are left here, as notes on the bitmaps: of a move that was carried and could not
 *  remove them, or that nobody confirmed. */
void source_tell_leftovers(struct source_drive *drive);

/* --- one wish each --- */

void source_survey_offer(struct source_drive *drive);
void source_snapshot(struct source_drive *drive);
/** Does SNAPSHOT give each bitmap its twin? */
bool source_takes_twins(const struct source_drive *drive);
bool source_reads_early(const struct source_drive *drive); /* early.c */
/** prepare.c: the last part of CLEAN before an offer; ends with its answer. */
void source_prepare(struct source_drive *drive);
/** Is there anything to prepare?  Else the mirrors may begin. */
bool source_can_prepare(const struct source_drive *drive);
/** The node into which @bitmap's snapshot is to be spilled, for once; NULL: a new one. */
const char *source_open_carrier(const struct source_drive *drive, uint32_t bitmap,
                                char buf[BF_LIVE_NODE_NAME_MAX + 1]);
/** Has each snapshot a carrier that is open? */
bool source_is_prepared(const struct source_drive *drive);

/** Has QEMU done all that the last SNAPSHOT of this epoch and round wanted? */
bool source_snapshot_is_whole(const struct source_drive *drive);
void source_watch_drain(struct source_drive *drive);
void source_inspect(struct source_drive *drive);
void source_serve(struct source_drive *drive);
void source_hold(struct source_drive *drive);
void source_examine(struct source_drive *drive);
void source_retire(struct source_drive *drive);
void source_clean(struct source_drive *drive);

/* --- hold.c --- */

uint64_t source_nr_bits(const struct source_drive *drive, uint32_t index);

/* --- put_back.c: both end with source_clean_on() --- */

void source_put_back(struct source_drive *drive);

/** QEMU has ended: which bitmaps are not in the images? */
void source_tell_lost(struct source_drive *drive);

/* --- clean.c --- */

void source_clean_on(struct source_drive *drive);

/* --- stream.c --- */

/** Modes are known: tell QEMU what it is to carry by itself. */
void source_set_up_stream(struct source_drive *drive);
void source_put_stream_back(struct source_drive *drive);

/* --- repair.c --- */

bool source_needs_repair(const struct source_drive *drive);

/** Then source_clean() again. */
void source_repair(struct source_drive *drive);

/* --- items.c: what a round is about, bitmaps or, for the deltas, disks --- */

uint32_t source_nr_items(const struct source_drive *drive);
bool source_item_wanted(const struct source_drive *drive, uint32_t item); /* not dropped either */
bool source_any_item_wanted(const struct source_drive *drive);
void source_item_drop(struct source_drive *drive, uint32_t item, enum bf_drop reason);
bool source_item_is_empty(const struct source_drive *drive, uint32_t item); /* not to be read */
bool source_must_not_export(const struct source_drive *drive); /* not by block status either */
uint32_t source_item_disk(const struct source_drive *drive, uint32_t item);
uint64_t source_item_granularity(const struct source_drive *drive, uint32_t item);
uint64_t source_item_bytes(const struct source_drive *drive, uint32_t item); /* packed */
struct bf_known *source_item_known(struct source_drive *drive, uint32_t item);
const char *source_item_temporary(const struct source_drive *drive, uint32_t item,
                                  char buf[BF_TEMPORARY_NAME_MAX + 1]);
void source_item_progress(struct source_drive *drive, uint32_t item, uint64_t done_bytes,
                          uint64_t total_bytes);

/** For people, what is to be known of a bitmap. */
void source_note(struct source_drive *drive, uint32_t bitmap, const char *text);

/** The carriers of all wanted items are written: serve them, and answer the wish. */
void source_serve_carriers(struct source_drive *drive);

/** kept.c: copy the deltas to where QEMU stores them, if now is the time; SERVE of those. */
void source_keep_deltas(struct source_drive *drive);
void source_serve_kept(struct source_drive *drive);

/** QEMU takes back the images that are surely others than the destination's; @done unlinks
 *  source_carrier_socket(), whose folder must be there. */
int source_activate(struct source_drive *drive, bf_live_done_fn done);

/** RETIRE, where nobody has the images open. */
void source_retire_stored(struct source_drive *drive);

/* --- serve.c, deltas.c and read.c among themselves --- */

void source_serve_refuse(struct source_drive *drive, const char *doing, const struct bf_error *err);
void source_serve_answer(struct source_drive *drive);

/** They stop recording; then source_serve_measure(), which then reads. */
void source_end_deltas(struct source_drive *drive);
void source_serve_measure(struct source_drive *drive);

/** Read the item at drive->cursor, or the next one that is wanted; in the end answer the wish. */
void source_read_next(struct source_drive *drive);

/* --- read.c's two ways to read one item --- */

/** Both end with source_read_ended(); @err NULL: the carrier of drive->cursor is written, as a
 * draft.  Or with source_read_lost(): QEMU has not answered. */
void source_read_spill(struct source_drive *drive);
void source_read_block_status(struct source_drive *drive);
void source_read_ended(struct source_drive *drive, const struct bf_error *err);
void source_read_lost(struct source_drive *drive);

/* --- examine.c --- */

/** What became of it. */
enum bf_drop source_judge(const struct source_drive *drive, uint32_t index,
                          const struct bf_live_measure *found);

/** State and count of all offered bitmaps. */
int source_measure_own(struct source_drive *drive, enum bf_live_digests digests,
                       bf_live_measure_fn done);

/* --- appeared.c --- */

/** Bitmaps of disks of the offer; disks that are not in it, where all were meant. */
void source_report_new_bitmaps(struct source_drive *drive, const struct bf_live_survey *seen);
void source_report_new_disks(struct source_drive *drive, const struct bf_live_survey *seen);

/* --- compare.c --- */

/** Where QEMU gives no digests: what became of frozen bitmaps that are UNSEEN in drive->drops, then
 *  @next. */
void source_compare(struct source_drive *drive, void (*next)(struct source_drive *drive));

/* --- look.c --- */

/** One look at all disks of the offer.  Errors: as of bf_live_survey(). */
int source_look(struct source_drive *drive, bf_live_survey_fn done);
const struct bf_live_bitmap *source_find(const struct source_drive *drive,
                                         const struct bf_live_survey *seen, uint32_t disk,
                                         const char *name);
const struct bf_live_bitmap *source_find_temporary(const struct source_drive *drive,
                                                   const struct bf_live_survey *seen,
                                                   enum bf_temporary_kind kind, uint32_t index);

/** How many bits has the twin of each bitmap?  In one look QEMU counts both at the same moment. */
void source_note_twins(struct source_drive *drive, const struct bf_live_survey *seen);
void source_forget_twins(struct source_drive *drive);

#endif
