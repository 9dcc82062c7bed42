/** What changed on each disk since a checkpoint, out of all the bitmaps that tell: carriers in a
 * folder of their own, each with the one bitmap that a backup tool needs.
 *
 * Which bitmaps those are is model/coverage.h's to say: of links all from the checkpoint on, of a
 * chain of images those of every layer.  A disk for which one is missing is not served, and it is
 * said why.
 */
#ifndef CLI_SINCE_H
#define CLI_SINCE_H

#include "base/cleanup.h"
#include "command.h"

struct bf_since;

struct bf_since_request {
    const struct bf_arguments *args; /* the operands: images, or one archive */
    const char *checkpoint;
    const char *checkpoints; /* file, or NULL */
};

/** Errors: NOT_FOUND for a checkpoint that is none; COVERAGE_MISSING if no disk is covered, with
 * the first reason; and what the images say. */
int bf_since_open(const struct bf_since_request *request, struct bf_since **ret_since,
                  struct bf_error *err);
const char *bf_since_folder(const struct bf_since *since);

/** Remove the folder. */
void bf_since_free(struct bf_since *since);
BF_DEFINE_CLEANUP(struct bf_since *, bf_since_free)

#endif
