/* Requests of the control socket: what they become; what is refused is in
 * integration.daemon_control. */
#include "daemon/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#define UUID "ABCDEF01-2345-6789-abcd-ef0123456789"
#define ID   "0123456789abcdef0123456789abcdef"

static const char start[] =
    "{\"schema\":1,\"op\":\"start\",\"vm\":\"web 1\",\"uuid\":\"" UUID "\",\"qmp\":\"/run/q\","
    "\"peer\":\"[fe80::1%eth0]:99\",\"read\":\"block-status\",\"disks\":[{\"name\":\"vda\","
    "\"node\":"
    "\"n0\"},{\"name\":\"d\xc3\xa9\",\"node\":\"n1\"}]}";

static int parse(const char *line, size_t line_bytes, struct bf_control_request *request)
{
    return bf_control_request_parse(line, line_bytes, request, NULL);
}

static void a_start_becomes_a_plan(void **state)
{
    struct bf_control_request request;

    (void)state;
    assert_int_equal(parse(start, strlen(start), &request), 0);
    assert_int_equal(request.op, BF_OP_START);
    assert_string_equal(request.plan.vm, "web 1");
    assert_string_equal(request.plan.uuid, "abcdef01-2345-6789-abcd-ef0123456789");
    assert_string_equal(request.plan.qmp, "/run/q");
    assert_string_equal(request.plan.peer, "[fe80::1%eth0]:99");
    assert_int_equal(request.plan.read, BF_READ_BLOCK_STATUS);
    assert_int_equal(request.plan.nr_disks, 2);
    assert_string_equal(request.plan.disks[1].name, "d\xc3\xa9");
    assert_string_equal(request.plan.disks[1].node, "n1");
    bf_control_request_release(&request);
}

static void a_plan_survives_its_journal(void **state)
{
    struct bf_control_request request;
    struct bf_plan again;
    json_t *object = json_object();

    (void)state;
    assert_int_equal(parse(start, strlen(start), &request), 0);
    assert_true(bf_plan_to_json(&request.plan, object));
    assert_int_equal(bf_plan_from_json(object, true, &again, NULL), 0);
    assert_true(bf_plan_equal(&request.plan, &again));
    again.disks[1].node[1] = '2';
    assert_false(bf_plan_equal(&request.plan, &again));
    again.disks[1].node[1] = '1';
    again.read = BF_READ_SPILL;
    assert_false(bf_plan_equal(&request.plan, &again));
    bf_plan_release(&again);
    bf_control_request_release(&request);
    json_decref(object);
}

static void a_plan_may_say_how_disks_go(void **state)
{
    static const struct {
        const char *modes;
        const char *text; /* NULL: it is taken */
    } rows[] = {
        {"[{\"disk\":\"vda\",\"mode\":\"stream\"},{\"disk\":\"vdb\",\"mode\":\"nbd\"}]", NULL},
        {"[]", NULL},
        {"[{\"disk\":\"vda\",\"mode\":\"tape\"}]", "not 'tape'"},
        {"[{\"disk\":\"vda\"}]", "'disk' and 'mode'"},
        {"[{\"disk\":\"\",\"mode\":\"nbd\"}]", "'disk' and 'mode'"},
        {"[{\"disk\":\"a\",\"mode\":\"nbd\"},{\"disk\":\"a\",\"mode\":\"nbd\"}]", "two modes"},
        {"{}", "must be an array"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;
        json_t *object = json_loads(start, 0, NULL);
        struct bf_plan plan;

        assert_int_equal(json_object_set_new(object, "modes", json_loads(rows[i].modes, 0, NULL)),
                         0);
        assert_int_equal(bf_plan_from_json(object, true, &plan, &err) < 0, rows[i].text != NULL);
        if (rows[i].text)
            assert_non_null(strstr(err.text, rows[i].text));
        assert_int_equal(bf_plan_mode(&plan, "vda"), i == 0 ? BF_MODE_STREAM : BF_MODE_AUTO);
        assert_int_equal(bf_plan_mode(&plan, "vdz"), BF_MODE_AUTO);
        bf_plan_release(&plan);
        json_decref(object);
    }
}

static void a_plan_with_modes_survives_its_journal(void **state)
{
    json_t *object = json_loads(start, 0, NULL);
    json_t *again = json_object();
    struct bf_plan plan;
    struct bf_plan copy;

    (void)state;
    assert_int_equal(
        json_object_set_new(object, "modes",
                            json_loads("[{\"disk\":\"vda\",\"mode\":\"shared\"}]", 0, NULL)),
        0);
    assert_int_equal(json_object_set_new(object, "no_repair", json_true()), 0);
    assert_int_equal(json_object_set_new(object, "no_hold", json_true()), 0);
    assert_int_equal(json_object_set_new(object, "snapshots", json_string("ready")), 0);
    assert_int_equal(bf_plan_from_json(object, true, &plan, NULL), 0);
    assert_true(plan.no_repair);
    assert_true(plan.no_hold);
    assert_int_equal(plan.snapshots, BF_SNAPSHOTS_READY);
    assert_true(bf_plan_to_json(&plan, again));
    assert_int_equal(bf_plan_from_json(again, true, &copy, NULL), 0);
    assert_true(bf_plan_equal(&plan, &copy));
    copy.snapshots = BF_SNAPSHOTS_EARLY;
    assert_false(bf_plan_equal(&plan, &copy));
    copy.snapshots = plan.snapshots;
    copy.modes[0].mode = BF_MODE_NBD;
    assert_false(bf_plan_equal(&plan, &copy));
    bf_plan_release(&plan);
    bf_plan_release(&copy);
    json_decref(object);
    json_decref(again);
}

/* @disks and what else a request says, or why it is refused. */
static void a_machine_that_is_shut_off_is_its_images(void **state)
{
    static const struct {
        const char *rest, *refusal;
    } requests[] = {
        {"\"disks\":[{\"name\":\"vda\",\"image\":\"/i/a\"},{\"name\":\"vdb\",\"image\":\"/i/b\"}]",
         NULL},
        {"\"disks\":[{\"name\":\"vda\",\"image\":\"a\"}]", "'image' must be an absolute path"},
        {"\"disks\":[{\"name\":\"vda\",\"image\":\"/i/a\"},{\"name\":\"vdb\",\"image\":\"/i/a\"}]",
         "'/i/a' is that of two disks"},
        {"\"disks\":[{\"name\":\"vda\",\"image\":\"/i/a\"},{\"name\":\"vdb\",\"node\":\"n\"}]",
         "stand alone"},
        {"\"qmp\":\"/run/q\",\"disks\":[{\"name\":\"vda\",\"image\":\"/i/a\"}]", "stand alone"},
        {"\"handover\":\"freeze\",\"disks\":[{\"name\":\"vda\",\"image\":\"/i/a\"}]",
         "stand alone"},
        {"\"disks\":[]", "'qmp' must be a text"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct bf_control_request request;
        struct bf_error err = BF_ERROR_INIT;
        char line[512];
        int r;

        (void)snprintf(line, sizeof line,
                       "{\"schema\":1,\"op\":\"start\",\"vm\":\"v\",\"uuid\":\"" UUID
                       "\",\"peer\":\"h\",%s}",
                       requests[i].rest);
        r = bf_control_request_parse(line, strlen(line), &request, &err);
        if (requests[i].refusal) {
            assert_true(r < 0);
            assert_non_null(strstr(err.text, requests[i].refusal));
            continue;
        }
        assert_int_equal(r, 0);
        assert_true(bf_plan_is_shut_off(&request.plan));
        assert_null(request.plan.qmp);
        assert_string_equal(request.plan.disks[1].image, "/i/b");
        bf_control_request_release(&request);
    }
}

static void other_requests(void **state)
{
    static const char wait[] = "{\"schema\":1,\"op\":\"wait\",\"id\":\"" ID
                               "\",\"for\":\"installed\",\"timeout_ms\":1500}";
    static const char watch[] = "{\"schema\":1,\"op\":\"status\",\"watch\":true}";
    struct bf_control_request request;

    (void)state;
    assert_int_equal(parse(wait, strlen(wait), &request), 0);
    assert_int_equal(request.op, BF_OP_WAIT);
    assert_string_equal(request.id, ID);
    assert_int_equal(request.milestone, BF_MILESTONE_INSTALLED);
    assert_int_equal(request.timeout_ms, 1500);
    assert_int_equal(parse(watch, strlen(watch), &request), 0);
    assert_int_equal(request.op, BF_OP_STATUS);
    assert_string_equal(request.id, "");
    assert_true(request.watch);
}

/* Cut anywhere, or with any byte changed, it is a request or refused: memory tells (asan). */
static void cut_and_changed_requests_do_no_harm(void **state)
{
    size_t nr_bytes = strlen(start);
    struct bf_control_request request;

    (void)state;
    for (size_t n = 0; n < nr_bytes; n++) {
        char *cut = malloc(n + (n == 0));

        assert_non_null(cut);
        memcpy(cut, start, n);
        assert_true(parse(cut, n, &request) < 0);
        free(cut);
    }
    for (size_t at = 0; at < nr_bytes; at++) {
        for (int change = 1; change < 256; change += 7) {
            char changed[sizeof start];

            memcpy(changed, start, sizeof start);
            changed[at] = (char)(changed[at] ^ change);
            (void)parse(changed, nr_bytes, &request);
            bf_control_request_release(&request);
        }
    }
}

static void an_error_is_always_json(void **state)
{
    struct bf_error err = {.code = BF_E_AUTH, .text = "cut in the middle of \xc3"};
    json_t *object = bf_control_error(&err);
    const json_t *error = json_object_get(object, "error");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(error, "code")), "AUTH");
    assert_int_equal(json_integer_value(json_object_get(error, "exit")), BF_EXIT_AUTH);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_becomes_a_plan),
        cmocka_unit_test(a_plan_survives_its_journal),
        cmocka_unit_test(a_plan_may_say_how_disks_go),
        cmocka_unit_test(a_plan_with_modes_survives_its_journal),
        cmocka_unit_test(a_machine_that_is_shut_off_is_its_images),
        cmocka_unit_test(other_requests),
        cmocka_unit_test(cut_and_changed_requests_do_no_harm),
        cmocka_unit_test(an_error_is_always_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
