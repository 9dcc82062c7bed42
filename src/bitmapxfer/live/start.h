/** Which start of a program it is that listens on a Unix socket. */
#ifndef LIVE_START_H
#define LIVE_START_H

#include "live/session.h"

/** Fill in start, pid, uid and gid from the connected socket @fd and the socket file at @path.
 *  What cannot be seen from here counts as 0. */
void bf_live_start_read(int fd, const char *path, struct bf_live_identity *identity);

#endif
