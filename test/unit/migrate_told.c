/* What a daemon tells of a move, as verdicts: what it does not tell is never taken for good. */
#include "migrate_told.h"

#include "uri_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bf_virt_checkpoints checkpoints;
static struct bf_verdicts verdicts;

static int set_up(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    if (bf_virt_checkpoints_add(&checkpoints,
                                "<domaincheckpoint><name>chk1</name><disks><disk name='vda'/>"
                                "<disk name='vdb'/></disks></domaincheckpoint>",
                                &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bf_verdicts_release(&verdicts);
    bf_virt_checkpoints_release(&checkpoints);
    return 0;
}

/* @definition: as JSON, with a comma behind it; "" where nothing is decided. */
static const struct bf_verdict *judge(const char *definition, const char *outcome_vda,
                                      const char *outcome_vdb, const char *proof)
{
    BF_CLEANUP(bf_freep) char *text = NULL;
    struct bf_error err = BF_ERROR_INIT;
    json_t *move;

    assert_true(
        asprintf(&text,
                 "{\"state\":\"committed\",\"phase\":\"ended\","
                 "\"bitmaps\":[{\"disk\":\"vda\",\"bitmap\":\"other\",\"proof\":\"count\"},"
                 "{\"disk\":\"vda\",\"bitmap\":\"chk1\"%s}],"
                 "\"checkpoints\":{\"checkpoints\":[{\"name\":\"chk0\",\"definition\":\"dropped\"},"
                 "{\"name\":\"chk1\",%s\"disks\":["
                 "{\"disk\":\"vdb\",\"outcome\":\"%s\",\"reason\":{\"code\":\"SHORT\","
                 "\"message\":\"it has less\"}},{\"disk\":\"vda\",\"outcome\":\"%s\"}]}]}}",
                 proof, definition, outcome_vdb, outcome_vda) > 0);
    move = json_loads(text, 0, NULL);
    assert_non_null(move);
    bf_verdicts_release(&verdicts);
    assert_int_equal(bf_told_judge(&checkpoints, move, &verdicts, &err), 0);
    json_decref(move);
    assert_int_equal(verdicts.nr_items, 1);
    return &verdicts.items[0];
}

static void what_is_defined_is_told_with_its_proof(void **state)
{
    const struct bf_verdict *verdict =
        judge("\"definition\":\"defined\",", "native", "carried", ",\"proof\":\"digest\"");

    (void)state;
    assert_int_equal(verdict->fate, BF_VERDICT_REDEFINED);
    assert_int_equal(verdict->disks[0].proof, BF_PROOF_IDENTICAL);
    assert_string_equal(verdict->disks[0].by, "digest");
    assert_int_equal(verdict->disks[1].proof, BF_PROOF_COVERS);
    assert_string_equal(verdict->disks[1].by, "");
    assert_int_equal(bf_verdicts_exit(&verdicts), BF_EXIT_OK);
    verdict = judge("\"definition\":\"defined\",", "native", "native", ",\"proof\":\"bits\"");
    assert_int_equal(verdict->disks[0].proof, BF_PROOF_COVERS);
    assert_string_equal(verdict->disks[0].by, "bits");
}

static void what_lost_a_disk_names_it(void **state)
{
    const struct bf_verdict *verdict = judge("\"definition\":\"partly\",", "native", "dropped", "");

    (void)state;
    assert_int_equal(verdict->fate, BF_VERDICT_PARTLY);
    assert_int_equal(verdict->disks[1].proof, BF_PROOF_NONE);
    assert_string_equal(verdict->why, "disk vdb: SHORT: it has less");
    assert_int_equal(bf_verdicts_exit(&verdicts), BF_EXIT_SOME_DROPPED);
    verdict = judge("\"definition\":\"dropped\",", "dropped", "dropped", "");
    assert_int_equal(verdict->fate, BF_VERDICT_DROPPED);
}

static void what_libvirt_refused_is_told_in_its_words(void **state)
{
    const struct bf_verdict *verdict =
        judge("\"definition\":\"missing\",\"reason\":{\"message\":\"try virsh\"},", "native",
              "native", "");

    (void)state;
    assert_int_equal(verdict->fate, BF_VERDICT_METADATA_MISSING);
    assert_string_equal(verdict->why, "try virsh");
}

static void what_is_not_told_is_unproven(void **state)
{
    static const char *const texts[] = {"{}", "[]", "{\"checkpoints\":7}",
                                        "{\"checkpoints\":{\"checkpoints\":[{\"name\":8}]}}"};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(judge("", "native", "native", "")->fate, BF_VERDICT_UNPROVEN);
    assert_int_equal(judge("\"definition\":\"new\",", "native", "new", "")->fate,
                     BF_VERDICT_UNPROVEN);
    assert_int_equal(verdicts.items[0].disks[1].proof, BF_PROOF_UNSEEN);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *move = json_loads(texts[i], 0, NULL);

        bf_verdicts_release(&verdicts);
        assert_int_equal(bf_told_judge(&checkpoints, move, &verdicts, &err), 0);
        assert_int_equal(verdicts.items[0].fate, BF_VERDICT_UNPROVEN);
        assert_int_equal(bf_verdicts_exit(&verdicts), BF_EXIT_NONE_CARRIED);
        json_decref(move);
    }
    bf_verdicts_release(&verdicts);
    assert_int_equal(bf_told_judge(&checkpoints, NULL, &verdicts, &err), 0);
    assert_int_equal(verdicts.items[0].fate, BF_VERDICT_UNPROVEN);
}

static void the_host_of_a_uri(void **state)
{
    static const char *const cases[][2] = {
        {"qemu+ssh://host2/system", "host2"},
        {"qemu+ssh://root@host2:22/system?keyfile=a@b", "host2"},
        {"qemu+tcp://10.0.0.2", "10.0.0.2"},
        {"qemu+tls://[fe80::1]:16514/system", "[fe80::1]"},
        {"qemu+tls://[fe80::1", "[fe80::1"},
        {"qemu:///system", NULL},
        {"qemu+ssh://@/system", NULL},
        {"qemu+ssh://root@:22/system", NULL},
        {"host2", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        BF_CLEANUP(bf_freep) char *host = bf_uri_host(cases[i][0]);

        if (cases[i][1])
            assert_string_equal(host ? host : "(none)", cases[i][1]);
        else
            assert_null(host);
    }
    assert_true(bf_uri_is_local("qemu:///system"));
    assert_true(bf_uri_is_local("qemu+unix:///system?socket=/run/x"));
    assert_false(bf_uri_is_local("qemu+ssh://host2/system"));
    assert_false(bf_uri_is_local("qemu+tcp://host2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_defined_is_told_with_its_proof, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_lost_a_disk_names_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_libvirt_refused_is_told_in_its_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_told_is_unproven, set_up, tear_down),
        cmocka_unit_test(the_host_of_a_uri),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
