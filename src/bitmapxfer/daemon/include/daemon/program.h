/** What both daemons are: command line, configuration, one loop, signals, an orderly end. */
#ifndef DAEMON_PROGRAM_H
#define DAEMON_PROGRAM_H

#include "daemon/driver.h"
#include "daemon/role.h"

struct bf_program {
    enum bf_role role;
    const char *summary;                     /* for --help, a sentence without its full stop */
    const struct bf_move_driver_ops *driver; /* NULL: only moves that have ended are shown */
};

/** main() of the daemon.  Returns its exit status. */
int bf_program_main(const struct bf_program *program, int argc, char **argv);

#endif
