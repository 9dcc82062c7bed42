/** A TARGET of the command line: a qcow2 image or carrier, an archive folder (or a folder of
 * carriers), or the NBD URI of a bitferry server.  Whatever it is, it gives a catalog and the bits.
 */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H

#include "base/cleanup.h"
#include "carrier/writer.h"
#include "command.h"
#include "model/bits.h"
#include "model/catalog.h"

struct bf_target;

enum bf_target_kind {
    BF_TARGET_IMAGE,
    BF_TARGET_FOLDER,
    BF_TARGET_SERVER,
};

struct bf_target_options {
    const struct bf_arguments *args; /* borrowed while the target lives: progress and notes */
    const char *tls_certificates;    /* borrowed; NULL: none */
    uint64_t deadline_ms;            /* of a server; 0: BF_TARGET_DEADLINE_MS */
    bool force_share;                /* read images that are in use */
    bool chain; /* the images below an image too, as disks "vda[1]" and so on */
};

enum { BF_TARGET_DEADLINE_MS = 30000 };

/** Errors: as the layers below; a server without bitferry's index is UNSUPPORTED, with what it
 * exports in the text.  A URI that names one bitmap gives a catalog of that bitmap only. */
int bf_target_open(const char *text, const struct bf_target_options *options,
                   struct bf_target **ret_target, struct bf_error *err);
void bf_target_free(struct bf_target *target);
BF_DEFINE_CLEANUP(struct bf_target *, bf_target_free)

enum bf_target_kind bf_target_kind(const struct bf_target *target);

/** Borrowed; valid until the next bf_target_select().  Counts and digests are there if the source
 * tells them (a server's index does), or after bf_target_summarize(). */
const struct bf_catalog *bf_target_catalog(const struct bf_target *target);

/** Keep only what the user chose; an option that was not given chooses all.  Errors: NOT_FOUND for
 * a disk, BITMAP_NOT_FOUND for a bitmap that is not there. */
int bf_target_select(struct bf_target *target, const struct bf_option_values *disks,
                     const struct bf_option_values *bitmaps, struct bf_error *err);

/** Read every consistent bitmap of the catalog that has no count and digest yet. */
int bf_target_summarize(struct bf_target *target, struct bf_error *err);

/** The bits of one bitmap of the catalog, readable as long as the target lives.  From a server they
 * are pulled first, into a file without a name, and their digest is checked against the index.
 *  Errors: BITMAP_NOT_FOUND, BITMAP_INCONSISTENT, DIGEST_MISMATCH, and what the source says. */
int bf_target_bits(struct bf_target *target, const char *disk, const char *bitmap,
                   struct bf_bits *ret_bits, struct bf_error *err);

struct bf_target_copy {
    const char *bitmap;         /* its name in the catalog */
    struct bf_bitmap_spec spec; /* what it is to be; the granularity is that of the catalog */
    struct bf_summary summary;  /* what was written */
};

/** Write bitmaps of one disk of the catalog into a carrier under way; each that was written is
 * checked against the catalog's digest, if that has one.  From a server they come through one
 * connection if they are in the catalog's order and the server can do that.  After an error the
 * carrier is of no use. */
int bf_target_copy(struct bf_target *target, const char *disk, struct bf_writer *writer,
                   struct bf_target_copy *copies, size_t nr_copies, struct bf_error *err);

#endif
