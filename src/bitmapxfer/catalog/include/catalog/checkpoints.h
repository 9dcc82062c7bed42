/** Checkpoints in JSON: how an orchestrator without libvirt tells which there are, and how they
 *  travel and are shown.
 *
 *     {"schema": 1,
 *      "style": "links" | "nested",
 *      "checkpoints": [{"name": "chk1",
 *                       "parent": null,          name of another; absent or null: none
 *                       "time": 1700000000,      Unix time; absent or null: not known
 *                       "disks": [{"disk": "vda",
 *                                  "bitmap": "chk1"}]}]}    absent: the checkpoint's own name
 *
 * See model/checkpoints.h for the two styles.  "disks" are those that were part of the checkpoint
 * then; one that was plugged in later is not among them.  Unknown keys are ignored.
 */
#ifndef CATALOG_CHECKPOINTS_H
#define CATALOG_CHECKPOINTS_H

#include "model/checkpoints.h"

#include <jansson.h>

enum {
    BF_CHECKPOINTS_SCHEMA = 1,
    BF_CHECKPOINTS_JSON_MAX_BYTES = 4 << 20, /* one an hour for half a year, with ten disks */
};

/** Untrusted input.  The result is settled.  Errors: PROTOCOL (what and where), VERSION for a
 *  schema above ours, LIMIT, NO_MEMORY; *ret_checkpoints is untouched then. */
int bf_checkpoints_from_json(const json_t *json, struct bf_checkpoints *ret_checkpoints,
                             struct bf_error *err);
int bf_checkpoints_parse(const char *text, size_t nr_bytes, struct bf_checkpoints *ret_checkpoints,
                         struct bf_error *err);

/** NULL: no memory, or a name that is not UTF-8. */
json_t *bf_checkpoints_to_json(const struct bf_checkpoints *checkpoints);

#endif
