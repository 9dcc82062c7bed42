/* Checkpoints of a domain of libvirt's own test driver: made by hand, listed, forgotten. */
#include "libvirt/bridge.h"
#include "libvirt/domain_checkpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char test_uuid[] = "6695eb01-f6a4-8304-79aa-97f2502e193f";

struct bench {
    struct bf_virt *virt;
    struct bf_virt_domain *domain;
};

static int set_up(void **state)
{
    static struct bench bench;
    struct bf_error err = BF_ERROR_INIT;

    if (bf_virt_open("test:///default", &bench.virt, &err) < 0 ||
        bf_virt_domain_find(bench.virt, "test", &bench.domain, &err) < 0)
        fail_msg("%s", err.text);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    bf_virt_domain_free(bench->domain);
    bf_virt_close(bench->virt);
    return 0;
}

static int define(struct bench *bench, const char *name, const char *parent, const char *uuid,
                  struct bf_error *err)
{
    char parent_xml[128] = "";
    char xml[1024];

    if (parent)
        (void)snprintf(parent_xml, sizeof parent_xml, "<parent><name>%s</name></parent>", parent);
    (void)snprintf(xml, sizeof xml,
                   "<domaincheckpoint><name>%s</name>%s<creationTime>1700000000</creationTime>"
                   "<disks><disk name='vda' checkpoint='bitmap' bitmap='%s'/></disks>"
                   "<domain type='test'><name>test</name><uuid>%s</uuid><memory>1024</memory><os>"
                   "<type>hvm</type></os><devices><disk type='file' device='disk'>"
                   "<driver type='qcow2'/><source file='/guest/diskimage1'/><target dev='vda'/>"
                   "</disk></devices></domain></domaincheckpoint>",
                   name, parent_xml, name, uuid);
    return bf_virt_domain_redefine(bench->domain, xml, err);
}

static void redefined_checkpoints_are_listed_in_order(void **state)
{
    struct bench *bench = *state;
    struct bf_virt_checkpoints checkpoints;
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(define(bench, "chk1", NULL, test_uuid, &err), 0);
    assert_int_equal(define(bench, "chk2", "chk1", test_uuid, &err), 0);
    assert_int_equal(bf_virt_domain_checkpoints(bench->domain, &checkpoints, &err), 0);
    assert_int_equal(checkpoints.nr_items, 2);
    assert_string_equal(checkpoints.items[0].name, "chk1");
    assert_string_equal(checkpoints.items[1].name, "chk2");
    assert_string_equal(checkpoints.items[1].parent, "chk1");
    assert_string_equal(checkpoints.items[1].disks[0].target, "vda");
    bf_virt_checkpoints_release(&checkpoints);
}

static void a_checkpoint_of_another_domain_is_refused(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    assert_true(define(*state, "stranger", NULL, "6695eb01-f6a4-8304-79aa-97f2502e1930", &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    assert_non_null(strstr(err.text, "uuid"));
}

static void a_child_before_its_parent_is_refused(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    assert_true(define(*state, "child", "unborn", test_uuid, &err) < 0);
    assert_non_null(strstr(err.text, "unborn"));
}

static void bad_xml_is_refused(void **state)
{
    struct bench *bench = *state;
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_virt_domain_redefine(bench->domain, "<domaincheckpoint><name>", &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
}

static void forgetting_is_repeatable(void **state)
{
    struct bench *bench = *state;
    struct bf_virt_checkpoints checkpoints;
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(bf_virt_domain_forget(bench->domain, "chk2", &err), 0);
    assert_int_equal(bf_virt_domain_forget(bench->domain, "chk2", &err), 0);
    assert_int_equal(bf_virt_domain_checkpoints(bench->domain, &checkpoints, &err), 0);
    assert_int_equal(checkpoints.nr_items, 1);
    bf_virt_checkpoints_release(&checkpoints);
}

static void a_domain_is_found_by_name_and_uuid(void **state)
{
    struct bench *bench = *state;
    struct bf_virt_domain *domain = NULL;
    struct bf_virt_description description;
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(bf_virt_domain_find(bench->virt, test_uuid, &domain, &err), 0);
    assert_string_equal(bf_virt_domain_name(domain), "test");
    assert_string_equal(bf_virt_domain_uuid(domain), test_uuid);
    assert_int_equal(bf_virt_domain_describe(domain, &description, &err), 0);
    assert_string_equal(description.disks[0].layers[0].path, "/guest/diskimage1");
    bf_virt_description_release(&description);
    bf_virt_domain_free(domain);
    assert_true(bf_virt_domain_find(bench->virt, "nobody", &domain, &err) < 0);
    assert_int_equal(err.code, BF_E_NOT_FOUND);
}

static void a_driver_without_qemu_has_no_bridge(void **state)
{
    struct bench *bench = *state;
    struct bf_virt_bridge *bridge = NULL;
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_virt_bridge_open(bench->domain, &bridge, &err) < 0);
    assert_int_equal(err.code, BF_E_UNSUPPORTED);
}

static void nobody_listens(void **state)
{
    struct bf_virt *virt = NULL;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_true(bf_virt_open("qemu+unix:///system?socket=/nonexistent", &virt, &err) < 0);
    assert_int_equal(err.code, BF_E_PEER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redefined_checkpoints_are_listed_in_order),
        cmocka_unit_test(a_checkpoint_of_another_domain_is_refused),
        cmocka_unit_test(a_child_before_its_parent_is_refused),
        cmocka_unit_test(bad_xml_is_refused),
        cmocka_unit_test(forgetting_is_repeatable),
        cmocka_unit_test(a_domain_is_found_by_name_and_uuid),
        cmocka_unit_test(a_driver_without_qemu_has_no_bridge),
        cmocka_unit_test(nobody_listens),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
