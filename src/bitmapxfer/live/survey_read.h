/** What QEMU says about block devices, nodes and bitmaps, made into structs. */
#ifndef LIVE_SURVEY_READ_H
#define LIVE_SURVEY_READ_H

#include "live/survey.h"

/** The node that a node's or block backend's name means (borrowed), or NULL.  @devices is the
 *  answer of query-block, @nodes that of query-named-block-nodes. */
const json_t *bf_live_nodes_find(const json_t *nodes, const json_t *devices, const char *name);

/** The bitmap (borrowed) of @node as QEMU describes it, or NULL. */
const json_t *bf_live_node_bitmap(const json_t *node, const char *name);

/** Errors: PROTOCOL, NO_MEMORY; *survey then holds what was read until then. */
int bf_live_survey_read(struct bf_live_survey *survey, const json_t *devices, const json_t *nodes,
                        const struct bf_live_disk_wish *wishes, uint32_t nr_wishes,
                        struct bf_error *err);

#endif
