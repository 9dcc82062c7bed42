/* `hook`: what libvirt or an orchestrator does with a VM, told by its hook.  It is an observation,
 * and may begin or end the wait for a domain (expect_domains); what becomes of a move is learned
 * from QEMU.  The same wait begins where the source's daemon announces a domain (may_announce). */
#include "service.h"

#include "daemon/log.h"

#include <stdio.h>
#include <string.h>

static struct bf_move *expect(struct bf_service *service, const char *vm, const char *uuid)
{
    struct bf_control_request request = {.op = BF_OP_EXPECT};
    struct bf_move *move = NULL;

    (void)snprintf(request.plan.uuid, sizeof request.plan.uuid, "%s", uuid);
    request.plan.vm = strdup(vm);
    request.plan.domain = strdup(uuid);
    if (request.plan.vm && request.plan.domain)
        bf_service_expect(service, &request, &move);
    bf_control_request_release(&request);
    return move;
}

bool bf_service_on_announced(void *ctx, const char *vm, const char *uuid)
{
    struct bf_service *service = ctx;

    if (bf_moves_find_active(&service->moves, uuid)) /* it has another source already */
        return false;
    return expect(service, vm, uuid) != NULL;
}

/* A domain that will arrive is expected; one that was released before it ran here does not come. */
static struct bf_move *obey(struct bf_service *service, const struct bf_control_request *request,
                            struct bf_move *move)
{
    const struct bf_config *config = service->config;

    if (!move && config->role == BF_ROLE_DEST && config->expect_domains &&
        strcmp(request->event, "migrate begin") == 0) {
        move = expect(service, request->plan.vm, request->plan.uuid);
        if (move)
            move->by_hook = true;
        return move;
    }
    if (move && move->by_hook && strcmp(request->event, "release end") == 0 && service->driver)
        service->driver->abort(move);
    return move;
}

void bf_service_hook(struct bf_service *service, struct bf_connection *connection,
                     const struct bf_control_request *request)
{
    const struct bf_plan *plan = &request->plan;
    struct bf_move *move =
        obey(service, request, bf_moves_find_active(&service->moves, plan->uuid));
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
