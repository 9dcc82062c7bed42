/** SIGINT, SIGTERM and SIGHUP as a fact that long work looks at, so that it ends with its files
 * removed and its children gone. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include "base/error.h"

#include <stdbool.h>

/** Catch the signals from now on; the program's first deed.  The second of a kind ends the program
 * as it would any other: a way out if something does not listen. */
int bf_interrupt_install(struct bf_error *err);

bool bf_interrupted(void);

/** The signal that came, or 0. */
int bf_interrupt_signal(void);

/** INTERRUPTED, with the signal named, if one came; else 0. */
int bf_interrupt_check(struct bf_error *err);

/** Readable once a signal came; never read from it. */
int bf_interrupt_fd(void);

#endif
