/** What a migration must not lose, captured at the source before anything is touched: a folder.
 *
 *     capture.json     the domain, where it goes, its bitmaps with count and digest, the order of
 *                      its checkpoints; written last, so that a folder that has it is complete
 *     NAME.xml         the definition of each checkpoint, as `virsh checkpoint-create --redefine`
 *                      takes it on the source
 *     bitmaps-DISK/    of a shut-off domain: its bitmaps (migrate_bits.h)
 *
 * All of it is on the disk (fsync) when bf_capture_write() returns.
 */
#ifndef CLI_MIGRATE_CAPTURE_H
#define CLI_MIGRATE_CAPTURE_H

#include "libvirt/checkpoint.h"
#include "migrate_look.h"

#include <jansson.h>

#define BF_CAPTURE_FILE "capture.json"

enum { BF_CAPTURE_MAX_BYTES = 64 << 20 };

struct bf_capture {
    char *domain;
    char *uuid;
    char *source_uri;
    char *dest_uri;
    bool offline;
    bool copied; /* storage was, so the source's images are left behind */
    struct bf_look before;
    struct bf_virt_checkpoints checkpoints; /* parents first */
};

void bf_capture_release(struct bf_capture *capture);

/** Where a capture of this domain goes if nothing else is said: under /var/lib/bitferry for root,
 *  else under $XDG_STATE_HOME; the caller frees.  NULL: no memory. */
char *bf_capture_default_folder(const char *uuid);

struct bf_capture_folder;

/** Make @path, with its parents, or take it if it is there, and lock it: WORK_IN_PROGRESS if
 *  another run has it. */
int bf_capture_folder_open(const char *path, struct bf_capture_folder **ret_folder,
                           struct bf_error *err);
void bf_capture_folder_close(struct bf_capture_folder *folder);
BF_DEFINE_CLEANUP(struct bf_capture_folder *, bf_capture_folder_close)

/** Is there a complete capture in it? */
bool bf_capture_folder_is_full(const struct bf_capture_folder *folder);

int bf_capture_write(struct bf_capture_folder *folder, const struct bf_capture *capture,
                     struct bf_error *err);

/** Untrusted input.  Errors: NOT_FOUND, PROTOCOL, VERSION, INVALID, LIMIT. */
int bf_capture_read(struct bf_capture_folder *folder, struct bf_capture *ret_capture,
                    struct bf_error *err);

/** Remove what it holds, and the folder. */
int bf_capture_folder_remove(struct bf_capture_folder *folder, const struct bf_capture *capture,
                             struct bf_error *err);

/** capture.json; NULL: no memory, or a name that is not UTF-8. */
json_t *bf_capture_to_json(const struct bf_capture *capture);
int bf_capture_from_json(const json_t *json, struct bf_capture *ret_capture, json_t **ret_names,
                         struct bf_error *err);

#endif
