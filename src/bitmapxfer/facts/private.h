/** From QEMU's answers to the document. */
#ifndef FACTS_PRIVATE_H
#define FACTS_PRIVATE_H

#include "facts/facts.h"

struct bf_answers {
    const json_t *devices, *nodes, *graph, *jobs, *exports, *capabilities, *parameters;
    const json_t *serials; /* a text for each disk that was asked for */
};

/** NULL: no memory. */
json_t *bf_facts_assemble(const struct bf_answers *answers, const struct bf_live_disk_wish *disks,
                          uint32_t nr_disks);

/** As in live/survey.h: of the name of a node, or of a block backend; NULL: there is none. */
const json_t *bf_facts_node(const struct bf_answers *answers, const char *name);

/** A filter is no image.  What stands under it is. */
bool bf_node_is_filter(const json_t *node);

/** Where in QOM the guest's device on the disk @name is, for the caller to free; NULL: there is
 *  none.  Needs devices, nodes and graph. */
char *bf_serial_path(const struct bf_answers *answers, const char *name);

/** What `qom-get` says (NULL: nothing) as text without control characters; "": it has none that
 *  somebody gave it. */
const char *bf_serial_text(const json_t *said);

/** The node below @node in its chain of images, or NULL. */
const char *bf_graph_below(const json_t *graph, const char *node, bool filter);

/** The node that the mirror of @node writes to, or NULL. */
const char *bf_graph_mirror_target(const json_t *graph, const json_t *jobs, const char *node);

/** Does @upper stand on @lower, or is it the same? */
bool bf_graph_reaches(const json_t *graph, const char *upper, const char *lower);

const json_t *bf_list_find(const json_t *list, const char *key, const char *value);
const char *bf_facts_text(const json_t *object, const char *key);

#endif
