/** One QMP message: text in, facts out, and the text of a command.  Pure: no fd, no loop.
 *  Source: QEMU docs/interop/qmp-spec.txt. */
#ifndef QMP_MESSAGE_H
#define QMP_MESSAGE_H

#include "qmp/client.h"

enum bf_qmp_message_kind {
    BF_QMP_GREETING,
    BF_QMP_EVENT,
    BF_QMP_RETURN,
    BF_QMP_ERROR,
};

struct bf_qmp_message {
    enum bf_qmp_message_kind kind;
    json_t *root;                  /* owned; all pointers below point into it */
    struct bf_qmp_version version; /* greeting */
    const char *id;                /* return, error */
    const json_t *result;          /* return */
    const char *event;             /* event */
    const json_t *data;            /* event; NULL: none */
    const char *error_class;       /* error */
    const char *error_text;        /* error */
    bool inexact;                  /* a number is beyond 64 bits with sign: result and data are not
                                      to be used */
};

/** Judge a line.  Errors: PROTOCOL, @ret_message needs no release then. */
int bf_qmp_message_parse(const char *line, size_t line_bytes, struct bf_qmp_message *ret_message,
                         struct bf_error *err);
void bf_qmp_message_release(struct bf_qmp_message *message);

/** The text of a command without a line end, to be freed; @arguments is taken over (NULL: none).
 *  NULL: no memory, or @command is not UTF-8. */
char *bf_qmp_message_command(const char *command, json_t *arguments, const char *id);

#endif
