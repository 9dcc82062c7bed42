/* Where QEMU is asked for a disk's serial, and what of its answer counts. */
#include "private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char devices[] =
    "[{\"device\":\"\",\"qdev\":\"/machine/peripheral/vda/virtio-backend\","
    "\"inserted\":{\"node-name\":\"a\"}},"
    "{\"device\":\"\",\"qdev\":\"sda\",\"inserted\":{\"node-name\":\"filter\"}},"
    "{\"device\":\"drive0\",\"inserted\":{\"node-name\":\"c\"}},"
    "{\"device\":\"cd\",\"qdev\":\"cd0\"}]";
static const char nodes[] = "[{\"node-name\":\"a\",\"drv\":\"qcow2\"},"
                            "{\"node-name\":\"base\",\"drv\":\"qcow2\"},"
                            "{\"node-name\":\"filter\",\"drv\":\"throttle\"},"
                            "{\"node-name\":\"b\",\"drv\":\"qcow2\"},"
                            "{\"node-name\":\"c\",\"drv\":\"raw\"}]";
static const char graph[] = "{\"nodes\":[{\"id\":1,\"type\":\"block-driver\",\"name\":\"a\"},"
                            "{\"id\":2,\"type\":\"block-driver\",\"name\":\"base\"},"
                            "{\"id\":3,\"type\":\"block-driver\",\"name\":\"filter\"},"
                            "{\"id\":4,\"type\":\"block-driver\",\"name\":\"b\"}],"
                            "\"edges\":[{\"parent\":1,\"child\":2,\"name\":\"backing\"},"
                            "{\"parent\":3,\"child\":4,\"name\":\"file\"}]}";

static void the_device_of_a_disk_is_found(void **state)
{
    static const struct {
        const char *node, *path;
    } rows[] = {
        {"a", "/machine/peripheral/vda/virtio-backend"},
        {"b", "/machine/peripheral/sda"}, /* through its filter */
        {"base", NULL},                   /* of a is what stands on it */
        {"c", NULL},                      /* no device is there */
        {"drive0", NULL},
        {"nothing", NULL},
        {"", NULL},
    };
    struct bf_answers answers = {.devices = json_loads(devices, 0, NULL),
                                 .nodes = json_loads(nodes, 0, NULL),
                                 .graph = json_loads(graph, 0, NULL)};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = bf_serial_path(&answers, rows[i].node);

        if (rows[i].path) {
            assert_non_null(path);
            assert_string_equal(path, rows[i].path);
        } else {
            assert_null(path);
        }
        free(path);
    }
    json_decref((json_t *)(uintptr_t)answers.devices);
    json_decref((json_t *)(uintptr_t)answers.nodes);
    json_decref((json_t *)(uintptr_t)answers.graph);
}

static void expect_text(const char *said, const char *text)
{
    json_t *value = json_string(said);

    assert_string_equal(bf_serial_text(value), text);
    json_decref(value);
}

static void only_what_somebody_gave_counts(void **state)
{
    char longest[BF_FACTS_SERIAL_MAX_BYTES + 2];
    json_t *number = json_integer(7);

    (void)state;
    expect_text("WD-123 4", "WD-123 4");
    expect_text("", "");
    expect_text("QM00001", "");
    expect_text("QM000011", "QM000011");
    expect_text("QM0000x", "QM0000x");
    expect_text("a\nb", "");
    expect_text("a\x7f", "");
    expect_text("\xc3\xa4", "\xc3\xa4");
    memset(longest, 'x', sizeof longest);
    longest[BF_FACTS_SERIAL_MAX_BYTES + 1] = '\0';
    expect_text(longest, "");
    longest[BF_FACTS_SERIAL_MAX_BYTES] = '\0';
    expect_text(longest, longest);
    assert_string_equal(bf_serial_text(NULL), "");
    assert_string_equal(bf_serial_text(number), "");
    json_decref(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_of_a_disk_is_found),
        cmocka_unit_test(only_what_somebody_gave_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
