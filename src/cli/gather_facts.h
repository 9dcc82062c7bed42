/** What a QEMU says of its disks and its migration, or what it said to `bitferry facts`. */
#ifndef CLI_GATHER_FACTS_H
#define CLI_GATHER_FACTS_H

#include "base/error.h"

#include <jansson.h>

/** A new reference.  @disks: [{"name", "node"}, ...]; none: all writable disks of the machine.
 *  Errors: as of bf_live_open() and bf_facts_ask(); NOT_FOUND for a node that is not there. */
int bf_gather_facts(const char *qmp_path, const json_t *disks, json_t **ret_document,
                    struct bf_error *err);

/** From a file, "-" for stdin.  Errors: IO and the like, INVALID. */
int bf_read_facts(const char *path, json_t **ret_document, struct bf_error *err);

#endif
