/** The bitmaps of one move, as both drivers know them: what the machines of handoff/ count by
 * index.
 */
#ifndef DRIVE_OFFER_H
#define DRIVE_OFFER_H

#include "daemon/move.h"
#include "facts/facts.h"
#include "handoff/names.h"
#include "handoff/word.h"
#include "model/checkpoints.h"
#include "model/summary.h"
#include "modes/plan.h"
#include "rpc/message.h"

/** What copies of a shut-off image have in common. */
struct bf_content {
    bool known;
    uint8_t sha256[BF_SHA256_BYTES];
};

/** A bitmap of an image below. */
struct bf_offer_below {
    char *name;
    bool recording;
    bool inconsistent;
};

/** An image below a disk's own; @node is the source's. */
struct bf_offer_layer {
    char *node;
    char *identity;
    char *content;
    char *bits;
    char *path; /* where the source has it */
    uint64_t size_bytes;
    struct bf_offer_below *bitmaps;
    uint32_t nr_bitmaps;
};

struct bf_offer_disk {
    char *name;
    char *node;                 /* here, in our QEMU; "": there is none */
    char *file;                 /* of the image, as QEMU says; or NULL */
    bool keeps;                 /* source: its image can store bitmaps */
    uint64_t size_bytes;        /* at the source */
    uint64_t placed_size_bytes; /* at the destination, 0: there is no such disk or not known yet */
    bool stores;                /* the destination's image can store bitmaps */
    char *identity;             /* of the source's image; or NULL, as are the next two */
    char *alias;                /* in the source's migration stream */
    char *serial;               /* of the guest's device there */
    bool mirrored;              /* on the source, when the offer was made */
    enum bf_mode wish;          /* what the source was asked for */
    enum bf_mode mode;          /* as the destination has decided; AUTO: not yet */
    enum bf_why why;            /* likewise */
    uint32_t depth;             /* images of the same disk that stand above it */
    struct bf_content content;  /* of a shut-off image */
    enum bf_sameness image;     /* likewise: is the destination's image this very one? */
    uint32_t nr_merged;         /* likewise: so many images end in the one there; 0 is 1 */
    struct bf_offer_layer *below; /* the nearest first */
    uint32_t nr_below;
    uint8_t
        *stands; /* of each bitmap below, in their order: 1 if the image there has it; or NULL */
    size_t nr_stands;
};

/** Count and digest that a bitmap is known to have. */
struct bf_known {
    bool known;
    struct bf_summary summary;
};

/** What shows that a bitmap that QEMU has brought lacks nothing. */
enum bf_proof_of {
    BF_BY_NOTHING,
    BF_BY_COUNT, /* no fewer dirty blocks than the source's had: the guest may have made up for some
                    that are missing */
    BF_BY_DIGEST, /* a frozen one: it is the source's */
    BF_BY_BITS,   /* every block that was dirty when the guest left is */
    BF_NR_BY,
};

struct bf_offer_bitmap {
    char *name;
    uint64_t granularity_bytes;
    uint64_t dirty_bytes; /* source: when last looked at */
    bool persistent;
    bool mapped;               /* the source's migration stream would carry it */
    bool collides;             /* destination: one of the name would fail QEMU's own transfer */
    bool fresh;                /* destination, where QEMU may bring it: one of the name is new */
    bool locked;               /* destination: one of the name is in an image that is read-only */
    bool stays;                /* ... and could not be removed */
    bool recording;            /* as offered: what it becomes; see BF_HANDOFF_STILL */
    uint32_t held_epoch;       /* source: it is taken away, with a mark of that epoch; or 0 */
    struct bf_known twin;      /* source: what it should be, its count alone; as last looked at */
    uint8_t changed;           /* source: an enum bf_drop, seen before the pause; or BF_DROP_NONE */
    struct bf_known own;       /* source, of a united one: its own part, behind the snapshot */
    struct bf_known announced; /* the snapshot, in the source's layout */
    bool served;               /* destination: the snapshot can be, or was, fetched */
    enum bf_proof_of proof;    /* of one that QEMU has brought; source: as it was told */
    struct bf_known loaded;    /* destination: the same in its own disk's layout */
    struct bf_known published; /* destination: as read back */
};

struct bf_offer {
    uint8_t move_id[BF_MOVE_ID_BYTES];
    enum bf_handoff_kind kind;
    bool dirty_bitmaps, block_copy, pauses; /* the source's migration is set to that */
    struct bf_offer_disk *disks;
    uint32_t nr_disks;
    struct bf_offer_bitmap *bitmaps;
    struct bf_handoff_bitmap *states; /* the machine's; .disk and .recording are ours too */
    uint32_t nr_bitmaps;
    struct bf_known *deltas;           /* per disk: announced */
    struct bf_known *loaded_deltas;    /* per disk */
    struct bf_checkpoints checkpoints; /* settled */
    char **definitions;                /* of each, libvirt's XML or NULL; NULL: there are none */
};

void bf_offer_release(struct bf_offer *offer);

/** Room for so many, all empty.  Errors: NO_MEMORY. */
int bf_offer_init(struct bf_offer *offer, uint32_t nr_disks, uint32_t nr_bitmaps,
                  struct bf_error *err);

/** Keep the checkpoints, and the definition of each (NULL: there are none), which must be settled;
 *  both become the offer's. */
void bf_offer_take_checkpoints(struct bf_offer *offer, struct bf_checkpoints *checkpoints,
                               char **definitions);

/** From an OFFER that passed bf_rpc_envelope_check().  Errors: NO_MEMORY, LIMIT. */
int bf_offer_from_envelope(const Bitferry__Envelope *envelope, struct bf_offer *ret_offer,
                           struct bf_error *err);

/** @offer says the same as @envelope's. */
bool bf_offer_same(const struct bf_offer *offer, const Bitferry__Offer *other);

/** The finest granularity among the recording bitmaps of @disk, dropped ones too, so that it is the
 *  same all the while; 0: there are none. */
uint64_t bf_offer_finest(const struct bf_offer *offer, uint32_t disk);

/** Has @disk recording bitmaps that are not dropped? */
bool bf_offer_matters(const struct bf_offer *offer, uint32_t disk);

/** "bitferry-tmp.MOVE.EPOCH.ROLE.INDEX". */
const char *bf_offer_temporary(const struct bf_offer *offer, uint32_t epoch,
                               enum bf_temporary_kind kind, uint32_t index,
                               char buf[BF_TEMPORARY_NAME_MAX + 1]);

/** "bitferry-tmp.MOVE." */
void bf_offer_prefix(const struct bf_offer *offer, char buf[BF_TEMPORARY_NAME_MAX + 1]);

/** The code that users see for @drop. */
enum bf_code bf_drop_code(enum bf_drop drop);

/** Is it for the other helper to say more of it, or the connection to it? */
bool bf_drop_is_peers(enum bf_drop drop);

/** Has @index a bitmap of the same name in an image below that ends in the same image as its own?
 *  What is carried then is the union. */
bool bf_offer_is_united(const struct bf_offer *offer, uint32_t index);

/** NULL: there is none. */
const struct bf_offer_below *bf_offer_find_below(const struct bf_offer_layer *layer,
                                                 const char *name);

/** "vda, 1 below": the row of a bitmap of an image below; or NULL. */
struct bf_move_row *bf_offer_row_below(const struct bf_offer_disk *disk, struct bf_move *move,
                                       uint32_t layer, uint32_t bitmap);

/** Where @stands tells of it; @layer from 1. */
size_t bf_offer_at_below(const struct bf_offer_disk *disk, uint32_t layer, uint32_t bitmap);

/** Room for @stands, all 0.  Errors: NO_MEMORY. */
int bf_offer_init_stands(struct bf_offer_disk *disk, struct bf_error *err);

/** The rows of those that stand below. */
void bf_offer_report_below(const struct bf_offer_disk *disk, struct bf_move *move);

/** Room for the images below.  Errors: NO_MEMORY. */
int bf_offer_init_below(struct bf_offer_disk *disk, uint32_t nr_below, struct bf_error *err);
int bf_offer_init_layer(struct bf_offer_layer *layer, uint32_t nr_bitmaps, struct bf_error *err);

/** Tell clients how each disk goes, as far as that is decided. */
void bf_offer_report_modes(const struct bf_offer *offer, struct bf_move *move);

/** Tell clients what became of each bitmap; @ended: the rest is carried. */
void bf_offer_report(const struct bf_offer *offer, struct bf_move *move, bool ended,
                     const char *phase);

#endif
