#include "drive/peer_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { PATTERNS_MAX = 64 };

int bf_peer_settings_load(const struct bf_config *config, struct bf_peer_settings *ret_settings,
                          struct bf_error *err)
{
    struct bf_peer_settings settings = {.credentials = NULL};
    char list[BF_CONFIG_TEXT_MAX_BYTES + 1];
    const char *allowed[PATTERNS_MAX];
    struct bf_rpc_credentials_spec spec = {
        .side = config->role == BF_ROLE_DEST ? BF_RPC_SERVER : BF_RPC_CLIENT,
        .folder = config->psk_file[0] ? NULL : config->tls_certificates,
        .psk_file = config->psk_file[0] ? config->psk_file : NULL,
        .allowed = allowed,
    };
    char *rest = NULL;
    int r;

    settings.rpc.role =
        config->role == BF_ROLE_DEST ? BITFERRY__ROLE__ROLE_DEST : BITFERRY__ROLE__ROLE_SOURCE;
    settings.rpc.program =
        config->role == BF_ROLE_DEST ? "bitferry-dest " BF_VERSION : "bitferry-source " BF_VERSION;
    settings.rpc.plain_on_loopback = config->plain_on_loopback;
    if (getrandom(settings.rpc.boot_id, sizeof settings.rpc.boot_id, 0) !=
        sizeof settings.rpc.boot_id)
        return bf_error_set_errno(err, errno, "cannot draw a random number");
    if (!config->plain_on_loopback) {
        memcpy(list, config->allow_peers, sizeof list);
        for (char *name = strtok_r(list, ", \t", &rest); name && spec.nr_allowed < PATTERNS_MAX;
             name = strtok_r(NULL, ", \t", &rest))
            allowed[spec.nr_allowed++] = name;
        r = bf_rpc_credentials_load(&spec, &settings.credentials, err);
        if (r < 0)
            return r;
        settings.rpc.credentials = settings.credentials;
        settings.tls_certificates = spec.folder;
        settings.psk_file = spec.psk_file;
        settings.psk_name = bf_rpc_credentials_psk_name(settings.credentials);
    }
    *ret_settings = settings;
    return 0;
}

void bf_peer_settings_release(struct bf_peer_settings *settings)
{
    if (settings->credentials)
        bf_rpc_credentials_free(settings->credentials);
    *settings = (struct bf_peer_settings){.credentials = NULL};
}

int bf_peer_parse(const char *text, uint16_t default_port, char *ret_host, uint16_t *ret_port,
                  struct bf_error *err)
{
    const char *end = text + strlen(text);
    const char *colon = strrchr(text, ':');
    const char *host = text;
    char *tail = NULL;
    unsigned long port = default_port;

    if (text[0] == '[') {
        host = text + 1;
        end = strchr(text, ']');
        colon = end && end[1] == ':' ? end + 1 : NULL;
    } else if (colon && strchr(text, ':') == colon) {
        end = colon;
    } else {
        colon = NULL; /* an IPv6 address without brackets */
    }
    if (colon)
        port = strtoul(colon + 1, &tail, 10);
    if (!end || end == host || (size_t)(end - host) > BF_RPC_HOST_MAX_BYTES || port == 0 ||
        port > UINT16_MAX || (tail && *tail))
        return bf_error_set(err, BF_E_INVALID,
                            "'%.200s' is no peer: give HOST, HOST:PORT or [ADDRESS]:PORT", text);
    memcpy(ret_host, host, (size_t)(end - host));
    ret_host[end - host] = '\0';
    *ret_port = (uint16_t)port;
    return 0;
}
