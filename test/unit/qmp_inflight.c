/* The table of commands under way: order, deadlines, late answers, callbacks that change it. */
#include "inflight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct told {
    struct bf_qmp_inflight *inflight;
    unsigned nr_calls;
};

static void count_call(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct told *told = ctx;

    assert_null(result);
    assert_non_null(err);
    told->nr_calls++;
}

static void add_one_more(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct told *told = ctx;
    struct bf_qmp_command *command = bf_qmp_inflight_add(told->inflight, "more");

    count_call(ctx, result, err);
    command->reply = count_call;
    command->ctx = told;
}

static void fail_within(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct told *told = ctx;

    count_call(ctx, result, err);
    bf_qmp_inflight_fail_all(told->inflight, err);
}

static struct bf_qmp_command *add(struct bf_qmp_inflight *inflight, const char *name,
                                  uint64_t expires_ms, bf_qmp_reply_fn reply, struct told *told)
{
    struct bf_qmp_command *command = bf_qmp_inflight_add(inflight, name);

    assert_non_null(command);
    command->expires_ms = expires_ms;
    command->reply = reply;
    command->ctx = told;
    return command;
}

static void commands_are_taken_by_id_in_any_order(void **state)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct bf_qmp_inflight inflight;

    (void)state;
    bf_qmp_inflight_init(&inflight, 5);
    for (unsigned i = 0; i < 6; i++) {
        char ids[3][BF_QMP_ID_MAX];

        for (unsigned k = 0; k < 3; k++)
            strcpy(ids[k], add(&inflight, "any", 1, NULL, NULL)->id);
        for (unsigned k = 0; k < 3; k++) {
            struct bf_qmp_command *command = bf_qmp_inflight_take(&inflight, ids[orders[i][k]]);

            assert_string_equal(command->id, ids[orders[i][k]]);
            free(command);
            assert_null(bf_qmp_inflight_take(&inflight, ids[orders[i][k]]));
        }
        assert_null(inflight.first);
    }
}

static void ids_of_other_connections_are_told_from_garbage(void **state)
{
    static const char *const foreign[] = {"4.1", "55.1", "0.9", "50.1", "18446744073709551615.1"};
    static const char *const not_foreign[] = {"",     "5",   "6",     ".",     "6.",   ".1",
                                              "6.1x", "5.1", "5.999", "6.1.1", "-6.1", "libvirt-1"};
    struct bf_qmp_inflight inflight;

    (void)state;
    bf_qmp_inflight_init(&inflight, 5);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        assert_true(bf_qmp_inflight_is_foreign(&inflight, foreign[i]));
    for (size_t i = 0; i < sizeof not_foreign / sizeof not_foreign[0]; i++)
        assert_false(bf_qmp_inflight_is_foreign(&inflight, not_foreign[i]));
}

static void the_nearest_deadline_is_found_and_expires_once(void **state)
{
    struct bf_qmp_inflight inflight;
    struct bf_qmp_command *late;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    bf_qmp_inflight_init(&inflight, 5);
    assert_int_equal(bf_qmp_inflight_next_ms(&inflight), UINT64_MAX);
    add(&inflight, "slow", 300, NULL, NULL);
    late = add(&inflight, "quick", 100, NULL, NULL);
    add(&inflight, "patient", UINT64_MAX, NULL, NULL);
    assert_int_equal(bf_qmp_inflight_next_ms(&inflight), 100);
    assert_null(bf_qmp_inflight_expire(&inflight, 99));
    assert_ptr_equal(bf_qmp_inflight_expire(&inflight, 100), late);
    assert_null(bf_qmp_inflight_expire(&inflight, 100));
    assert_int_equal(inflight.nr_expired, 1);
    assert_int_equal(bf_qmp_inflight_next_ms(&inflight), 300);
    free(bf_qmp_inflight_take(&inflight, late->id));
    assert_int_equal(inflight.nr_expired, 0);
    bf_qmp_inflight_fail_all(&inflight, &err);
}

static void the_oldest_is_the_oldest_that_is_waited_for(void **state)
{
    struct bf_qmp_inflight inflight;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    bf_qmp_inflight_init(&inflight, 5);
    assert_null(bf_qmp_inflight_oldest(&inflight));
    add(&inflight, "given-up", 1, NULL, NULL);
    add(&inflight, "waited-for", 2, NULL, NULL);
    assert_string_equal(bf_qmp_inflight_oldest(&inflight), "given-up");
    assert_non_null(bf_qmp_inflight_expire(&inflight, 1));
    assert_string_equal(bf_qmp_inflight_oldest(&inflight), "waited-for");
    bf_qmp_inflight_fail_all(&inflight, &err);
    assert_null(inflight.first);
}

static void failing_all_answers_each_once_whatever_the_callbacks_do(void **state)
{
    struct bf_qmp_inflight inflight;
    struct told told = {.inflight = &inflight};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    bf_qmp_inflight_init(&inflight, 5);
    add(&inflight, "expired", 1, count_call, &told);
    assert_non_null(bf_qmp_inflight_expire(&inflight, 1));
    add(&inflight, "adds", 2, add_one_more, &told);
    add(&inflight, "ends", 2, fail_within, &told);
    add(&inflight, "plain", 2, count_call, &told);
    add(&inflight, "mute", 2, NULL, NULL);
    bf_qmp_inflight_fail_all(&inflight, &err);
    assert_int_equal(told.nr_calls, 4);
    assert_null(inflight.first);
    assert_int_equal(inflight.nr_expired, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_taken_by_id_in_any_order),
        cmocka_unit_test(ids_of_other_connections_are_told_from_garbage),
        cmocka_unit_test(the_nearest_deadline_is_found_and_expires_once),
        cmocka_unit_test(the_oldest_is_the_oldest_that_is_waited_for),
        cmocka_unit_test(failing_all_answers_each_once_whatever_the_callbacks_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
