/** The options of `virsh migrate`, as flags and parameters of libvirt's call. */
#ifndef BF_LIBVIRT_MIGRATE_OPTIONS_H
#define BF_LIBVIRT_MIGRATE_OPTIONS_H

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bf_virt_migrate_options;

/** @words: "--live", "--bandwidth", "100", or "--bandwidth=100".  Files that an option names are
 *  read now.  Errors: USAGE for one that is not known, is not for a tool, or does not go with
 *  another, by its name. */
int bf_virt_migrate_options_parse(const char *const *words, size_t nr_words,
                                  struct bf_virt_migrate_options **ret_options,
                                  struct bf_error *err);
void bf_virt_migrate_options_free(struct bf_virt_migrate_options *options);
BF_DEFINE_CLEANUP(struct bf_virt_migrate_options *, bf_virt_migrate_options_free)

enum bf_virt_storage {
    BF_VIRT_STORAGE_SHARED,     /* nothing is copied */
    BF_VIRT_STORAGE_COPIED_ALL, /* whole images */
    BF_VIRT_STORAGE_COPIED_INC, /* the top layers */
};

struct bf_virt_migrate_facts {
    bool offline;
    bool peer_to_peer;
    bool persistent;
    bool undefine_source;
    bool paused; /* --suspend */
    enum bf_virt_storage storage;
    uint32_t timeout_s; /* 0: none */
    bool timeout_postcopy;
};

const struct bf_virt_migrate_facts *
bf_virt_migrate_options_facts(const struct bf_virt_migrate_options *options);

/** Was this disk named to be copied?  True for all where none was named. */
bool bf_virt_migrate_options_copies(const struct bf_virt_migrate_options *options,
                                    const char *target);

#endif
