/** What mends a finding of a diagnosis, as commands that can be run as they are. */
#ifndef CLI_REMEDY_H
#define CLI_REMEDY_H

#include "base/cleanup.h"
#include "diagnosis.h"

struct bf_remedy {
    const char *text; /* static: what to do, a sentence without its full stop */
    /* Owned.  Of a domain or of images: for a shell.  Of a QMP socket: JSON, for that socket. */
    char **commands;
    size_t nr_commands;
};

/** Errors: NO_MEMORY. */
int bf_remedy_find(const struct bf_subject *subject, const struct bf_finding *finding,
                   struct bf_remedy *ret_remedy, struct bf_error *err);
void bf_remedy_release(struct bf_remedy *remedy);

#endif
