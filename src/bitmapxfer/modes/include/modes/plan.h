/** Decide for every disk and bitmap of a VM what will become of it, and say why.
 *
 *     facts of the source, facts of the destination -> per disk: partner, mode
 *                                                   -> per bitmap: fate, or why it is dropped
 *                                                   -> for all: tracker or freeze
 *
 * Partners are found by the export that a mirror writes to, by serial, or by name together with
 * serial, node, alias or size; never by order, nor by a name alone unless a person gave it.  Layers
 * are matched from the bottom up by identity or content.  The layers of the source above the ones
 * that match end in the destination's top image: one is kept, several are flattened.  Where they do
 * not match, the union of all layers is the one that surely misses nothing.
 *
 * Pure.  Nothing here looks at a QEMU or changes one.
 */
#ifndef MODES_PLAN_H
#define MODES_PLAN_H

#include "base/error.h"
#include "handoff/drop.h"
#include "handoff/word.h"
#include "modes/facts.h"

/** X(NAME, sentence).  Why a disk has its mode.  Add at the end: words between helpers hold the
 *  number. */
#define BF_WHYS(X)                                                                                 \
    X(WISH, "it was asked for")                                                                    \
    X(SAME_IMAGE, "both QEMUs have the same image open")                                           \
    X(CAPABILITY, "the migration has `dirty-bitmaps` set and an alias for this disk")              \
    X(BLOCK_COPY, "`migrate` itself copies the disk")                                              \
    X(MIRROR_HERE, "a mirror job writes to the export that the destination has for it")            \
    X(MIRROR, "a mirror job of this disk is under way")                                            \
    X(EXPORT, "the destination exports the disk for writing, so a mirror is to be expected")       \
    X(NOTHING, "nothing tells how its data travel; a mirror is waited for (see --mode)")

enum bf_why {
#define BF_ENUM(name, sentence) BF_WHY_##name,
    BF_WHYS(BF_ENUM)
#undef BF_ENUM
        BF_NR_WHYS
};

/** X(NAME, word, sentence). */
#define BF_FATES(X)                                                                                \
    X(CARRY, "carry", "bitferry carries it")                                                       \
    X(NATIVE, "native", "QEMU carries it, bitferry proves it")                                     \
    X(UNION, "union", "bitferry carries the union of the layers' bitmaps of this name")            \
    X(PART, "part", "it goes into the union of the layer above")                                   \
    X(IN_IMAGE, "in-image", "it stands in the image below, which is there already")                \
    X(INSTALL, "install", "to be installed into the image below while nobody has it open")         \
    X(DROP, "drop", "it is not carried")

enum bf_mode_fate {
#define BF_ENUM(name, word, sentence) BF_FATE_##name,
    BF_FATES(BF_ENUM)
#undef BF_ENUM
        BF_NR_FATES
};

enum { BF_NO_PARTNER = UINT32_MAX };

struct bf_bitmap_plan {
    uint32_t layer; /* of the source's disk */
    uint32_t bitmap;
    uint32_t dest_layer; /* where it ends; nothing for PART and DROP */
    enum bf_mode_fate fate;
    enum bf_drop drop;      /* DROP */
    bool becomes_transient; /* the image over there cannot store it */
    bool widens;            /* the disk over there is larger: what is past the end is dirty */
    bool waits;             /* busy now: nothing can be done before it is free */
    bool replaces;          /* a bitmap of this name is there, left by a former visit */
};

struct bf_disk_plan {
    uint32_t partner;  /* index at the destination, or BF_NO_PARTNER */
    enum bf_drop drop; /* with no partner: why */
    enum bf_mode mode;
    enum bf_why why;
    bool contradicted;  /* the wish is not what the facts say */
    uint32_t nr_merged; /* so many layers of the source end in the destination's top image */
    bool chain_broken;  /* the layers below do not match: all of the source's are merged */
    struct bf_bitmap_plan *bitmaps; /* all of all layers, top layer first */
    uint32_t nr_bitmaps;
};

/** X(NAME, sentence).  What a person should know before the move. */
#define BF_WARNINGS(X)                                                                             \
    X(DOWNTIME_NEVER, "the downtime limit cannot be met: the migration will not end by itself")    \
    X(DOWNTIME_IDLE, "the downtime limit will not be met while the guest is idle")                 \
    X(POISONED,                                                                                    \
      "an inconsistent or busy bitmap fails the whole migration while `dirty-bitmaps` is set")     \
    X(COLLISION,                                                                                   \
      "a bitmap of the same name at the destination fails the migration of QEMU itself")           \
    X(SHRUNK, "the destination's disk is smaller: QEMU aborts there when bitmaps arrive")

enum {
#define BF_ENUM(name, sentence) BF_WARNING_##name,
    BF_WARNINGS(BF_ENUM)
#undef BF_ENUM
        BF_NR_WARNINGS
};

struct bf_mode_plan {
    enum bf_handoff_kind kind;
    struct bf_disk_plan *disks; /* in the source's order */
    uint32_t nr_disks;
    uint32_t warnings;    /* bit 1 << BF_WARNING_... */
    uint64_t stream_bits; /* what the migration stream holds for the bitmaps, in QEMU's own count */
};

/** The plan holds indices only, so the facts need not outlive it.  Errors: NO_MEMORY; LIMIT. */
int bf_mode_plan_make(const struct bf_vm_facts *source, const struct bf_vm_facts *dest,
                      struct bf_mode_plan *ret_plan, struct bf_error *err);
void bf_mode_plan_release(struct bf_mode_plan *plan);

/** The mode of one disk by itself; @dest NULL: it has no partner (yet). */
enum bf_mode bf_mode_choose(const struct bf_vm_facts *source, const struct bf_disk_facts *disk,
                            const struct bf_vm_facts *dest, const struct bf_disk_facts *partner,
                            enum bf_why *ret_why);

/** QEMU ends a migration when what is pending takes no longer than the limit, counts bits of
 *  bitmaps as bytes (measured on 7.2 and 10.0), and an idle guest lets it measure next to no
 *  bandwidth. */
enum {
    BF_IDLE_BANDWIDTH_BYTES_S = 800 * 1000, /* measured: 6 to 7 Mbit/s */
    BF_DEFAULT_BANDWIDTH_BYTES_S = 128 << 20,
};

/** Does an image below lack what layer @layer of the source has, and could it be put in there?  Of
 *  equal height and size; not if only QEMU has the bitmaps.  @plan: of this disk. */
bool bf_layer_awaits_install(const struct bf_disk_facts *source, const struct bf_disk_facts *dest,
                             const struct bf_disk_plan *plan, uint32_t layer,
                             uint32_t *ret_dest_layer);

enum { BF_COMMAND_MAX_BYTES = 2048 };

/** What a person does about it: at the source, and at the destination with the URI that the former
 *  prints, while no QEMU there has the image open.  Quoted for a shell. */
struct bf_install_commands {
    char serve[BF_COMMAND_MAX_BYTES + 64];
    char pull[BF_COMMAND_MAX_BYTES + 64];
};

/** False: a path is too long, or has control characters. */
bool bf_install_commands_make(const struct bf_layer_facts *source,
                              const struct bf_layer_facts *dest,
                              struct bf_install_commands *ret_commands);

/** Milliseconds that @downtime_limit must at least be; @bandwidth_bytes_s 0: the default. */
uint64_t bf_estimate_downtime_ms(uint64_t stream_bits, uint64_t bandwidth_bytes_s);

const char *bf_mode_name(enum bf_mode mode); /* "shared" and so on */
bool bf_mode_find(const char *name, enum bf_mode *ret_mode);
const char *bf_why_text(enum bf_why why);
const char *bf_mode_fate_name(enum bf_mode_fate fate);
const char *bf_mode_fate_text(enum bf_mode_fate fate);
const char *bf_warning_name(unsigned warning);
const char *bf_warning_text(unsigned warning);

#endif
