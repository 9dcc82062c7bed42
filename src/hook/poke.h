/** Tell the daemons of this host that something happened to a VM. */
#ifndef HOOK_POKE_H
#define HOOK_POKE_H

#include <stdbool.h>
#include <stdint.h>

struct poke {
    const char *event; /* "migrate begin" */
    const char *vm;
    const char *uuid;
};

/** One request to the daemon that listens at @path; its answer is not waited for.  False: it was
 * not told (nobody listens, no time is left, the name is not UTF-8). */
bool poke_send(const struct poke *poke, const char *path, int64_t deadline_ms);

/** Leave a warning in the system's log, if that takes no time. */
void poke_warn(const struct poke *poke);

#endif
