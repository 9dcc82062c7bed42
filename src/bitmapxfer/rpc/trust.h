/** Is the peer of a TLS session who it should be? */
#ifndef RPC_TRUST_H
#define RPC_TRUST_H

#include "tls.h"

/** Judge the peer's certificate: chain, dates, revocation, purpose, host name (of a server),
 * allow-list. Fills in @tls->peer_name.  Errors: AUTH, and *ret_alert says what to tell the peer.
 */
int bf_rpc_trust_certificate(struct bf_rpc_tls *tls, gnutls_alert_description_t *ret_alert,
                             struct bf_error *err);

/** The same for a client's PSK identity, whose key was right. */
int bf_rpc_trust_identity(struct bf_rpc_tls *tls, gnutls_alert_description_t *ret_alert,
                          struct bf_error *err);

#endif
