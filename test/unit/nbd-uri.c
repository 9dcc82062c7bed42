/* URIs and export names; the oracle is libnbd, which parses the URIs that we make. */
#include "base/cleanup.h"
#include "base/name.h"
#include "nbd/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libnbd.h>

static void a_uri_is_told_from_a_path(void **state)
{
    static const char *const uris[] = {"nbd://h",       "nbds://h:1/x",   "nbd+unix:///?socket=s",
                                       "nbds+unix:///", "nbd+vsock://2/", "nbd:///"};
    static const char *const paths[] = {
        "nbd",       "nbd.qcow2", "./nbd://x", "/nbd://x", "nbd:h",         "nbd:/x",  "nbdx://h",
        "nbdsx://h", "",          "http://h",  "NBD://",   "disk/nbd://h/", "nbd/://h"};

    (void)state;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; i++)
        assert_true(bf_nbd_is_uri(uris[i]));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_false(bf_nbd_is_uri(paths[i]));
}

static void the_export_name_is_decoded(void **state)
{
    static const struct {
        const char *uri;
        const char *name;
    } table[] = {
        {"nbd://h", ""},
        {"nbd://h/", ""},
        {"nbd://h?x=/y", ""},
        {"nbd://h/disk/bitmap", "disk/bitmap"},
        {"nbd://[::1]:10809/a", "a"},
        {"nbds://u@h:1/a%20b#f/g", "a b"},
        {"nbd+unix:///a%2Fb?socket=/tmp/s", "a/b"},
        {"nbd+unix:////a//b/?socket=s", "/a//b/"},
        {"nbd://h/100%25%2525", "100%%25"},
        {"nbd://h/%e2%82%AC", "\xe2\x82\xac"},
        {"nbd://h/%3F%23", "?#"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        BF_CLEANUP(bf_freep) char *name = NULL;
        assert_int_equal(bf_nbd_uri_export(table[i].uri, &name, NULL), 0);
        assert_string_equal(name, table[i].name);
    }
}

static void a_malformed_name_is_refused(void **state)
{
    static const char *const bad[] = {"nbd://h/%",   "nbd://h/%4",  "nbd://h/a%zz", "nbd://h/%00",
                                      "nbd://h/%2?", "nbd://h/%-1", "nbd://h/%%41", "disk.qcow2"};
    char longest[BF_EXPORT_NAME_MAX + 16] = "nbd://h/";

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;
        char *name = NULL;
        assert_true(bf_nbd_uri_export(bad[i], &name, &err) < 0);
        assert_int_equal(err.code, BF_E_USAGE);
        assert_null(name);
    }
    memset(longest + 8, 'x', BF_EXPORT_NAME_MAX + 1);
    for (int excess = 1; excess >= 0; excess--) {
        BF_CLEANUP(bf_freep) char *name = NULL;
        longest[8 + BF_EXPORT_NAME_MAX + excess] = '\0';
        assert_int_equal(bf_nbd_uri_export(longest, &name, NULL) < 0, excess);
    }
}

static void the_export_is_replaced_and_nothing_else(void **state)
{
    static const struct {
        const char *uri;
        const char *name;
        const char *made;
    } table[] = {
        {"nbd://h", "a", "nbd://h/a"},
        {"nbd://h/old/one", "", "nbd://h/"},
        {"nbds://[::1]:1/x?y=z#f", "a b", "nbds://[::1]:1/a%20b?y=z#f"},
        {"nbd+unix://?socket=/t/s", "d/b", "nbd+unix:///d/b?socket=/t/s"},
        {"nbd+unix:///?socket=/t/s", "100%/?#", "nbd+unix:///100%25/%3F%23?socket=/t/s"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        BF_CLEANUP(bf_freep) char *made = NULL;
        assert_int_equal(bf_nbd_uri_with_export(table[i].uri, table[i].name, &made, NULL), 0);
        assert_string_equal(made, table[i].made);
    }
}

/* libnbd takes the name from the URI before it connects, and there is nothing to connect to. */
static void assert_libnbd_reads(const char *uri, const char *name)
{
    struct nbd_handle *nbd = nbd_create();
    BF_CLEANUP(bf_freep) char *seen = NULL;

    assert_int_equal(nbd_aio_connect_uri(nbd, uri), -1);
    seen = nbd_get_export_name(nbd);
    assert_string_equal(seen, name);
    nbd_close(nbd);
}

static void assert_round_trip(const char *name)
{
    BF_CLEANUP(bf_freep) char *made = NULL;
    BF_CLEANUP(bf_freep) char *back = NULL;

    assert_int_equal(bf_nbd_uri_with_export("nbd+unix:///x?socket=/nowhere/s", name, &made, NULL),
                     0);
    assert_int_equal(bf_nbd_uri_export(made, &back, NULL), 0);
    assert_string_equal(back, name);
    assert_libnbd_reads(made, name);
}

static void any_name_makes_the_round_trip_and_libnbd_agrees(void **state)
{
    static const char *const names[] = {
        "",    "a",   "/",        "//a", "a//", ".",     "..", "../..", "a/./b", "%",  "%25", "%%",
        "a b", "?#&", "\xff\x80", ":",   "a:b", "//h/x", "[]", "@",     "\\",    "\n", "\x7f"};
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_round_trip(names[i]);
    for (unsigned n = 0; n < 2000; n++) {
        static const char special[] = "%/?#&;. +:@[]'\"";
        char name[65] = "";
        int nr = rand_r(&seed) % 64;
        for (int i = 0; i < nr; i++)
            name[i] = rand_r(&seed) % 2 ? special[(size_t)rand_r(&seed) % (sizeof special - 1)]
                                        : (char)(1 + rand_r(&seed) % 255);
        assert_round_trip(name);
    }
}

static void assert_checked(const struct bf_nbd_endpoint *endpoint, enum bf_code code)
{
    struct bf_error err = BF_ERROR_INIT;

    bf_nbd_endpoint_check(endpoint, &err);
    if (err.code != code)
        print_error("%s: %s\n", endpoint->uri, err.text);
    assert_int_equal(err.code, code);
}

static void assert_endpoint(const char *uri, const char *certificates, enum bf_code code)
{
    struct bf_nbd_endpoint endpoint = {
        .uri = uri, .tls_certificates = certificates, .deadline_ms = 1000};

    assert_checked(&endpoint, code);
}

static void assert_keys(const char *uri, const char *file, const char *name, enum bf_code code)
{
    struct bf_nbd_endpoint endpoint = {
        .uri = uri, .tls_psk_file = file, .tls_psk_name = name, .deadline_ms = 1000};

    assert_checked(&endpoint, code);
}

static void an_endpoint_that_would_not_be_safe_is_refused(void **state)
{
    char folder[] = "/tmp/bitferry-test.XXXXXX";
    char ca[64];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(ca, sizeof ca, "%s/ca-cert.pem", folder);
    assert_endpoint("nbds://h/", folder, BF_E_NOT_FOUND);
    file = fopen(ca, "w");
    assert_non_null(file);
    fclose(file);

    assert_endpoint("nbd://h/", NULL, BF_E_NONE);
    assert_endpoint("nbds://h/", NULL, BF_E_NONE);
    assert_endpoint("nbds://h/", folder, BF_E_NONE);
    assert_endpoint("nbds://h/?tls-certificates=x", NULL, BF_E_NONE);
    assert_endpoint("nbd+unix:///e?socket=s", NULL, BF_E_NONE);
    assert_endpoint("nbd+unix:///?tls=0&socket=s", NULL, BF_E_NONE);

    assert_endpoint("disk.qcow2", NULL, BF_E_USAGE);
    assert_endpoint("nbd+vsock://2/", NULL, BF_E_USAGE);
    assert_endpoint("nbd+ssh://h/", NULL, BF_E_USAGE);
    assert_endpoint("nbds+vsock://2/", NULL, BF_E_USAGE);
    assert_endpoint("nbd+unix:///e", NULL, BF_E_USAGE);
    assert_endpoint("nbds+unix:///?socket=s", NULL, BF_E_USAGE);
    assert_endpoint("nbds+unix:///?socket=s", folder, BF_E_USAGE);
    assert_endpoint("nbd://h/", folder, BF_E_USAGE);
    assert_endpoint("nbds://h/?tls-certificates=x", folder, BF_E_USAGE);
    assert_endpoint("nbds://h/?a=b&tls-verify-peer=false", folder, BF_E_USAGE);

    assert_keys("nbds://h/", ca, "host1", BF_E_NONE);
    assert_keys("nbds://h/", ca, NULL, BF_E_USAGE);
    assert_keys("nbd://h/", ca, "host1", BF_E_USAGE);
    assert_keys("nbds://h/?tls-psk-file=x", ca, "host1", BF_E_USAGE);
    assert_keys("nbds://h/", "/nowhere/keys", "host1", BF_E_NOT_FOUND);
    unlink(ca);
    rmdir(folder);
}

static void a_deadline_is_not_optional(void **state)
{
    struct bf_nbd_endpoint endpoint = {.uri = "nbd://h/"};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_true(bf_nbd_endpoint_check(&endpoint, &err) < 0);
    assert_int_equal(err.code, BF_E_USAGE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uri_is_told_from_a_path),
        cmocka_unit_test(the_export_name_is_decoded),
        cmocka_unit_test(a_malformed_name_is_refused),
        cmocka_unit_test(the_export_is_replaced_and_nothing_else),
        cmocka_unit_test(any_name_makes_the_round_trip_and_libnbd_agrees),
        cmocka_unit_test(an_endpoint_that_would_not_be_safe_is_refused),
        cmocka_unit_test(a_deadline_is_not_optional),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
