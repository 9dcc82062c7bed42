/** QMP as the bridge speaks it: lines of JSON, pure. */
#ifndef BF_LIBVIRT_BRIDGE_WORDS_H
#define BF_LIBVIRT_BRIDGE_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct bf_bridge_command {
    char *text;      /* for libvirt, which has ids of its own: without one */
    json_t *id;      /* NULL: none */
    bool negotiates; /* qmp_capabilities: libvirt has done that */
};

/** False if the line is no command. */
bool bf_bridge_command_read(const char *line, size_t nr_bytes,
                            struct bf_bridge_command *ret_command);
void bf_bridge_command_release(struct bf_bridge_command *command);

/* Lines, each the caller's to free(); NULL: no memory, or an answer that is none. */
char *bf_bridge_greeting(const char *version); /* the answer to query-version */
char *bf_bridge_answer(const struct bf_bridge_command *command, const char *result);
char *bf_bridge_refusal(const struct bf_bridge_command *command, const char *why);
char *bf_bridge_event(const char *name, long long seconds, unsigned micros, const char *details);

#endif
