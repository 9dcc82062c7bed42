/** A move as this daemon sees it, and the list of them all.
 *
 * Nothing but facts: the driver sets them, clients see them.  Who must know of a change (waiting
 * clients, the journal) hears of it by moves->changed() and moves->ended().
 */
#ifndef DAEMON_MOVE_H
#define DAEMON_MOVE_H

#include "base/error.h"
#include "daemon/plan.h"
#include "daemon/role.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/** Phases of a source, in this order: until it has seen what its machine has, which may not be
 *  migrated before that; and until the destination has answered. */
#define BF_PHASE_LOOKING   "looking at QEMU"
#define BF_PHASE_BEGINNING "beginning"
#define BF_PHASE_OFFERING  "waiting for the destination"

enum {
    BF_MOVE_ID_CHARS = 32, /* 128 random bits in hexadecimal: none can be guessed */
    BF_MOVE_HOOK_MAX_BYTES = 63,
};

/** under way -> one of the others; never back. */
enum bf_move_state {
    BF_MOVE_UNDER_WAY,
    BF_MOVE_COMMITTED,   /* the end that was wanted; single bitmaps may be dropped */
    BF_MOVE_FAILED,      /* no bitmap was carried; error tells why */
    BF_MOVE_ABORTED,     /* by an operator */
    BF_MOVE_QUARANTINED, /* its journal cannot be understood; nothing is done about it */
    BF_NR_MOVE_STATES,
};

/** What an orchestrator can wait for. */
enum bf_milestone {
    BF_MILESTONE_FROZEN,    /* freeze hand-over: the source may be stopped now */
    BF_MILESTONE_INSTALLED, /* all bits are in the destination's QEMU, as temporaries */
    BF_MILESTONE_COMMITTED, /* under their final names, and read back */
    BF_MILESTONE_PREPARED,  /* source: the mirrors may begin; before all others, and not listed */
    BF_NR_MILESTONES,
};

enum bf_row_outcome {
    BF_ROW_PENDING,
    BF_ROW_CARRIED,
    BF_ROW_WIDENED, /* carried, and covers more than the source's */
    BF_ROW_NATIVE,  /* QEMU itself has brought it, and nothing is missing in it */
    BF_ROW_DROPPED,
    BF_NR_ROW_OUTCOMES,
};

/** One bitmap of one disk. */
struct bf_move_row {
    char *disk;
    char *bitmap;
    const char *phase; /* static text, "pulling" */
    uint64_t done_bytes, total_bytes;
    enum bf_row_outcome outcome;
    enum bf_code reason;     /* of a dropped one, for the exit code */
    const char *reason_name; /* of a dropped one, static: "SWITCHED_EARLY" */
    char *message;           /* of a dropped one: why, and what to do; or NULL */
    const char *proof;       /* of one that QEMU has brought, static: "bits", "digest", "count" */
    char *note;              /* of a carried one: what is to be known of it; or NULL */
};

/** How one disk goes. */
struct bf_move_disk {
    char *name;
    const char *mode;                      /* static text: "shared" and so on */
    const char *why;                       /* likewise, a sentence */
    uint64_t mirrored_bytes, mirror_bytes; /* 0 of 0: no mirror */
};

/** What became of a checkpoint's definition in libvirt at the destination. */
enum bf_definition {
    BF_DEFINITION_NONE, /* not decided, or not libvirt's */
    BF_DEFINITION_DEFINED,
    BF_DEFINITION_PARTLY,  /* without some of its disks */
    BF_DEFINITION_DROPPED, /* its bitmaps are not there */
    BF_DEFINITION_MISSING, /* they are, but libvirt did not take it */
    BF_NR_DEFINITIONS,
};

struct bf_moves;
struct bf_move_folder;

struct bf_move {
    char id[BF_MOVE_ID_CHARS + 1];
    enum bf_role role;
    char peer_id[BF_MOVE_ID_CHARS + 1]; /* what the other daemon calls it; "": not known */
    struct bf_plan plan;
    enum bf_move_state state;
    const char *phase;        /* static text of the driver's: "waiting for the mirror" */
    unsigned milestones;      /* bit 1 << enum bf_milestone */
    int64_t begun_s, ended_s; /* seconds since 1970; ended_s 0: not yet */
    struct bf_error error;    /* of FAILED, ABORTED, QUARANTINED */
    char hook[BF_MOVE_HOOK_MAX_BYTES + 1]; /* what a hook told last; "" none has */
    bool by_hook;                          /* begun by one, in this run of the daemon */
    struct bf_move_row *rows;
    size_t nr_rows;
    size_t next_row;            /* where the next one is looked for first */
    struct bf_move_disk *disks; /* those of which it is decided how they go */
    size_t nr_disks;
    char **warnings; /* what a person should know */
    size_t nr_warnings;
    struct bf_checkpoints checkpoints; /* what its bitmaps are for; settled */
    enum bf_definition *definitions;   /* of each; NULL: none is decided */
    char **definition_whys;            /* of those that are MISSING, and what to do; or NULL */
    json_t *record; /* of a move that ended before this daemon began: all that is known of it */
    struct bf_moves *moves;
    struct bf_move_folder *folder; /* daemon/folder.h; NULL: quarantined */
    void *driver;                  /* the driver's own; NULL: none runs */
    bool freeing;                  /* the driver is on its way out */
};

struct bf_moves {
    struct bf_move **items; /* oldest first */
    size_t nr_items;
    void (*changed)(void *ctx, struct bf_move *move); /* may be NULL, as may the next */
    void (*ended)(void *ctx, struct bf_move *move);
    void *ctx;
};

void bf_moves_release(struct bf_moves *moves);

/** A move of no plan yet, under way, in the list.  @id NULL: a new one.  Errors: NO_MEMORY, IO. */
int bf_moves_add(struct bf_moves *moves, enum bf_role role, const char *id,
                 struct bf_move **ret_move, struct bf_error *err);

/** Out of the list and freed; its folder and driver are the caller's to close before. */
void bf_moves_remove(struct bf_moves *moves, struct bf_move *move);

/** NULL: none. */
struct bf_move *bf_moves_find(const struct bf_moves *moves, const char *id);

/** The move under way of the VM with this uuid, or NULL: a VM has at most one. */
struct bf_move *bf_moves_find_active(const struct bf_moves *moves, const char *uuid);

size_t bf_moves_count_active(const struct bf_moves *moves);

bool bf_move_id_valid(const char *id);

/* ---- what a driver tells ---- */

/** @phase is static text. */
void bf_move_set_phase(struct bf_move *move, const char *phase);

/** FROZEN or INSTALLED.  COMMITTED comes with the end, when it is known what became of each bitmap.
 */
void bf_move_reach(struct bf_move *move, enum bf_milestone milestone);
bool bf_move_reached(const struct bf_move *move, enum bf_milestone milestone);

/** Both are to be reached again: a mirror has failed, say. */
void bf_move_begin_again(struct bf_move *move);

/** The row of this bitmap, made if need be; NULL: no memory.  Pointers to rows last until the next
 *  call.  After changes to it: bf_move_changed(). */
struct bf_move_row *bf_move_row(struct bf_move *move, const char *disk, const char *bitmap);

/** Mark it dropped.  @name: the reason as programs read it, static text; NULL: that of @reason.
 *  Without memory the message is lost, not the fact. */
void bf_move_row_drop(struct bf_move_row *row, enum bf_code reason, const char *name,
                      const char *message);

/** Without memory the note is lost. */
void bf_move_row_note(struct bf_move_row *row, const char *note);

/** How this disk goes, and why: static texts.  Without memory it is not shown. */
void bf_move_set_mode(struct bf_move *move, const char *disk, const char *mode, const char *why);

/** How far the mirror of a disk is, of which it is known how it goes. */
void bf_move_set_mirror(struct bf_move *move, const char *disk, uint64_t done_bytes,
                        uint64_t total_bytes);

/** Once for each text.  Without memory it is lost. */
void bf_move_warn(struct bf_move *move, const char *text);

/** What the bitmaps are for, settled; copied.  What becomes of each is seen from the rows.  Errors:
 *  NO_MEMORY. */
int bf_move_set_checkpoints(struct bf_move *move, const struct bf_checkpoints *checkpoints,
                            struct bf_error *err);

/** What became of the definition of checkpoint @index; @why (MISSING) is copied.  Without memory it
 * is lost. */
void bf_move_set_definition(struct bf_move *move, size_t index, enum bf_definition definition,
                            const char *why);

void bf_move_changed(struct bf_move *move);

/* ---- what clients see ---- */

/** The exit code that this end of the move means; BF_EXIT_OK while it is under way. */
int bf_move_exit(const struct bf_move *move);

/** NULL: no memory.  Without @rows the disks are left out. */
json_t *bf_move_to_json(const struct bf_move *move, bool rows);

const char *bf_move_state_name(enum bf_move_state state);   /* "under-way", "committed" ... */
const char *bf_milestone_name(enum bf_milestone milestone); /* "frozen", "installed", "committed" */

/** False: there is none of that name. */
bool bf_milestone_find(const char *name, enum bf_milestone *ret_milestone);

#endif
