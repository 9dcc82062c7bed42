/** A running domain's QMP as a Unix socket, so that whatever speaks QMP reaches it through libvirt.
 *
 *     bf_qmp_open_path(loop, bf_virt_bridge_path(bridge), ...)
 *
 * A thread of the bridge's own hands each command to libvirt (monitor passthrough, blocking) and
 * each answer back under the id that it came with; QEMU's events follow as they come.  So the loop
 * never waits.  One client after the other; when the domain's QEMU ends, or libvirtd, the
 * connection does. libvirt marks the domain as tainted (custom-monitor).
 *
 * The destination's libvirt of a migration under way answers no command until that has ended.
 */
#ifndef BF_LIBVIRT_BRIDGE_H
#define BF_LIBVIRT_BRIDGE_H

#include "libvirt/domain.h"

struct bf_virt_bridge;

/** @domain must outlive it.  Errors: UNSUPPORTED (no QEMU driver), NOT_FOUND (not running),
 *  IO, NO_MEMORY. */
int bf_virt_bridge_open(struct bf_virt_domain *domain, struct bf_virt_bridge **ret_bridge,
                        struct bf_error *err);

/** Of the socket, in a private folder that goes with the bridge. */
const char *bf_virt_bridge_path(const struct bf_virt_bridge *bridge);

/** Waits for the command under way, if there is one. */
void bf_virt_bridge_close(struct bf_virt_bridge *bridge);
BF_DEFINE_CLEANUP(struct bf_virt_bridge *, bf_virt_bridge_close)

#endif
