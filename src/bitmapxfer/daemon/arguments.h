/** The command line of a daemon, and the configuration that follows from it. */
#ifndef DAEMON_ARGUMENTS_H
#define DAEMON_ARGUMENTS_H

#include "daemon/config.h"
#include "daemon/program.h"

/** 0: serve, with *ret_config; 1: what was asked for is on stdout.  Errors: USAGE, and those of
 *  bf_config_read(). */
int bf_daemon_arguments(const struct bf_program *program, int argc, char **argv,
                        struct bf_config *ret_config, struct bf_error *err);

#endif
