#include "daemon/config.h"

#include "config_key.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

static bool *switch_of(struct bf_config *config, const struct bf_config_key *key)
{
    return (bool *)(void *)((char *)config + key->at);
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

    bool may_be_empty = key->kind == BF_KEY_TEXT || !key->text[config->role];

    if ((value[0] == '\0' && !may_be_empty) || length > key->max ||
        (key->kind == BF_KEY_PATH && value[0] != '\0' && value[0] != '/'))
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

static bool set_switch(struct bf_config *config, const struct bf_config_key *key, const char *value)
{
    bool on = strcmp(value, "yes") == 0;

    *switch_of(config, key) = on;
    return on || strcmp(value, "no") == 0;
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
    case BF_KEY_SWITCH:
        return set_switch(config, key, value);
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
    case BF_KEY_SWITCH:
        (void)snprintf(buf, BF_KEY_ALLOWED_MAX, "yes or no");
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
            (void)set_text(config, key, key->text[role] ? key->text[role] : "");
        else if (key->kind == BF_KEY_SWITCH)
            *switch_of(config, key) = false;
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
    case BF_KEY_SWITCH:
        (void)fputs(*(const bool *)value ? "yes" : "no", out);
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
        bool is_text = key->kind == BF_KEY_PATH || key->kind == BF_KEY_TEXT;

        (void)fprintf(out, "%s\t", key->name);
        if (key->kind == BF_KEY_UIDS || (is_text && !key->text[role]))
            (void)fputc('-', out);
        print_value(&defaults, key, out);
        (void)fprintf(out, "\t%s\n", bf_config_key_allowed(key, allowed));
    }
}
