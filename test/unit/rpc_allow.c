/* Patterns of names, against a model that tries everything. */
#include "rpc/allow.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool model_matches(const char *pattern, const char *name)
{
    if (*pattern == '\0')
        return *name == '\0';
    if (*pattern == '*')
        return model_matches(pattern + 1, name) || (*name && model_matches(pattern, name + 1));
    return *name && tolower((unsigned char)*pattern) == tolower((unsigned char)*name) &&
           model_matches(pattern + 1, name + 1);
}

/* Number @nr in base 3 as a text of the three @letters. */
static void make_text(unsigned nr, const char *letters, char *text)
{
    for (; nr > 0; nr = (nr - 1) / 3)
        *text++ = letters[(nr - 1) % 3];
    *text = '\0';
}

static void every_short_pattern_is_as_the_model_says(void **state)
{
    enum { NR = 1 + 3 + 9 + 27 + 81 + 243 };
    char pattern[8];
    char name[8];

    (void)state;
    for (unsigned i = 0; i < NR; i++) {
        make_text(i, "a*B", pattern);
        for (unsigned j = 0; j < NR; j++) {
            make_text(j, "Abc", name);
            if (bf_rpc_pattern_matches(pattern, name) != model_matches(pattern, name))
                fail_msg("'%s' and '%s'", pattern, name);
        }
    }
}

static void names_of_hosts(void **state)
{
    (void)state;
    assert_true(bf_rpc_pattern_matches("*.example.org", "Host1.Example.org"));
    assert_false(bf_rpc_pattern_matches("*.example.org", "example.org"));
    assert_false(bf_rpc_pattern_matches("*.example.org", "a.example.org.evil.net"));
    assert_true(bf_rpc_pattern_matches("192.0.2.*", "192.0.2.17"));
    assert_false(bf_rpc_pattern_matches("", "a"));
}

static void a_list_matches_if_one_of_it_does(void **state)
{
    char long_list[BF_RPC_PATTERN_MAX_BYTES + 8];

    (void)state;
    assert_true(bf_rpc_list_matches("host-a", "host-a"));
    assert_true(bf_rpc_list_matches(" host-b ,\thost-*, ", "host-a"));
    assert_false(bf_rpc_list_matches("host-b, host-c", "host-a"));
    assert_false(bf_rpc_list_matches("", ""));
    assert_false(bf_rpc_list_matches(", ,", ""));
    assert_true(bf_rpc_list_matches("*", "")); /* who comes without TLS has no name */
    memset(long_list, '*', sizeof long_list - 1);
    long_list[sizeof long_list - 1] = '\0';
    assert_false(bf_rpc_list_matches(long_list, "host-a"));
    memcpy(long_list + sizeof long_list - 3, ",*", 2);
    assert_true(bf_rpc_list_matches(long_list, "host-a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_pattern_is_as_the_model_says),
        cmocka_unit_test(names_of_hosts),
        cmocka_unit_test(a_list_matches_if_one_of_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
