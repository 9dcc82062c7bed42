/* `start` and `expect`: a new move, or the one that the same request began before. */
#include "service.h"

#include "base/cleanup.h"
#include "daemon/log.h"

#include <string.h>

static int check_op(const struct bf_service *service, enum bf_control_op op, struct bf_error *err)
{
    enum bf_control_op ours = service->config->role == BF_ROLE_SOURCE ? BF_OP_START : BF_OP_EXPECT;

    if (op != ours)
        return bf_error_set(err, BF_E_INVALID,
                            "this is bitferry-%s, which takes '%s'; '%s' is for the other daemon",
                            bf_role_name(service->config->role), bf_control_op_name(ours),
                            bf_control_op_name(op));
    if (!service->driver)
        return bf_error_set(err, BF_E_UNSUPPORTED,
                            "this bitferry-%s was built without the part that moves live VMs",
                            bf_role_name(service->config->role));
    return 0;
}

static int check_room(const struct bf_service *service, struct bf_error *err)
{
    if (service->draining)
        return bf_error_set(err, BF_E_WORK_IN_PROGRESS,
                            "the daemon is stopping: try again when it runs anew");
    if (bf_moves_count_active(&service->moves) >= service->config->max_moves)
        return bf_error_set(err, BF_E_WORK_IN_PROGRESS,
                            "%llu moves are under way, as many as max_moves allows: try again when "
                            "one has ended",
                            (unsigned long long)service->config->max_moves);
    return 0;
}

static char *begun_text(const struct bf_move *move)
{
    BF_CLEANUP(json_decrefp)
    json_t *begun = json_pack("{s:i, s:s, s:I}", "schema", 1, "role", bf_role_name(move->role),
                              "begun_s", (json_int_t)move->begun_s);

    if (!begun || !bf_plan_to_json(&move->plan, begun))
        return NULL;
    return json_dumps(begun, JSON_COMPACT);
}

static int begin(struct bf_service *service, struct bf_move *move, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *begun = begun_text(move);
    int r;

    if (!begun)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    r = bf_move_folder_create(&service->state, service->config->state_dir, move->id, begun,
                              strlen(begun), &move->folder, err);
    if (r < 0)
        return r;
    r = service->driver->start(move, service->loop, service->config, err);
    if (r == 0) {
        service->nr_drivers++;
        return 0;
    }
    bf_move_folder_close(bf_steal_ptr(&move->folder));
    (void)bf_move_folder_remove(&service->state, move->id, NULL);
    return r;
}

static int add(struct bf_service *service, struct bf_control_request *request,
               struct bf_move **ret_move, struct bf_error *err)
{
    struct bf_move *move = NULL;
    int r = bf_moves_add(&service->moves, service->config->role, NULL, &move, err);

    if (r < 0)
        return r;
    move->plan = request->plan;
    request->plan = (struct bf_plan){.read = BF_READ_AUTO};
    r = begin(service, move, err);
    if (r < 0) {
        bf_moves_remove(&service->moves, move);
        return r;
    }
    bf_log(BF_LOG_INFO, "move %s: begun for %s (%s)", move->id, move->plan.vm, move->plan.uuid);
    *ret_move = move;
    return 0;
}

/* A client that lost its answer asks again, and gets it. */
static int find_or_add(struct bf_service *service, struct bf_control_request *request,
                       struct bf_move **ret_move, bool *ret_existing, struct bf_error *err)
{
    struct bf_move *move = bf_moves_find_active(&service->moves, request->plan.uuid);
    int r;

    *ret_existing = move != NULL;
    *ret_move = move;
    if (move && bf_plan_equal(&move->plan, &request->plan))
        return 0;
    if (move)
        return bf_error_set(
            err, BF_E_WORK_IN_PROGRESS,
            "the VM %s is under way already, by another request (move %s): wait for "
            "it, or end it with 'bitferry abort'",
            move->plan.vm, move->id);
    r = check_room(service, err);
    return r < 0 ? r : add(service, request, ret_move, err);
}

void bf_service_expect(struct bf_service *service, struct bf_control_request *request,
                       struct bf_move **ret_move)
{
    struct bf_error err = BF_ERROR_INIT;
    int r = check_op(service, BF_OP_EXPECT, &err);

    if (r == 0)
        r = check_room(service, &err);
    if (r == 0)
        r = add(service, request, ret_move, &err);
    if (r < 0)
        bf_log(BF_LOG_WARNING, "a domain that is announced is not expected: %s", err.text);
}

void bf_service_start(struct bf_service *service, struct bf_connection *connection,
                      struct bf_control_request *request)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_move *move = NULL;
    bool existing = false;
    json_t *reply;

    if (check_op(service, request->op, &err) < 0 ||
        find_or_add(service, request, &move, &existing, &err) < 0) {
        bf_service_refuse(connection, &err);
        return;
    }
    reply = bf_control_ok();
    if (reply && (json_object_set_new(reply, "id", json_string(move->id)) < 0 ||
                  json_object_set_new(reply, "existing", json_boolean(existing)) < 0)) {
        json_decref(reply);
        reply = NULL;
    }
    bf_connection_send(connection, reply);
}
