/* The description of checkpoints in JSON: what goes out comes back, and nothing malformed comes in.
 */
#include "catalog/checkpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
    "{\"schema\": 1, \"style\": \"links\", \"of a later version\": [], \"checkpoints\": ["
    "{\"name\": \"chk2\", \"parent\": \"chk1\", \"time\": 1700000100,"
    " \"disks\": [{\"disk\": \"vda\", \"bitmap\": \"b2\"}, {\"disk\": \"vdb\"}]},"
    "{\"name\": \"chk1\", \"parent\": null, \"disks\": [{\"disk\": \"vda\"}]}]}";

#define ONE(fields) "{\"schema\":1,\"style\":\"nested\",\"checkpoints\":[{" fields "}]}"

static void a_description_is_read(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};

    (void)state;
    assert_int_equal(bf_checkpoints_parse(sample, strlen(sample), &checkpoints, NULL), 0);
    assert_int_equal(checkpoints.style, BF_CHAIN_LINKS);
    assert_int_equal(checkpoints.nr_items, 2);
    assert_string_equal(checkpoints.items[0].name, "chk1");
    assert_null(checkpoints.items[0].parent);
    assert_int_equal(checkpoints.items[0].time_unix_s, BF_NO_TIME);
    assert_int_equal(checkpoints.items[1].time_unix_s, 1700000100);
    assert_int_equal(checkpoints.items[1].parent_index, 0);
    assert_string_equal(bf_checkpoint_bitmap(&checkpoints.items[1], "vda"), "b2");
    assert_string_equal(bf_checkpoint_bitmap(&checkpoints.items[1], "vdb"), "chk2");
    bf_checkpoints_release(&checkpoints);
}

static void what_is_written_reads_back(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_checkpoints again = {.nr_items = 0};
    json_t *json;
    json_t *json_again;

    (void)state;
    assert_int_equal(bf_checkpoints_parse(sample, strlen(sample), &checkpoints, NULL), 0);
    json = bf_checkpoints_to_json(&checkpoints);
    assert_non_null(json);
    assert_int_equal(bf_checkpoints_from_json(json, &again, NULL), 0);
    json_again = bf_checkpoints_to_json(&again);
    assert_true(json_equal(json, json_again));
    json_decref(json);
    json_decref(json_again);
    bf_checkpoints_release(&checkpoints);
    bf_checkpoints_release(&again);
}

static void malformed_input_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        enum bf_code code;
        const char *says;
    } cases[] = {
        {"", BF_E_PROTOCOL, "not JSON"},
        {"[]", BF_E_PROTOCOL, "schema"},
        {"{\"schema\":0}", BF_E_PROTOCOL, "schema"},
        {"{\"schema\":2}", BF_E_VERSION, "newer"},
        {"{\"schema\":1}", BF_E_PROTOCOL, "style"},
        {"{\"schema\":1,\"style\":\"tree\"}", BF_E_PROTOCOL, "style"},
        {"{\"schema\":1,\"style\":\"links\"}", BF_E_PROTOCOL, "checkpoints"},
        {"{\"schema\":1,\"style\":\"links\",\"checkpoints\":[1]}", BF_E_PROTOCOL, "checkpoints[0]"},
        {ONE("\"name\":\"\",\"disks\":[]"), BF_E_PROTOCOL, "1 to"},
        {ONE("\"name\":\"a\\u0000b\",\"disks\":[]"), BF_E_PROTOCOL, "not JSON"},
        {ONE("\"name\":\"a\",\"name\":\"b\",\"disks\":[]"), BF_E_PROTOCOL, "not JSON"},
        {ONE("\"name\":\"a\""), BF_E_PROTOCOL, "disks"},
        {ONE("\"name\":\"a\",\"disks\":[{}]"), BF_E_PROTOCOL, "disks[0]"},
        {ONE("\"name\":\"a\",\"disks\":[{\"disk\":\"v\"},{\"disk\":\"v\"}]"), BF_E_PROTOCOL,
         "twice"},
        {ONE("\"name\":\"a\",\"time\":\"now\",\"disks\":[]"), BF_E_PROTOCOL, "time"},
        {ONE("\"name\":\"a\",\"time\":-1,\"disks\":[]"), BF_E_PROTOCOL, "time"},
        {ONE("\"name\":\"a\",\"parent\":7,\"disks\":[]"), BF_E_PROTOCOL, "parent"},
        {ONE("\"name\":\"a\",\"parent\":\"a\",\"disks\":[]"), BF_E_PROTOCOL, "ancestor"},
        {ONE("\"name\":\"a\",\"disks\":[]},{\"name\":\"a\",\"disks\":[]"), BF_E_PROTOCOL,
         "two checkpoints"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bf_checkpoints checkpoints = {.nr_items = 0};
        struct bf_error err = BF_ERROR_INIT;

        assert_true(bf_checkpoints_parse(cases[i].text, strlen(cases[i].text), &checkpoints, &err) <
                    0);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, err.text, cases[i].says);
        assert_null(checkpoints.items);
    }
}

static void every_cut_of_a_good_text_is_refused(void **state)
{
    (void)state;
    for (size_t nr_bytes = 0; nr_bytes < strlen(sample); nr_bytes++) {
        struct bf_checkpoints checkpoints = {.nr_items = 0};

        assert_true(bf_checkpoints_parse(sample, nr_bytes, &checkpoints, NULL) < 0);
    }
}

static void a_text_that_is_too_long_is_not_read(void **state)
{
    struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;
    char *text = calloc(1, BF_CHECKPOINTS_JSON_MAX_BYTES + 1);

    (void)state;
    assert_non_null(text);
    assert_true(bf_checkpoints_parse(text, BF_CHECKPOINTS_JSON_MAX_BYTES + 1, &checkpoints, &err) <
                0);
    assert_int_equal(err.code, BF_E_LIMIT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_is_read),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(malformed_input_is_refused_with_its_place),
        cmocka_unit_test(every_cut_of_a_good_text_is_refused),
        cmocka_unit_test(a_text_that_is_too_long_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
