/** The table of configuration keys: name, kind, range, default, and where the value goes. */
#ifndef CONFIG_KEY_H
#define CONFIG_KEY_H

#include "daemon/config.h"

#include <stdbool.h>

enum bf_config_kind {
    BF_KEY_NUMBER, /* uint64_t */
    BF_KEY_PATH,   /* char[] of at least @max + 1 bytes */
    BF_KEY_TEXT,   /* the same, any text */
    BF_KEY_SWITCH, /* bool; off by default */
    BF_KEY_LEVEL,  /* uint64_t */
    BF_KEY_UIDS,   /* allow_uids and nr_allow_uids; no default */
};

struct bf_config_key {
    const char *name; /* NULL ends the table */
    enum bf_config_kind kind;
    size_t at;                     /* offset of the value in struct bf_config */
    uint64_t min, max;             /* of a number; @max: the length of a path in bytes */
    uint64_t number;               /* default */
    const char *text[BF_NR_ROLES]; /* default of a path or text; NULL: empty, which is allowed */
};

extern const struct bf_config_key bf_config_keys[];

/** False, and the value unspecified: it is not what bf_config_key_allowed() says. */
bool bf_config_key_set(struct bf_config *config, const struct bf_config_key *key,
                       const char *value);

enum { BF_KEY_ALLOWED_MAX = 96 };

/** What a value may be, as a phrase. */
const char *bf_config_key_allowed(const struct bf_config_key *key, char buf[BF_KEY_ALLOWED_MAX]);

#endif
