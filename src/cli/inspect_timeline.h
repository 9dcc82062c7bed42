/** `bitferry inspect --timeline`. */
#ifndef CLI_INSPECT_TIMELINE_H
#define CLI_INSPECT_TIMELINE_H

#include "subject.h"

/** Draw it: on stdout, or as JSON; and into the picture @svg, unless that is NULL. */
int bf_inspect_timeline(const struct bf_subject_request *request, const char *svg,
                        struct bf_error *err);

#endif
