/** What the command line asks the plugin to serve. */
#ifndef PLUGIN_CONFIG_H
#define PLUGIN_CONFIG_H

#include "base/error.h"

#include <stddef.h>

struct bf_served_file {
    char *disk; /* the name under which its bitmaps are exported */
    char *path; /* absolute: nbdkit leaves the folder it was started in */
};

struct bf_config {
    struct bf_served_file *files;
    size_t nr_files;
    struct bf_served_file *late; /* these may come later: late.h */
    size_t nr_late;
    char **bitmaps; /* serve only these; none given: all */
    size_t nr_bitmaps;
    char *token; /* every export name begins with it and a '/'; NULL: none does */
};

/** One KEY=VALUE of the command line.  Errors: USAGE (unknown key, bad token), EXISTS (two disks of
 * one name), NOT_FOUND (a folder without images), IO; @config unchanged, or with the files before
 * the one that failed. */
int bf_config_set(struct bf_config *config, const char *key, const char *value,
                  struct bf_error *err);

/** @name without the token; NULL: it does not begin with it.  Without a token, @name. */
const char *bf_config_behind_token(const struct bf_config *config, const char *name);

void bf_config_release(struct bf_config *config);

#endif
