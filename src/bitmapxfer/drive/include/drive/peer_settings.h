/** How to talk to the other helper, from the configuration. */
#ifndef DRIVE_PEER_SETTINGS_H
#define DRIVE_PEER_SETTINGS_H

#include "daemon/config.h"
#include "rpc/peer.h"

struct bf_peer_settings {
    struct bf_rpc_settings rpc;
    struct bf_rpc_credentials *credentials; /* NULL: plain TCP on loopback */
    /* The same for NBD: a folder, or a file of keys and whose key we show; neither without TLS.
     * They belong to the configuration and to the credentials. */
    const char *tls_certificates, *psk_file, *psk_name;
};

/** Errors: as bf_rpc_credentials_load(). */
int bf_peer_settings_load(const struct bf_config *config, struct bf_peer_settings *ret_settings,
                          struct bf_error *err);

/** Only when no peer uses them any more. */
void bf_peer_settings_release(struct bf_peer_settings *settings);

/** "HOST", "HOST:PORT", "[ADDRESS]:PORT"; @ret_host has room for BF_RPC_HOST_MAX_BYTES and a NUL.
 *  Errors: INVALID. */
int bf_peer_parse(const char *text, uint16_t default_port, char *ret_host, uint16_t *ret_port,
                  struct bf_error *err);

#endif
