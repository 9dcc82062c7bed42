/* The bridge's words: ids come back as they were sent, and libvirt's do not show. */
#include "bridge_words.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct bf_bridge_command read_command(const char *line)
{
    struct bf_bridge_command command = {.text = NULL};

    assert_true(bf_bridge_command_read(line, strlen(line), &command));
    return command;
}

static void a_command_goes_on_without_its_id(void **state)
{
    struct bf_bridge_command command =
        read_command("{\"execute\":\"query-status\",\"arguments\":{},\"id\":7}");
    BF_CLEANUP(bf_freep) char *answer = NULL;

    (void)state;
    assert_false(command.negotiates);
    assert_string_equal(command.text, "{\"execute\":\"query-status\",\"arguments\":{}}");
    answer = bf_bridge_answer(&command, "{\"return\":{\"a\":1},\"id\":\"libvirt-12\"}");
    assert_string_equal(answer, "{\"return\":{\"a\":1},\"id\":7}\n");
    bf_bridge_command_release(&command);
}

static void a_command_without_id_gets_none(void **state)
{
    struct bf_bridge_command command = read_command("{\"execute\":\"stop\"}");
    BF_CLEANUP(bf_freep) char *answer = NULL;

    (void)state;
    answer = bf_bridge_answer(&command, "{\"return\":{},\"id\":\"libvirt-12\"}");
    assert_string_equal(answer, "{\"return\":{}}\n");
    bf_bridge_command_release(&command);
}

static void a_refusal_is_an_error_of_qmp(void **state)
{
    struct bf_bridge_command command = read_command("{\"execute\":\"x\",\"id\":\"i\"}");
    BF_CLEANUP(bf_freep) char *refusal = bf_bridge_refusal(&command, "domain is not running");
    BF_CLEANUP(bf_freep) char *garbled = bf_bridge_answer(&command, "[1");

    (void)state;
    assert_string_equal(refusal, "{\"error\":{\"class\":\"GenericError\",\"desc\":"
                                 "\"domain is not running\"},\"id\":\"i\"}\n");
    assert_non_null(strstr(garbled, "\"error\""));
    bf_bridge_command_release(&command);
}

static void an_event_keeps_data_and_time(void **state)
{
    BF_CLEANUP(bf_freep) char *with = bf_bridge_event("JOB", 5, 6, "{\"id\":\"j\"}");
    BF_CLEANUP(bf_freep) char *without = bf_bridge_event("STOP", 5, 6, NULL);

    (void)state;
    assert_string_equal(with, "{\"event\":\"JOB\",\"data\":{\"id\":\"j\"},\"timestamp\":"
                              "{\"seconds\":5,\"microseconds\":6}}\n");
    assert_string_equal(without,
                        "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":5,\"microseconds\":6}}\n");
}

static void what_is_no_command_is_refused(void **state)
{
    static const char *const lines[] = {"", "{}", "[]", "{\"execute\":1}", "nonsense"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct bf_bridge_command command = {.text = NULL};

        assert_false(bf_bridge_command_read(lines[i], strlen(lines[i]), &command));
    }
}

static void the_greeting_tells_qemus_version(void **state)
{
    BF_CLEANUP(bf_freep)
    char *line = bf_bridge_greeting("{\"return\":{\"qemu\":{\"major\":7},\"package\":\"p\"}}");

    (void)state;
    assert_string_equal(line, "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7},\"package\":\"p\"},"
                              "\"capabilities\":[]}}\n");
    assert_null(bf_bridge_greeting("{\"error\":{}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_goes_on_without_its_id),
        cmocka_unit_test(a_command_without_id_gets_none),
        cmocka_unit_test(a_refusal_is_an_error_of_qmp),
        cmocka_unit_test(an_event_keeps_data_and_time),
        cmocka_unit_test(what_is_no_command_is_refused),
        cmocka_unit_test(the_greeting_tells_qemus_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
