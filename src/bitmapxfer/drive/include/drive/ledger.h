/** What a driver writes into its move's journal: envelopes as they were said or heard, and the
 *  machine's records. */
#ifndef DRIVE_LEDGER_H
#define DRIVE_LEDGER_H

#include "daemon/folder.h"
#include "drive/offer.h"

enum bf_ledger_kind {
    BF_LEDGER_OFFER = BF_JOURNAL_FIRST_DRIVER, /* a frame: what the move is about */
    BF_LEDGER_RECORD,                          /* of the machine */
    BF_LEDGER_QEMU,                            /* text: which start of QEMU it is */
    BF_LEDGER_EXPORTS,                         /* a frame: what was announced */
    BF_LEDGER_FILES,                           /* where the images are here, a NUL behind each */
    BF_LEDGER_MODES,                           /* an enum bf_mode of each disk, one byte each */
    BF_LEDGER_STAMP,                           /* of a shut-off image, see bf_ledger_put_stamp() */
    BF_LEDGER_DEFINITIONS,                     /* see bf_ledger_put_definitions() */
    BF_LEDGER_LAST = BF_LEDGER_DEFINITIONS,
};

int bf_ledger_put_frame(struct bf_move_folder *folder, enum bf_ledger_kind kind,
                        const Bitferry__Envelope *envelope, Bitferry__Role sender,
                        struct bf_error *err);

/** The payload of a RECORD, to be freed by the caller; NULL: no memory. */
uint8_t *bf_ledger_pack_record(const struct bf_record *record, const struct bf_offer *offer,
                               size_t *ret_nr_bytes);

int bf_ledger_put_record(struct bf_move_folder *folder, const struct bf_record *record,
                         const struct bf_offer *offer, struct bf_error *err);

/** The files of the offer's disks. */
int bf_ledger_put_files(struct bf_move_folder *folder, const struct bf_offer *offer,
                        struct bf_error *err);

/** How its disks go, as was decided. */
int bf_ledger_put_modes(struct bf_move_folder *folder, const struct bf_offer *offer,
                        struct bf_error *err);
/** What the file of disk @index (of the plan) was when it was last known to be in order: who finds
 *  another stamp has not seen all that was written. */
int bf_ledger_put_stamp(struct bf_move_folder *folder, uint8_t index,
                        const uint8_t sha256[BF_SHA256_BYTES], struct bf_error *err);

/** What became of the move's checkpoints in libvirt: of each an enum bf_definition, one byte, and
 * why, as text with a NUL. */
int bf_ledger_put_definitions(struct bf_move *move, struct bf_error *err);

struct bf_stamp {
    bool known;
    uint8_t sha256[BF_SHA256_BYTES];
};

/** What a journal says.  @ret_offer is empty (no disks and no bitmaps, @has_offer false) where none
 *  was written. */
struct bf_ledger {
    bool has_offer;
    bool has_record;
    struct bf_record record;
    char qemu_start[96];
    struct bf_stamp stamps[BF_PLAN_DISKS_MAX]; /* by disk of the plan */
    uint8_t *definitions;                      /* the newest such record, or NULL */
    size_t nr_definition_bytes;
};

void bf_ledger_release(struct bf_ledger *ledger);

/** Tell @move, which has its checkpoints, what became of them.  Errors: IMAGE_CORRUPT. */
int bf_ledger_tell_definitions(const struct bf_ledger *ledger, struct bf_move *move,
                               struct bf_error *err);

/** @exports is called for every EXPORTS record that follows the offer.  Errors: IMAGE_CORRUPT for
 *  what no driver writes; and NO_MEMORY.  @ret_ledger is to be released in any case. */
int bf_ledger_read(struct bf_journal_cursor *records, Bitferry__Role offerer,
                   struct bf_ledger *ret_ledger, struct bf_offer *ret_offer,
                   int (*exports)(void *ctx, const Bitferry__Envelope *envelope), void *ctx,
                   struct bf_error *err);

#endif
