/** The source before a migration: what is there, and what stands in the way. */
#ifndef CLI_MIGRATE_SURVEY_H
#define CLI_MIGRATE_SURVEY_H

#include "command.h"
#include "libvirt/migrate_options.h"
#include "migrate_capture.h"

struct bf_survey_request {
    const struct bf_arguments *args;
    struct bf_virt *source;
    struct bf_virt_domain *domain;
    const char *dest_uri;
    const struct bf_virt_migrate_options *options;
    bool images_here; /* the source's images are this host's */
};

/** Errors: BITMAP_INCONSISTENT (each is named, with what to do), USAGE for a state that the options
 *  do not fit.  @ret_capture is to be released. */
int bf_survey(const struct bf_survey_request *request, struct bf_capture *ret_capture,
              struct bf_error *err);

/** On stdout: what will be done. */
void bf_survey_print_plan(const struct bf_survey_request *request, const struct bf_capture *capture,
                          const char *folder);

#endif
