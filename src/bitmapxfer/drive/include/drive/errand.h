/** Something that blocks, in a thread of its own: a call of libvirt may take half a minute, and the
 *  few threads of uv_queue_work() are for the disk. */
#ifndef DRIVE_ERRAND_H
#define DRIVE_ERRAND_H

#include "base/error.h"

#include <uv.h>

/** @work runs in the thread; then @done in the loop, always and from a later turn of it.  Neither
 *  can be taken back, so @ctx must last until @done.  Errors: NO_MEMORY, IO (no thread). */
int bf_errand_run(uv_loop_t *loop, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx,
                  struct bf_error *err);

#endif
