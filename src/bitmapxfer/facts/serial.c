/* What the guest sees as the number of its disk: a property of the device that a node is for. */
#include "private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A job's or a throttle's filter may stand between the device and its disk. */
static bool is_for(const struct bf_answers *answers, const json_t *device, const char *node)
{
    const char *name = bf_facts_text(json_object_get(device, "inserted"), "node-name");

    while (name && name[0] && strcmp(name, node) != 0) {
        bool filter = bf_node_is_filter(bf_list_find(answers->nodes, "node-name", name));

        name = filter ? bf_graph_below(answers->graph, name, true) : NULL;
    }
    return name && name[0];
}

/* QEMU tells an id where there is one, else a path; an id alone may be that of a bus, too. */
static char *path_of(const char *qdev)
{
    static const char under[] = "/machine/peripheral/";
    size_t size = sizeof under + strlen(qdev);
    char *path = malloc(size);

    if (path)
        (void)snprintf(path, size, "%s%s", qdev[0] == '/' ? "" : under, qdev);
    return path;
}

char *bf_serial_path(const struct bf_answers *answers, const char *name)
{
    const char *node = bf_facts_text(bf_facts_node(answers, name), "node-name");
    const json_t *device;
    size_t i;

    json_array_foreach(answers->devices, i, device)
    {
        const char *qdev = bf_facts_text(device, "qdev");

        if (node[0] && qdev[0] && is_for(answers, device, node))
            return path_of(qdev);
    }
    return NULL;
}

/* QEMU makes "QM00001" up for an IDE disk that was given none, by the place where it is plugged in:
 * that is an order, which tells no disk from another. */
static bool is_made_up(const char *serial)
{
    return strlen(serial) == 7 && strncmp(serial, "QM", 2) == 0 &&
           strspn(serial + 2, "0123456789") == 5;
}

const char *bf_serial_text(const json_t *said)
{
    const char *serial = json_string_value(said);
    size_t length = serial ? strlen(serial) : 0;

    if (length == 0 || length > BF_FACTS_SERIAL_MAX_BYTES || is_made_up(serial))
        return "";
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)serial[i] < 0x20 || serial[i] == 0x7f)
            return "";
    }
    return serial;
}
