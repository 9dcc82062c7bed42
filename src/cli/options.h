/** Option table entries that several commands share word for word. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "command.h"

#define BF_OPTION_TLS                                                                              \
    {                                                                                              \
        .name = "tls-certificates", .placeholder = "DIR", .kind = BF_ARGUMENT_FOLDER,              \
        .help = "require TLS, with _ca-cert.pem_ (and, to show who we are, _client-cert.pem_ and " \
                "_client-key.pem_) from this folder"                                               \
    }

#define BF_OPTION_DEADLINE                                                                         \
    {                                                                                              \
        .name = "deadline", .placeholder = "SECONDS", .kind = BF_ARGUMENT_TEXT,                    \
        .help = "give a server up when nothing has come from it for so long (30)"                  \
    }

#define BF_OPTION_FORCE_SHARE                                                                      \
    {                                                                                              \
        .name = "force-share", .letter = 'U',                                                      \
        .help = "read an image although a VM may be writing to it; what is read may be stale"      \
    }

#define BF_OPTION_DISK                                                                             \
    {                                                                                              \
        .name = "disk", .letter = 'd', .placeholder = "NAME", .kind = BF_ARGUMENT_TEXT,            \
        .repeatable = true, .help = "only this disk"                                               \
    }

#define BF_OPTION_BITMAP                                                                           \
    {                                                                                              \
        .name = "bitmap", .letter = 'b', .placeholder = "NAME", .kind = BF_ARGUMENT_TEXT,          \
        .repeatable = true, .help = "only this bitmap"                                             \
    }

/** Of a BF_OPTION_DEADLINE at @index, in milliseconds; BF_TARGET_DEADLINE_MS if it was not given.
 *  Errors: USAGE. */
int bf_option_deadline(const struct bf_arguments *args, size_t index, uint64_t *ret_deadline_ms,
                       struct bf_error *err);

#endif
