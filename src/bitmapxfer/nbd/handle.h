/** libnbd's handle: set up by our rules, and its errors in our words. */
#ifndef NBD_HANDLE_H
#define NBD_HANDLE_H

#include "base/cleanup.h"
#include "nbd/endpoint.h"

#include <libnbd.h>

BF_DEFINE_CLEANUP(struct nbd_handle *, nbd_close)

/** Checked, configured and connecting, in option mode: it will come to "negotiating" with TLS,
 * where the endpoint wants it, in place.  Resolving a host name blocks (libnbd). Errors: as
 * bf_nbd_endpoint_check(), AUTH, PEER, NO_MEMORY. */
int bf_nbd_handle_connect(const struct bf_nbd_endpoint *endpoint, struct nbd_handle **ret_nbd,
                          struct bf_error *err);

/** Is the connection gone?  Keeps nbd_get_error(). */
bool bf_nbd_is_lost(struct nbd_handle *nbd);

/** libnbd's last error in this thread as ours, with its text behind "@doing: "; to be called before
 *  any other call that sets one.  Always negative. */
int bf_nbd_error(struct bf_error *err, const char *doing);

#endif
