/* The options of `virsh migrate`: taken, or refused by name. */
#include "libvirt/migrate_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

static int parse(const char *line, struct bf_virt_migrate_options **ret_options,
                 struct bf_error *err)
{
    static char copy[512];
    const char *words[WORDS_MAX];
    size_t nr_words = 0;
    char *rest = NULL;

    strcpy(copy, line);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[nr_words++] = word;
    return bf_virt_migrate_options_parse(words, nr_words, ret_options, err);
}

static void storage_and_flags_are_understood(void **state)
{
    struct bf_virt_migrate_options *options = NULL;
    struct bf_error err = BF_ERROR_INIT;
    const struct bf_virt_migrate_facts *facts;

    (void)state;
    assert_int_equal(parse("--live --p2p --persistent --undefinesource --copy-storage-all "
                           "--migrate-disks vda,vdc --bandwidth=100 --auto-converge --timeout 30",
                           &options, &err),
                     0);
    facts = bf_virt_migrate_options_facts(options);
    assert_true(facts->peer_to_peer && facts->persistent && facts->undefine_source);
    assert_false(facts->offline || facts->paused);
    assert_int_equal(facts->storage, BF_VIRT_STORAGE_COPIED_ALL);
    assert_int_equal(facts->timeout_s, 30);
    assert_true(bf_virt_migrate_options_copies(options, "vdc"));
    assert_false(bf_virt_migrate_options_copies(options, "vdb"));
    bf_virt_migrate_options_free(options);
}

static void no_option_means_shared_storage(void **state)
{
    struct bf_virt_migrate_options *options = NULL;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(parse("", &options, &err), 0);
    assert_int_equal(bf_virt_migrate_options_facts(options)->storage, BF_VIRT_STORAGE_SHARED);
    assert_true(bf_virt_migrate_options_copies(options, "vda"));
    bf_virt_migrate_options_free(options);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    static const struct {
        const char *line;
        const char *says;
    } refused[] = {
        {"--life", "--life"},
        {"live", "live"},
        {"--live=yes", "--live"},
        {"--bandwidth", "--bandwidth"},
        {"--bandwidth fast", "--bandwidth"},
        {"--bandwidth -1", "--bandwidth"},
        {"--disks-port 99999999999", "--disks-port"},
        {"--direct", "--direct"},
        {"--postcopy-resume", "--postcopy-resume"},
        {"--postcopy-after-precopy", "--postcopy-after-precopy"},
        {"--copy-storage-all --copy-storage-inc", "exclude"},
        {"--offline --live", "exclude"},
        {"--offline --copy-storage-all --persistent", "--offline"},
        {"--offline", "--persistent"},
        {"--tunnelled", "--p2p"},
        {"--tunnelled --p2p --copy-storage-all", "--tls"},
        {"--migrate-disks vda", "--copy-storage-all"},
        {"--timeout 0", "--timeout"},
        {"--timeout-postcopy --timeout 5", "--postcopy"},
        {"--timeout-suspend", "--timeout"},
        {"--xml /nonexistent", "--xml"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct bf_virt_migrate_options *options = NULL;
        struct bf_error err = BF_ERROR_INIT;

        if (parse(refused[i].line, &options, &err) == 0)
            fail_msg("taken: %s", refused[i].line);
        if (!strstr(err.text, refused[i].says))
            fail_msg("'%s': %s", refused[i].line, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_and_flags_are_understood),
        cmocka_unit_test(no_option_means_shared_storage),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
