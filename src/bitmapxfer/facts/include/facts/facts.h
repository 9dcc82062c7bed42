/** Gather what a QEMU says of a VM's disks and migration, for modes/plan.h.
 *
 *     QMP answers  ->  a JSON document (can be printed, kept, carried)  ->  struct bf_facts
 *
 * Only questions are asked; nothing is changed.  QEMU's images must be visible from here under the
 * same paths, else what they are is not known.
 */
#ifndef FACTS_FACTS_H
#define FACTS_FACTS_H

#include "live/survey.h"
#include "modes/facts.h"

enum {
    BF_FACTS_IDENTITY_MAX_BYTES = 1023,
    BF_FACTS_SERIAL_MAX_BYTES = 255, /* of a device; what is longer is not taken for one */
};

/** @document (a new reference for the callback to take) is NULL exactly if @err is not. */
typedef void (*bf_facts_fn)(void *ctx, json_t *document, const struct bf_error *err);

/** @disks: those, at least one; a disk whose node is not there is left out.  Errors: QMP_ERROR,
 *  PEER, DEADLINE, PROTOCOL, NO_MEMORY. */
int bf_facts_ask(struct bf_live *live, const struct bf_live_disk_wish *disks, uint32_t nr_disks,
                 uint64_t deadline_ms, bf_facts_fn done, void *ctx, struct bf_error *err);

/** What a document says.  Its texts are borrowed from the document, of which a reference is held.
 */
struct bf_facts {
    json_t *document;
    struct bf_vm_facts vm;
    struct bf_disk_facts *disks;
    struct bf_layer_facts *layers;
    struct bf_bitmap_facts *bitmaps;
};

/** @document may come from anyone.  Errors: INVALID, NO_MEMORY; *ret_facts is then empty. */
int bf_facts_read(json_t *document, struct bf_facts *ret_facts, struct bf_error *err);
void bf_facts_release(struct bf_facts *facts);

/** The disk of this name in a document, or NULL. */
const json_t *bf_facts_disk(const json_t *document, const char *name);

/** Is a bitmap of this name stored in the image number @layer (0 is the top) of @disk (of a
 *  document), whether QEMU has loaded it or not? */
bool bf_facts_is_stored(const json_t *disk, uint32_t layer, const char *bitmap);

/** What image it is, wherever it is seen from: of a file on a local file system this boot of this
 *  host, device and inode; on a network file system what is mounted, and inode; of a block device
 *  its WWID.  "" if that cannot be said.  @file: as QEMU says it, a path or json: text. */
void bf_image_identity(const char *file, char buf[BF_FACTS_IDENTITY_MAX_BYTES + 1]);

enum bf_sameness {
    BF_SAMENESS_UNKNOWN,
    BF_SAMENESS_SAME,
    BF_SAMENESS_OTHER,
};

/** Of two identities.  One file may be seen by several ways (a local file system that is exported,
 *  a share that is mounted under two names), so different texts alone do not make it another one.
 */
enum bf_sameness bf_image_compare(const char *a, const char *b);

/** The innermost file name of what QEMU calls the image, if it is absolute; a copy or NULL. */
char *bf_image_path(const char *file);

/** Names, granularities and digests of all bitmaps that are stored in an image that nobody writes,
 *  as one text; "" if there are none, if one of them cannot be used, or if they are too large to
 *  look at in passing. */
void bf_image_bits(const char *path, char buf[BF_FACTS_IDENTITY_MAX_BYTES + 1]);

/** Size and SHA-256 of the first MiB, for images that nobody writes; "" likewise. */
void bf_image_content(const char *file, char buf[BF_FACTS_IDENTITY_MAX_BYTES + 1]);

#endif
