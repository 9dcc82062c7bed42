/** A libvirt daemon, local or remote.
 *
 * Threads: every function of this layer may block for as long as libvirt does (a dead peer is
 * given up after BF_VIRT_KEEPALIVE_S).  Call them from a thread that may wait: the program's own
 * where it has no loop, a worker of uv_queue_work() where it has one.  Different threads may use
 * the same connection, but each domain and migration belongs to one thread at a time.  What a loop
 * needs without waiting, QMP and its events, goes through libvirt/bridge.h.
 *
 * The first connection starts a thread of its own for libvirt's events and keep-alive; it lives as
 * long as the process.
 */
#ifndef BF_LIBVIRT_CONNECTION_H
#define BF_LIBVIRT_CONNECTION_H

#include "base/cleanup.h"
#include "base/error.h"

enum { BF_VIRT_KEEPALIVE_S = 30 };

struct bf_virt;

/** @uri NULL: libvirt's default, as virsh has it.  Errors: PEER, AUTH, NO_MEMORY. */
int bf_virt_open(const char *uri, struct bf_virt **ret_virt, struct bf_error *err);
void bf_virt_close(struct bf_virt *virt);
BF_DEFINE_CLEANUP(struct bf_virt *, bf_virt_close)

/** The URI that it is connected to. */
const char *bf_virt_uri(const struct bf_virt *virt);

/** The host's own name; "" if it does not tell. */
const char *bf_virt_host(const struct bf_virt *virt);

#endif
