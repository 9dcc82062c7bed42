/* What is a QMP message and what is none. */
#include "message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void parse(const char *line, struct bf_qmp_message *message)
{
    struct bf_error err = BF_ERROR_INIT;

    if (bf_qmp_message_parse(line, strlen(line), message, &err) < 0)
        fail_msg("%s: %s", line, err.text);
}

static void a_greeting_tells_the_version(void **state)
{
    struct bf_qmp_message message;

    (void)state;
    parse("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
          "\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}",
          &message);
    assert_int_equal(message.kind, BF_QMP_GREETING);
    assert_int_equal(message.version.major, 7);
    assert_int_equal(message.version.minor, 2);
    assert_int_equal(message.version.micro, 22);
    bf_qmp_message_release(&message);
}

static void answers_errors_and_events_are_told_apart(void **state)
{
    struct bf_qmp_message message;

    (void)state;
    parse("{\"return\": [1], \"id\": \"7\"}", &message);
    assert_int_equal(message.kind, BF_QMP_RETURN);
    assert_string_equal(message.id, "7");
    assert_int_equal(json_array_size(message.result), 1);
    bf_qmp_message_release(&message);
    parse("{\"id\": \"8\", \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}", &message);
    assert_int_equal(message.kind, BF_QMP_ERROR);
    assert_string_equal(message.error_class, "GenericError");
    assert_string_equal(message.error_text, "no");
    bf_qmp_message_release(&message);
    parse("{\"event\": \"STOP\"}", &message);
    assert_int_equal(message.kind, BF_QMP_EVENT);
    assert_string_equal(message.event, "STOP");
    assert_null(message.data);
    bf_qmp_message_release(&message);
}

static void a_number_beyond_jansson_is_marked_and_its_event_has_no_data(void **state)
{
    struct bf_qmp_message message;

    (void)state;
    parse("{\"return\": 18446744073709551615, \"id\": \"7\"}", &message);
    assert_true(message.inexact);
    assert_string_equal(message.id, "7");
    bf_qmp_message_release(&message);
    parse("{\"event\": \"X\", \"data\": {\"n\": 18446744073709551615}}", &message);
    assert_true(message.inexact);
    assert_null(message.data);
    bf_qmp_message_release(&message);
    parse("{\"return\": 9223372036854775807, \"id\": \"7\"}", &message);
    assert_false(message.inexact);
    bf_qmp_message_release(&message);
}

static void an_error_without_id_passes_on_what_qemu_said(void **state)
{
    static const char line[] =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse\"}}";
    struct bf_qmp_message message;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_true(bf_qmp_message_parse(line, strlen(line), &message, &err) < 0);
    assert_int_equal(err.code, BF_E_PROTOCOL);
    assert_non_null(strstr(err.text, "JSON parse (GenericError)"));
}

static void a_command_has_arguments_only_when_there_are_some(void **state)
{
    char *text;

    (void)state;
    text = bf_qmp_message_command("stop", NULL, "1");
    assert_string_equal(text, "{\"execute\":\"stop\",\"id\":\"1\"}");
    free(text);
    text = bf_qmp_message_command("x", json_pack("{s:i}", "a", 1), "2");
    assert_string_equal(text, "{\"execute\":\"x\",\"id\":\"2\",\"arguments\":{\"a\":1}}");
    free(text);
    assert_null(bf_qmp_message_command("\xff", json_object(), "3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_tells_the_version),
        cmocka_unit_test(answers_errors_and_events_are_told_apart),
        cmocka_unit_test(a_number_beyond_jansson_is_marked_and_its_event_has_no_data),
        cmocka_unit_test(an_error_without_id_passes_on_what_qemu_said),
        cmocka_unit_test(a_command_has_arguments_only_when_there_are_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
