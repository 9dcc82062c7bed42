/** One move as bitferry-source drives it: the pure machine of handoff/source.h, and what it is
 *  connected to.  driver.c pumps; wishes.c, serve.c and examine.c carry out what needs QEMU.
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

    struct bf_qemu *qemu;
    struct bf_rpc_peer *peer;
    bool peer_open;
    uint64_t peer_lost_ms;
    struct bf_server *server;
    uv_timer_t tick;
    uv_timer_t again; /* a busy bitmap is tried again */
    unsigned nr_open; /* timers and server, until the drive can be freed */

    struct bf_source_wish wish; /* the one that is out */
    bool wish_open;
    bool wish_started;
    bool busy; /* an operation in QEMU is under way, for op_ticket */
    uint32_t op_ticket;
    struct bf_live_op *op;
    uint32_t cursor;  /* SERVE: how far */
    uint8_t *drops;   /* of the wish, one per bitmap */
    uint64_t wish_ms; /* when it began */

    uint64_t said_ms;
    uint64_t state_ms;
    bool pumping;
    bool migrating; /* seen: what fails afterwards is this migration */
    bool left;      /* the guest has */
    bool paused;
    bool ended;
    bool freed;
    struct bf_error why; /* more than the machine's reason says */
    void (*closed)(struct bf_move *move);
};

/** Feed a fact and carry out what follows. */
void source_feed(struct source_drive *drive, const struct bf_source_fact *fact);

/** Answer the wish that is out. */
void source_answer(struct source_drive *drive, enum bf_source_fact_kind kind);
void source_answer_inspected(struct source_drive *drive, enum bf_source_guest guest,
                             bool snapshots_found);

/** Begin with the wish that is out as soon as QEMU is there and free. */
void source_try_wish(struct source_drive *drive);

/** For the callbacks of operations: is the answer still wanted? */
bool source_op_ended(struct source_drive *drive);
void source_op_began(struct source_drive *drive);

/** An operation ended in doubt. */
void source_doubt(struct source_drive *drive);

/** Folder for nbdkit; NULL: plain TCP on loopback. */
const char *source_tls_certificates(void);

/** wishes.c */
void source_carry_out(struct source_drive *drive);
void source_carry_out_gone(struct source_drive *drive);
void source_survey_offer(struct source_drive *drive);
void source_begin(struct source_drive *drive);

/** serve.c */
void source_serve(struct source_drive *drive);
void source_carrier_path(const struct source_drive *drive, enum bf_round round, uint32_t index,
                         char *buf, size_t nr_bytes);
void source_delete_carriers(struct source_drive *drive);

/** examine.c */
void source_examine(struct source_drive *drive);
void source_retire(struct source_drive *drive);

#endif
