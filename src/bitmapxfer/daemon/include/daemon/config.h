/** The configuration: an INI file with one section for each daemon, [source] and [dest].
 *
 * Every key and value of the whole file is checked, also those of the other daemon: an unknown
 * section or key, a key given twice, or a value out of its range is refused with file, line and
 * what is allowed.  BF_CONFIG_KEYS is the one table of keys: parser, defaults, `--print-config`
 * and the check of the manual pages come from it.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/error.h"
#include "daemon/log.h"
#include "daemon/role.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define BF_CONFIG_PATH "/etc/bitferry/bitferry.conf"

enum {
    BF_CONFIG_FILE_MAX_BYTES = 64 << 10,
    BF_CONFIG_UIDS_MAX = 16,
    BF_CONFIG_PORT = 10810, /* one above nbd's */
    BF_CONFIG_PATH_MAX_BYTES = 160,
    BF_CONFIG_TEXT_MAX_BYTES = 255,
    BF_CONFIG_RUN_PATH_MAX_BYTES = 90, /* a socket's path has 107 bytes: "/control.sock" fits */
};

struct bf_config {
    enum bf_role role;
    char state_dir[BF_CONFIG_PATH_MAX_BYTES + 1]; /* absolute */
    char run_dir[BF_CONFIG_PATH_MAX_BYTES + 1];   /* absolute */
    uint64_t max_moves;
    uint64_t keep_moves;
    uint64_t max_clients;
    uint64_t client_patience_s;
    uint64_t stop_grace_s;
    uint64_t log_level;                             /* enum bf_log_level */
    char carrier_dir[BF_CONFIG_PATH_MAX_BYTES + 1]; /* absolute; in memory, best */
    char address[BF_CONFIG_TEXT_MAX_BYTES + 1];     /* dest: for helpers; source: for its exports */
    char host[BF_CONFIG_TEXT_MAX_BYTES + 1]; /* as in our certificate, for peers; "": the address */
    uint64_t port;                           /* of bitferry-dest; source: where none is told */
    char tls_certificates[BF_CONFIG_PATH_MAX_BYTES + 1]; /* folder */
    char psk_file[BF_CONFIG_PATH_MAX_BYTES + 1];         /* keys instead of them; "": none */
    char allow_peers[BF_CONFIG_TEXT_MAX_BYTES + 1];      /* patterns, with commas; "": all signed */
    char may_announce[BF_CONFIG_TEXT_MAX_BYTES + 1];     /* dest: patterns of sources; "": none */
    bool plain_on_loopback;
    uint64_t peer_timeout_s;   /* without a connection to the peer */
    uint64_t expect_timeout_s; /* until the other helper knows of the move */
    bool expect_domains;       /* dest: what libvirt's hook announces is expected */
    bool require_bits;         /* dest: a count alone proves nothing that QEMU brings */
    uint64_t pull_timeout_s;   /* dest: a pull without progress */
    uint64_t pull_limit_s;     /* dest: a pull as a whole */
    uint64_t busy_timeout_s;   /* source: until a busy bitmap is dropped */
    uid_t allow_uids[BF_CONFIG_UIDS_MAX];
    size_t nr_allow_uids;
};

/** The defaults for @role. */
void bf_config_init(struct bf_config *config, enum bf_role role);

/** Read @path over the defaults.  Errors: INVALID ("FILE:LINE: ..."), NOT_FOUND, PERMISSION, IO,
 *  NO_MEMORY; *config is then undefined. */
int bf_config_read(const char *path, enum bf_role role, struct bf_config *config,
                   struct bf_error *err);

/** All keys with their values, as a section that bf_config_read() takes. */
void bf_config_print(const struct bf_config *config, FILE *out);

/** One line a key: its name, its default for @role (or "-"), what is allowed. */
void bf_config_print_keys(enum bf_role role, FILE *out);

#endif
