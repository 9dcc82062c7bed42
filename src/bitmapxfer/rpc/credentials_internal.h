#ifndef RPC_CREDENTIALS_INTERNAL_H
#define RPC_CREDENTIALS_INTERNAL_H

#include "psk.h"

#include "rpc/credentials.h"

#include <gnutls/gnutls.h>

struct bf_rpc_credentials {
    enum bf_rpc_side side;
    gnutls_priority_t priority;
    gnutls_certificate_credentials_t x509; /* or one of the next two */
    gnutls_psk_server_credentials_t psk_server;
    gnutls_psk_client_credentials_t psk_client;
    struct bf_psk_table keys; /* of psk_server */
    char **allowed;
    size_t nr_allowed;
};

#endif
