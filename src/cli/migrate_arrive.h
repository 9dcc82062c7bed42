/** At the destination: look, judge, and define again what is proven. */
#ifndef CLI_MIGRATE_ARRIVE_H
#define CLI_MIGRATE_ARRIVE_H

#include "command.h"
#include "migrate_capture.h"
#include "migrate_judge.h"

struct bf_arrival {
    struct bf_look after;
    struct bf_verdicts verdicts; /* borrow from @after and from the capture */
};

struct bf_arrival_request {
    const struct bf_arguments *args;
    const struct bf_capture *capture;
    struct bf_virt_domain *domain;
    const char *images_unseen; /* of a shut-off domain: why its images cannot be looked at from
                                  here; NULL: they can */
};

/** Errors only where nothing could be said of the checkpoints at all; @ret_arrival is to be
 *  released in any case. */
int bf_arrive(const struct bf_arrival_request *request, struct bf_arrival *ret_arrival,
              struct bf_error *err);
void bf_arrival_release(struct bf_arrival *arrival);

#endif
