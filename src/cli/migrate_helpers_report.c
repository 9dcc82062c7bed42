/* What is told of the daemons, and what they tell. */
#include "base/cleanup.h"
#include "daemon_link.h"
#include "migrate_helpers.h"
#include "output.h"

#include <stdio.h>

const json_t *bf_helpers_move(const struct bf_helpers *helpers)
{
    return helpers->dest.move ? helpers->dest.move : helpers->source.move;
}

static const char *dest_id(const struct bf_helpers *helpers)
{
    return helpers->dest.id[0] ? helpers->dest.id
                               : bf_daemon_text(helpers->source.move, "peer_move");
}

void bf_helpers_print(const struct bf_helpers *helpers)
{
    BF_CLEANUP(bf_freep) char *peer = bf_escape(helpers->peer ? helpers->peer : "?");
    BF_CLEANUP(bf_freep) char *why = bf_escape(helpers->why);
    const char *there = dest_id(helpers);

    if (!helpers->used)
        (void)printf("by this command alone: %s\n", why ? why : "?");
    else if (!helpers->source.id[0])
        (void)printf("by bitferry-source here and bitferry-dest on %s\n", peer ? peer : "?");
    else
        (void)printf("by bitferry-source here, move %s, and bitferry-dest on %s%s%s\n",
                     helpers->source.id, peer ? peer : "?", there[0] ? ", move " : "", there);
}

static bool put_helper(json_t *object, const char *key, const char *id, json_t *move)
{
    json_t *helper = id[0] ? json_pack("{s:s, s:O*}", "id", id, "move", move) : json_null();

    return json_object_set_new(object, key, helper) == 0;
}

json_t *bf_helpers_to_json(const struct bf_helpers *helpers)
{
    BF_CLEANUP(json_decrefp) json_t *object = json_pack("{s:b}", "used", helpers->used);
    bool whole = object;

    if (whole && helpers->used)
        whole = put_helper(object, "source", helpers->source.id, helpers->source.move) &&
                put_helper(object, "destination", dest_id(helpers), helpers->dest.move);
    else if (whole)
        whole = json_object_set_new(object, "why", bf_text_to_json(helpers->why)) == 0;
    return whole ? bf_steal_ptr(&object) : NULL;
}
