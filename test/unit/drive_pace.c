/* When a pull is given up as too slow. */
#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LIMIT_MS = 100000 };

static void the_limit_is_the_limit(void **state)
{
    (void)state;
    assert_false(bf_pace_is_hopeless(LIMIT_MS - 1, LIMIT_MS, 1000, 0));
    assert_true(bf_pace_is_hopeless(LIMIT_MS, LIMIT_MS, 1000, 1));
    assert_true(bf_pace_is_hopeless(LIMIT_MS, LIMIT_MS, 0, 0));
}

static void a_rate_needs_time_to_be_seen(void **state)
{
    (void)state;
    assert_false(bf_pace_is_hopeless(LIMIT_MS / 4 - 1, LIMIT_MS, 1, UINT64_C(1) << 40));
    assert_true(bf_pace_is_hopeless(LIMIT_MS / 4, LIMIT_MS, 1, UINT64_C(1) << 40));
    assert_false(bf_pace_is_hopeless(LIMIT_MS / 2, LIMIT_MS, 0, UINT64_C(1) << 40));
}

static void what_may_still_arrive_is_waited_for(void **state)
{
    (void)state;
    /* After half of the time: a third, so that all would be there just in time if half of the rest
     * were holes. */
    assert_false(bf_pace_is_hopeless(LIMIT_MS / 2, LIMIT_MS, 1000, 2000));
    assert_true(bf_pace_is_hopeless(LIMIT_MS / 2, LIMIT_MS, 1000, 2001));
    assert_false(bf_pace_is_hopeless(LIMIT_MS / 2, LIMIT_MS, 1000, 0));
}

static void numbers_may_be_large(void **state)
{
    uint64_t week_ms = UINT64_C(604800000);
    uint64_t most = UINT64_C(512) << 20;

    (void)state;
    assert_true(bf_pace_is_hopeless(week_ms / 2, week_ms, 1, most));
    assert_false(bf_pace_is_hopeless(week_ms / 2, week_ms, most, most));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_the_limit),
        cmocka_unit_test(a_rate_needs_time_to_be_seen),
        cmocka_unit_test(what_may_still_arrive_is_waited_for),
        cmocka_unit_test(numbers_may_be_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
