#include "message.h"

#include <limits.h>

static int not_qmp(struct bf_error *err, const char *what)
{
    return bf_error_set(err, BF_E_PROTOCOL, "QEMU sent a message that is not QMP: %s", what);
}

static bool get_version_number(const json_t *version, const char *key, int *ret_number)
{
    const json_t *value = json_object_get(version, key);
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number > INT_MAX)
        return false;
    *ret_number = (int)number;
    return true;
}

static int read_greeting(struct bf_qmp_message *message, struct bf_error *err)
{
    const json_t *greeting = json_object_get(message->root, "QMP");
    const json_t *qemu = json_object_get(json_object_get(greeting, "version"), "qemu");

    if (!get_version_number(qemu, "major", &message->version.major) ||
        !get_version_number(qemu, "minor", &message->version.minor) ||
        !get_version_number(qemu, "micro", &message->version.micro))
        return not_qmp(err, "a greeting without a version");
    return 0;
}

static int read_event(struct bf_qmp_message *message, struct bf_error *err)
{
    message->event = json_string_value(json_object_get(message->root, "event"));
    message->data = json_object_get(message->root, "data");
    if (!message->event)
        return not_qmp(err, "an event without a name");
    if (message->data && !json_is_object(message->data))
        return not_qmp(err, "an event with data that are no object");
    if (message->inexact)
        message->data = NULL;
    return 0;
}

static int read_return(struct bf_qmp_message *message, struct bf_error *err)
{
    message->id = json_string_value(json_object_get(message->root, "id"));
    message->result = json_object_get(message->root, "return");
    if (!message->id)
        return not_qmp(err, "an answer without the id of its command");
    return 0;
}

static int read_error(struct bf_qmp_message *message, struct bf_error *err)
{
    const json_t *error = json_object_get(message->root, "error");

    message->id = json_string_value(json_object_get(message->root, "id"));
    message->error_class = json_string_value(json_object_get(error, "class"));
    message->error_text = json_string_value(json_object_get(error, "desc"));
    if (!message->error_class || !message->error_text)
        return not_qmp(err, "an error without class and text");
    if (!message->id)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "QEMU sent an error that answers no command: %s (%s)",
                            message->error_text, message->error_class);
    return 0;
}

static const struct {
    const char *key;
    int (*read)(struct bf_qmp_message *message, struct bf_error *err);
} kinds[] = {
    [BF_QMP_GREETING] = {"QMP", read_greeting},
    [BF_QMP_EVENT] = {"event", read_event},
    [BF_QMP_RETURN] = {"return", read_return},
    [BF_QMP_ERROR] = {"error", read_error},
};

/* A message is of the one kind whose key it has. */
static int find_kind(struct bf_qmp_message *message, struct bf_error *err)
{
    unsigned nr_found = 0;

    for (unsigned kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        if (json_object_get(message->root, kinds[kind].key)) {
            message->kind = (enum bf_qmp_message_kind)kind;
            nr_found++;
        }
    }
    if (nr_found != 1)
        return not_qmp(err, "neither greeting, event, return nor error");
    return 0;
}

/* QEMU's numbers can be larger (QAPI uint64) than those of jansson.  Such a message is read with
 * floating point, just to find out whom it is for: one odd number must not cost the connection, nor
 * go on as some other number. */
static int decode(const char *line, size_t line_bytes, struct bf_qmp_message *message,
                  struct bf_error *err)
{
    size_t flags = JSON_REJECT_DUPLICATES;
    json_error_t error;

    message->root = json_loadb(line, line_bytes, flags, &error);
    if (!message->root && json_error_code(&error) == json_error_numeric_overflow) {
        message->inexact = true;
        message->root = json_loadb(line, line_bytes, flags | JSON_DECODE_INT_AS_REAL, &error);
    }
    if (!message->root)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "QEMU sent a line that is not JSON (column %d: %s); a monitor with "
                            "pretty=on cannot be used",
                            error.column, error.text);
    return 0;
}

int bf_qmp_message_parse(const char *line, size_t line_bytes, struct bf_qmp_message *ret_message,
                         struct bf_error *err)
{
    int r;

    *ret_message = (struct bf_qmp_message){.root = NULL};
    r = decode(line, line_bytes, ret_message, err);
    if (r == 0)
        r = find_kind(ret_message, err);
    if (r == 0)
        r = kinds[ret_message->kind].read(ret_message, err);
    if (r < 0)
        bf_qmp_message_release(ret_message);
    return r;
}

void bf_qmp_message_release(struct bf_qmp_message *message)
{
    json_decref(message->root);
    *message = (struct bf_qmp_message){.root = NULL};
}

char *bf_qmp_message_command(const char *command, json_t *arguments, const char *id)
{
    json_t *root = json_object();
    char *text = NULL;

    /* json_object_set_new() takes the value over on failure too, and fails for a NULL. */
    if (json_object_set_new(root, "execute", json_string(command)) == 0 &&
        json_object_set_new(root, "id", json_string(id)) == 0 &&
        (!arguments || json_object_set(root, "arguments", arguments) == 0))
        text = json_dumps(root, JSON_COMPACT);
    json_decref(arguments);
    json_decref(root);
    return text;
}
