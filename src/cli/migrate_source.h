/** The source after a migration that worked: nothing may stay there that looks like a checkpoint.
 */
#ifndef CLI_MIGRATE_SOURCE_H
#define CLI_MIGRATE_SOURCE_H

#include "command.h"
#include "migrate_capture.h"
#include "migrate_judge.h"

#include <jansson.h>

struct bf_source_request {
    const struct bf_arguments *args;
    const struct bf_capture *capture;
    const struct bf_verdicts *verdicts;
    struct bf_virt *virt;
    bool images_here; /* the source's images are this host's */
};

/** Delete the definitions of what is defined at the destination or lost, and the bitmaps in images
 *  that were copied.  What cannot be done is told with the command for it.  @ret_json: what was
 *  done. */
int bf_source_clean(const struct bf_source_request *request, json_t **ret_json,
                    struct bf_error *err);

#endif
