/* Reading a document of facts, and: are two images the same?  "Other" is only said where that is
 * sure, for on it hangs whether the copies of the source are removed. */
#include "facts/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void identities_are_compared_with_care(void **state)
{
    static const struct {
        const char *a, *b;
        enum bf_sameness sameness;
    } rows[] = {
        {"host x 8:1 7", "host x 8:1 7", BF_SAMENESS_SAME},
        {"host x 8:1 7", "host x 8:1 8", BF_SAMENESS_OTHER},
        {"host x 8:1 7", "host y 8:1 7", BF_SAMENESS_OTHER},
        {"", "", BF_SAMENESS_UNKNOWN},
        {"", "host x 8:1 7", BF_SAMENESS_UNKNOWN},
        {"share server:/a 7", "share server:/a 7", BF_SAMENESS_SAME},
        {"share server:/a 7", "share server:/a 8", BF_SAMENESS_OTHER},
        {"share server:/a 7", "share 192.0.2.1:/a 7", BF_SAMENESS_UNKNOWN},
        {"host x 8:1 7", "share server:/a 7", BF_SAMENESS_UNKNOWN}, /* x exports it */
        {"host x 8:1 7", "share server:/a 8", BF_SAMENESS_OTHER},
        {"device naa.1", "device naa.1", BF_SAMENESS_SAME},
        {"device naa.1", "device naa.2", BF_SAMENESS_OTHER},
        {"device naa.1", "host x 8:1 7", BF_SAMENESS_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(bf_image_compare(rows[i].a, rows[i].b), rows[i].sameness);
        assert_int_equal(bf_image_compare(rows[i].b, rows[i].a), rows[i].sameness);
    }
}

static int read_text(const char *text, struct bf_facts *ret_facts, struct bf_error *err)
{
    json_t *document = json_loads(text, 0, NULL);
    int r;

    assert_non_null(document);
    r = bf_facts_read(document, ret_facts, err);
    json_decref(document);
    return r;
}

/* Of an image below only the names are known, where QEMU has not made it active; of the top one
 * what is stored does not count as being there. */
static void what_is_stored_below_counts(void **state)
{
    struct bf_facts facts;

    (void)state;
    assert_int_equal(read_text("{\"version\":1,\"disks\":[{\"name\":\"vda\",\"layers\":["
                               "{\"node\":\"a\",\"size\":1,\"stored\":[\"x\"],\"bitmaps\":[]},"
                               "{\"node\":\"b\",\"size\":1,\"stored\":[\"y\",\"z\"],\"bitmaps\":"
                               "[{\"name\":\"y\",\"granularity\":65536,\"recording\":true}]}]}]}",
                               &facts, NULL),
                     0);
    assert_int_equal(facts.vm.nr_disks, 1);
    assert_int_equal(facts.disks[0].nr_layers, 2);
    assert_int_equal(facts.disks[0].layers[0].nr_bitmaps, 0);
    assert_int_equal(facts.disks[0].layers[1].nr_bitmaps, 2);
    assert_true(facts.disks[0].layers[1].bitmaps[0].recording);
    assert_string_equal(facts.disks[0].layers[1].bitmaps[1].name, "z");
    assert_true(bf_facts_is_stored(bf_facts_disk(facts.document, "vda"), 0, "x"));
    assert_false(bf_facts_is_stored(bf_facts_disk(facts.document, "vda"), 1, "x"));
    bf_facts_release(&facts);
}

static void documents_of_others_are_refused(void **state)
{
    static const char *const documents[] = {
        "{}",
        "[]",
        "{\"version\":2,\"disks\":[]}",
        "{\"version\":1,\"disks\":{}}",
        "{\"version\":1,\"disks\":[{}]}",
        "{\"version\":1,\"disks\":[{\"layers\":[{\"bitmaps\":[{\"name\":\"\"}]}]}]}",
        "{\"version\":1,\"disks\":[{\"layers\":[{\"bitmaps\":[{\"name\":\"a\"}]}]}]}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;
        struct bf_facts facts;

        assert_true(read_text(documents[i], &facts, &err) < 0);
        assert_int_equal(err.code, BF_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_are_compared_with_care),
        cmocka_unit_test(what_is_stored_below_counts),
        cmocka_unit_test(documents_of_others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
