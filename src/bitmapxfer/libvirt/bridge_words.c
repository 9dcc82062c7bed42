#include "bridge_words.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

/* Takes the reference; NULL in, NULL out. */
static char *line_of(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    char *line = NULL;

    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    json_decref(object);
    return line;
}

static json_t *with_id(json_t *object, const struct bf_bridge_command *command)
{
    int r = command->id ? json_object_set(object, "id", command->id)
                        : (json_object_del(object, "id"), 0);

    if (object && r == 0)
        return object;
    json_decref(object);
    return NULL;
}

bool bf_bridge_command_read(const char *line, size_t nr_bytes,
                            struct bf_bridge_command *ret_command)
{
    json_t *object = json_loadb(line, nr_bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(object, "execute"));

    if (name) {
        ret_command->negotiates = strcmp(name, "qmp_capabilities") == 0;
        ret_command->id = json_incref(json_object_get(object, "id"));
        (void)json_object_del(object, "id");
        ret_command->text = json_dumps(object, JSON_COMPACT);
    }
    json_decref(object);
    return ret_command->text != NULL;
}

void bf_bridge_command_release(struct bf_bridge_command *command)
{
    free(command->text);
    json_decref(command->id);
}

char *bf_bridge_greeting(const char *version)
{
    json_t *object = json_loads(version, 0, NULL);
    json_t *value = json_object_get(object, "return");
    json_t *greeting =
        value ? json_pack("{s:{s:O,s:[]}}", "QMP", "version", value, "capabilities") : NULL;

    json_decref(object);
    return line_of(greeting);
}

char *bf_bridge_answer(const struct bf_bridge_command *command, const char *result)
{
    json_t *object = json_loads(result, 0, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return bf_bridge_refusal(command, "libvirt passed on an answer that is none");
    }
    return line_of(with_id(object, command));
}

char *bf_bridge_refusal(const struct bf_bridge_command *command, const char *why)
{
    return line_of(with_id(
        json_pack("{s:{s:s,s:s}}", "error", "class", "GenericError", "desc", why), command));
}

char *bf_bridge_event(const char *name, long long seconds, unsigned micros, const char *details)
{
    json_t *data = details ? json_loads(details, 0, NULL) : NULL;

    return line_of(json_pack("{s:s,s:o*,s:{s:I,s:I}}", "event", name, "data", data, "timestamp",
                             "seconds", (json_int_t)seconds, "microseconds", (json_int_t)micros));
}
