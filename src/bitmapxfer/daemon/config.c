#include "daemon/config.h"

#include "config_key.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct bf_config, member)

const struct bf_config_key bf_config_keys[] = {
    {.name = "state_dir",
     .kind = BF_KEY_PATH,
     .at = AT(state_dir),
     .max = BF_CONFIG_PATH_MAX_BYTES,
     .text = {"/var/lib/bitferry/source", "/var/lib/bitferry/dest"}},
    {.name = "run_dir",
     .kind = BF_KEY_PATH,
     .at = AT(run_dir),
     .max = BF_CONFIG_RUN_PATH_MAX_BYTES,
     .text = {BF_SOURCE_RUN_DIR, BF_DEST_RUN_DIR}},
    {.name = "max_moves",
     .kind = BF_KEY_NUMBER,
     .at = AT(max_moves),
     .min = 1,
     .max = 1024,
     .number = 64},
    {.name = "keep_moves",
     .kind = BF_KEY_NUMBER,
     .at = AT(keep_moves),
     .min = 0,
     .max = 10000,
     .number = 100},
    {.name = "max_clients",
     .kind = BF_KEY_NUMBER,
     .at = AT(max_clients),
     .min = 1,
     .max = 4096,
     .number = 64},
    {.name = "client_patience_s",
     .kind = BF_KEY_NUMBER,
     .at = AT(client_patience_s),
     .min = 1,
     .max = 3600,
     .number = 30},
    {.name = "stop_grace_s",
     .kind = BF_KEY_NUMBER,
     .at = AT(stop_grace_s),
     .min = 0,
     .max = 3600,
     .number = 20},
    {.name = "address",
     .kind = BF_KEY_TEXT,
     .at = AT(address),
     .max = BF_CONFIG_TEXT_MAX_BYTES,
     .text = {"::", "::"}},
    {.name = "host",
     .kind = BF_KEY_TEXT,
     .at = AT(host),
     .max = BF_CONFIG_TEXT_MAX_BYTES,
     .text = {"", ""}},
    {.name = "port",
     .kind = BF_KEY_NUMBER,
     .at = AT(port),
     .min = 1,
     .max = 65535,
     .number = BF_CONFIG_PORT},
    {.name = "tls_certificates",
     .kind = BF_KEY_PATH,
     .at = AT(tls_certificates),
     .max = BF_CONFIG_PATH_MAX_BYTES,
     .text = {"/etc/pki/bitferry", "/etc/pki/bitferry"}},
    {.name = "allow_peers",
     .kind = BF_KEY_TEXT,
     .at = AT(allow_peers),
     .max = BF_CONFIG_TEXT_MAX_BYTES,
     .text = {"", ""}},
    {.name = "plain_on_loopback",
     .kind = BF_KEY_NUMBER,
     .at = AT(plain_on_loopback),
     .min = 0,
     .max = 1,
     .number = 0},
    {.name = "peer_timeout_s",
     .kind = BF_KEY_NUMBER,
     .at = AT(peer_timeout_s),
     .min = 1,
     .max = 86400,
     .number = 60},
    {.name = "expect_timeout_s",
     .kind = BF_KEY_NUMBER,
     .at = AT(expect_timeout_s),
     .min = 1,
     .max = 86400,
     .number = 600},
    {.name = "drain_timeout_s",
     .kind = BF_KEY_NUMBER,
     .at = AT(drain_timeout_s),
     .min = 1,
     .max = 86400,
     .number = 60},
    {.name = "log_level", .kind = BF_KEY_LEVEL, .at = AT(log_level), .number = BF_LOG_INFO},
    {.name = "allow_uids", .kind = BF_KEY_UIDS},
    {.name = NULL},
};

static const struct {
    const char *name;
    enum bf_log_level level;
} levels[] = {
    {"error", BF_LOG_ERROR},
    {"warning", BF_LOG_WARNING},
    {"info", BF_LOG_INFO},
    {"debug", BF_LOG_DEBUG},
};

enum { NR_LEVELS = sizeof levels / sizeof levels[0] };

/* The levels' numbers have gaps, so they are no index. */
static const char *level_name(uint64_t level)
{
    for (size_t i = 0; i < NR_LEVELS; i++) {
        if (levels[i].level == level)
            return levels[i].name;
    }
    return "?";
}

static uint64_t *number_of(struct bf_config *config, const struct bf_config_key *key)
{
    return (uint64_t *)(void *)((char *)config + key->at);
}

static char *text_of(struct bf_config *config, const struct bf_config_key *key)
{
    return (char *)config + key->at;
}

/* Digits up to @end, nothing else, in the range. */
static bool parse_number(const char *text, const char *end, uint64_t min, uint64_t max,
                         uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text == end)
        return false;
    for (; text < end; text++) {
        uint64_t digit = (uint64_t)(*text - '0');

        if (*text < '0' || *text > '9' || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return number >= min && number <= max;
}

static bool set_level(struct bf_config *config, const struct bf_config_key *key, const char *value)
{
    for (size_t i = 0; i < NR_LEVELS; i++) {
        if (strcmp(levels[i].name, value) == 0) {
            *number_of(config, key) = levels[i].level;
            return true;
        }
    }
    return false;
}

static bool set_text(struct bf_config *config, const struct bf_config_key *key, const char *value)
{
    size_t length = strlen(value);

    if ((key->kind == BF_KEY_PATH && value[0] != '/') || length > key->max)
        return false;
    memcpy(text_of(config, key), value, length + 1);
    return true;
}

/* "1000, 64055"; an empty list is one too. */
static bool set_uids(struct bf_config *config, const char *value)
{
    config->nr_allow_uids = 0;
    while (*value) {
        size_t length = strcspn(value, ", \t");
        uint64_t uid;

        if (config->nr_allow_uids == BF_CONFIG_UIDS_MAX ||
            !parse_number(value, value + length, 0, UINT32_MAX - 1, &uid))
            return false;
        config->allow_uids[config->nr_allow_uids++] = (uid_t)uid;
        value += length;
        value += strspn(value, ", \t");
    }
    return true;
}

bool bf_config_key_set(struct bf_config *config, const struct bf_config_key *key, const char *value)
{
    switch (key->kind) {
    case BF_KEY_NUMBER:
        return parse_number(value, value + strlen(value), key->min, key->max,
                            number_of(config, key));
    case BF_KEY_PATH:
    case BF_KEY_TEXT:
        return set_text(config, key, value);
    case BF_KEY_LEVEL:
        return set_level(config, key, value);
    case BF_KEY_UIDS:
        return set_uids(config, value);
    }
    return false;
}

const char *bf_config_key_allowed(const struct bf_config_key *key, char buf[BF_KEY_ALLOWED_MAX])
{
    switch (key->kind) {
    case BF_KEY_NUMBER:
        (void)snprintf(buf, BF_KEY_ALLOWED_MAX, "a number from %" PRIu64 " to %" PRIu64, key->min,
                       key->max);
        break;
    case BF_KEY_PATH:
        (void)snprintf(buf, BF_KEY_ALLOWED_MAX, "an absolute path of at most %" PRIu64 " bytes",
                       key->max);
        break;
    case BF_KEY_TEXT:
        (void)snprintf(buf, BF_KEY_ALLOWED_MAX, "a text of at most %" PRIu64 " bytes", key->max);
        break;
    case BF_KEY_LEVEL:
        (void)snprintf(buf, BF_KEY_ALLOWED_MAX, "error, warning, info or debug");
        break;
    case BF_KEY_UIDS:
        (void)snprintf(buf, BF_KEY_ALLOWED_MAX, "at most %d user ids in digits, with commas",
                       BF_CONFIG_UIDS_MAX);
        break;
    }
    return buf;
}

void bf_config_init(struct bf_config *config, enum bf_role role)
{
    *config = (struct bf_config){.role = role};
    for (const struct bf_config_key *key = bf_config_keys; key->name; key++) {
        if (key->kind == BF_KEY_PATH || key->kind == BF_KEY_TEXT)
            (void)set_text(config, key, key->text[role]);
        else if (key->kind != BF_KEY_UIDS)
            *number_of(config, key) = key->number;
    }
}

static void print_value(const struct bf_config *config, const struct bf_config_key *key, FILE *out)
{
    const void *value = (const char *)config + key->at;

    switch (key->kind) {
    case BF_KEY_NUMBER:
        (void)fprintf(out, "%" PRIu64, *(const uint64_t *)value);
        break;
    case BF_KEY_PATH:
    case BF_KEY_TEXT:
        (void)fputs(value, out);
        break;
    case BF_KEY_LEVEL:
        (void)fputs(level_name(*(const uint64_t *)value), out);
        break;
    case BF_KEY_UIDS:
        for (size_t i = 0; i < config->nr_allow_uids; i++)
            (void)fprintf(out, "%s%u", i > 0 ? ", " : "", (unsigned)config->allow_uids[i]);
        break;
    }
}

void bf_config_print(const struct bf_config *config, FILE *out)
{
    (void)fprintf(out, "[%s]\n", bf_role_name(config->role));
    for (const struct bf_config_key *key = bf_config_keys; key->name; key++) {
        (void)fprintf(out, "%s = ", key->name);
        print_value(config, key, out);
        (void)fputc('\n', out);
    }
}

void bf_config_print_keys(enum bf_role role, FILE *out)
{
    struct bf_config defaults;
    char allowed[BF_KEY_ALLOWED_MAX];

    bf_config_init(&defaults, role);
    for (const struct bf_config_key *key = bf_config_keys; key->name; key++) {
        (void)fprintf(out, "%s\t", key->name);
        if (key->kind == BF_KEY_UIDS)
            (void)fputc('-', out);
        print_value(&defaults, key, out);
        (void)fprintf(out, "\t%s\n", bf_config_key_allowed(key, allowed));
    }
}
