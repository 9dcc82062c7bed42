/* `hook`: what libvirt or an orchestrator does with a VM, told by its hook.  It is an observation;
 * what becomes of the move is learned from QEMU. */
#include "service.h"

#include "daemon/log.h"

#include <string.h>

void bf_service_hook(struct bf_service *service, struct bf_connection *connection,
                     const struct bf_control_request *request)
{
    const struct bf_plan *plan = &request->plan;
    struct bf_move *move = bf_moves_find_active(&service->moves, plan->uuid);
    json_t *reply = bf_control_ok();

    if (move) {
        (void)strcpy(move->hook, request->event);
        bf_log(BF_LOG_INFO, "move %s: a hook tells '%s'", move->id, request->event);
        bf_move_changed(move);
    } else {
        bf_log(BF_LOG_INFO, "a hook tells '%s' of %s (%s); no move of it is under way here",
               request->event, plan->vm, plan->uuid);
    }
    if (reply && json_object_set_new(reply, "id", move ? json_string(move->id) : json_null()) < 0) {
        json_decref(reply);
        reply = NULL;
    }
    bf_connection_send(connection, reply);
}
