/* Definitions of checkpoints: read, put in order, adapted, and refused where they are not sound. */
#include "libvirt/checkpoint.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char with_domain[] =
    "<domaincheckpoint><name>chk2</name><parent><name>chk1</name></parent>"
    "<creationTime>1700000000</creationTime>"
    "<disks><disk name='vda' checkpoint='bitmap' bitmap='chk2' size='4096'/>"
    "<disk name='vdb' checkpoint='bitmap' bitmap='other'/>"
    "<disk name='vdc' checkpoint='no'/></disks>"
    "<domain type='kvm'><name>web1</name><uuid>aaaaaaaa-0000-0000-0000-000000000001</uuid>"
    "<devices><emulator>/old/qemu</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/old/vda.qcow2'/><target dev='vda'/></disk>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/old/vdb.qcow2'/><target dev='vdb'/></disk>"
    "</devices></domain></domaincheckpoint>";

static const char dest_domain[] =
    "<domain type='kvm'><name>web1-moved</name><uuid>aaaaaaaa-0000-0000-0000-000000000001</uuid>"
    "<devices><emulator>/new/qemu</emulator>"
    "<disk type='block' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source dev='/dev/new/vda'/><target dev='vda'/></disk></devices></domain>";

static void add(struct bf_virt_checkpoints *checkpoints, const char *name, const char *parent,
                int created)
{
    struct bf_error err = BF_ERROR_INIT;
    char xml[512];
    char parent_xml[256] = "";

    if (parent)
        (void)snprintf(parent_xml, sizeof parent_xml, "<parent><name>%s</name></parent>", parent);
    (void)snprintf(xml, sizeof xml,
                   "<domaincheckpoint><name>%s</name>%s<creationTime>%d</creationTime>"
                   "<disks><disk name='vda'/></disks></domaincheckpoint>",
                   name, parent_xml, created);
    if (bf_virt_checkpoints_add(checkpoints, xml, &err) < 0)
        fail_msg("%s", err.text);
}

static void a_definition_is_read(void **state)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;
    const struct bf_virt_checkpoint *found;

    (void)state;
    assert_int_equal(bf_virt_checkpoints_add(&checkpoints, with_domain, &err), 0);
    found = bf_virt_checkpoints_find(&checkpoints, "chk2");
    assert_non_null(found);
    assert_string_equal(found->parent, "chk1");
    assert_int_equal(found->created_unix_s, 1700000000);
    assert_int_equal(found->nr_disks, 2);
    assert_string_equal(found->disks[0].target, "vda");
    assert_string_equal(found->disks[0].bitmap, "chk2");
    assert_string_equal(found->disks[1].bitmap, "other");
    bf_virt_checkpoints_release(&checkpoints);
}

static void assert_order(struct bf_virt_checkpoints *checkpoints, const char *wanted)
{
    struct bf_error err = BF_ERROR_INIT;
    char order[256] = "";

    assert_int_equal(bf_virt_checkpoints_order(checkpoints, &err), 0);
    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        (void)strcat(order, checkpoints->items[i].name);
        (void)strcat(order, " ");
    }
    assert_string_equal(order, wanted);
}

static void parents_come_before_children_whatever_their_age(void **state)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};

    (void)state;
    add(&checkpoints, "d", "c", 1);
    add(&checkpoints, "b", "a", 30);
    add(&checkpoints, "c", "b", 2);
    add(&checkpoints, "a", NULL, 40);
    add(&checkpoints, "older", NULL, 5);
    assert_order(&checkpoints, "older a b c d ");
    bf_virt_checkpoints_release(&checkpoints);
}

static void a_parent_that_is_not_there_is_none(void **state)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};

    (void)state;
    add(&checkpoints, "b", "deleted", 2);
    add(&checkpoints, "c", "b", 3);
    assert_order(&checkpoints, "b c ");
    assert_null(checkpoints.items[0].parent);
    assert_string_equal(checkpoints.items[1].parent, "b");
    bf_virt_checkpoints_release(&checkpoints);
}

static void a_circle_is_refused(void **state)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    add(&checkpoints, "root", NULL, 1);
    add(&checkpoints, "a", "b", 2);
    add(&checkpoints, "b", "a", 3);
    assert_true(bf_virt_checkpoints_order(&checkpoints, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    bf_virt_checkpoints_release(&checkpoints);
}

static char *adapt(const char *xml, const struct bf_virt_adaptation *adaptation)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;
    char *adapted = NULL;

    assert_int_equal(bf_virt_checkpoints_add(&checkpoints, xml, &err), 0);
    if (bf_virt_checkpoint_adapt(&checkpoints.items[0], adaptation, &adapted, &err) < 0)
        fail_msg("%s", err.text);
    bf_virt_checkpoints_release(&checkpoints);
    return adapted;
}

static void paths_and_names_become_the_destinations(void **state)
{
    struct bf_virt_adaptation adaptation = {.parent = "chk1", .domain_xml = dest_domain};
    BF_CLEANUP(bf_freep) char *xml = adapt(with_domain, &adaptation);

    (void)state;
    assert_non_null(strstr(xml, "<name>web1-moved</name>"));
    assert_non_null(strstr(xml, "/dev/new/vda"));
    assert_non_null(strstr(xml, "<disk type=\"block\""));
    assert_non_null(strstr(xml, "/new/qemu"));
    assert_null(strstr(xml, "/old/vda"));
    assert_null(strstr(xml, "/old/qemu"));
    assert_non_null(strstr(xml, "/old/vdb")); /* it has gone: as it was at the checkpoint */
    assert_null(strstr(xml, "size="));
}

static void a_disk_can_be_left_out(void **state)
{
    static const char *const without[] = {"vdb"};
    struct bf_virt_adaptation adaptation = {.without = without, .nr_without = 1};
    BF_CLEANUP(bf_freep) char *xml = adapt(with_domain, &adaptation);
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_null(strstr(xml, "<domain "));
    assert_null(strstr(xml, "<parent"));
    assert_int_equal(bf_virt_checkpoints_add(&checkpoints, xml, &err), 0);
    assert_int_equal(checkpoints.items[0].nr_disks, 1);
    assert_string_equal(checkpoints.items[0].disks[0].target, "vda");
    bf_virt_checkpoints_release(&checkpoints);
}

static void a_checkpoint_needs_a_disk(void **state)
{
    static const char *const without[] = {"vda", "vdb"};
    struct bf_virt_adaptation adaptation = {.without = without, .nr_without = 2};
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;
    char *xml = NULL;

    (void)state;
    assert_int_equal(bf_virt_checkpoints_add(&checkpoints, with_domain, &err), 0);
    assert_true(bf_virt_checkpoint_adapt(&checkpoints.items[0], &adaptation, &xml, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    bf_virt_checkpoints_release(&checkpoints);
}

static void names_are_escaped_in_xml(void **state)
{
    struct bf_virt_adaptation adaptation = {.parent = "a<b&c"};
    BF_CLEANUP(bf_freep) char *xml = adapt(with_domain, &adaptation);

    (void)state;
    assert_non_null(strstr(xml, "<name>a&lt;b&amp;c</name>"));
}

static void assert_refused(const char *xml, enum bf_code code)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_virt_checkpoints_add(&checkpoints, xml, &err) == 0)
        fail_msg("taken: %.200s", xml);
    assert_int_equal(err.code, code);
    assert_int_equal(checkpoints.nr_items, 0);
}

static void what_is_not_sound_is_refused(void **state)
{
    static const char *const refused[] = {
        "",
        "<domaincheckpoint><name>a",
        "<domain><name>a</name></domain>",
        "<domaincheckpoint/>",
        "<domaincheckpoint><name></name></domaincheckpoint>",
        "<domaincheckpoint><name>.hidden</name></domaincheckpoint>",
        "<domaincheckpoint><name>../../etc/passwd</name></domaincheckpoint>",
        "<domaincheckpoint><name>a</name><creationTime>soon</creationTime></domaincheckpoint>",
        "<domaincheckpoint><name>a</name><creationTime>-5</creationTime></domaincheckpoint>",
        "<domaincheckpoint><name>a</name><disks><disk/></disks></domaincheckpoint>",
        "<!DOCTYPE x [<!ENTITY e 'x'>]><domaincheckpoint><name>&e;</name></domaincheckpoint>",
        "<!DOCTYPE d SYSTEM 'file:///e'><domaincheckpoint><name>a</name></domaincheckpoint>",
        "<domaincheckpoint><name>&undefined;</name></domaincheckpoint>",
        "<domaincheckpoint><name>a</name><disks/><disks/></domaincheckpoint>",
        "<domaincheckpoint><name>a</name><parent/><parent/></domaincheckpoint>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_refused(refused[i], BF_E_INVALID);
}

static void a_definition_beyond_libvirts_limit_is_refused(void **state)
{
    size_t nr_bytes = BF_VIRT_CHECKPOINT_XML_MAX_BYTES + 1;
    BF_CLEANUP(bf_freep) char *xml = malloc(nr_bytes + 1);

    (void)state;
    memset(xml, ' ', nr_bytes);
    xml[nr_bytes] = '\0';
    assert_refused(xml, BF_E_LIMIT);
}

static void one_name_is_one_checkpoint(void **state)
{
    struct bf_virt_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(bf_virt_checkpoints_add(&checkpoints, with_domain, &err), 0);
    assert_true(bf_virt_checkpoints_add(&checkpoints, with_domain, &err) < 0);
    assert_int_equal(checkpoints.nr_items, 1);
    bf_virt_checkpoints_release(&checkpoints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_definition_is_read),
        cmocka_unit_test(parents_come_before_children_whatever_their_age),
        cmocka_unit_test(a_parent_that_is_not_there_is_none),
        cmocka_unit_test(a_circle_is_refused),
        cmocka_unit_test(paths_and_names_become_the_destinations),
        cmocka_unit_test(a_disk_can_be_left_out),
        cmocka_unit_test(a_checkpoint_needs_a_disk),
        cmocka_unit_test(names_are_escaped_in_xml),
        cmocka_unit_test(what_is_not_sound_is_refused),
        cmocka_unit_test(a_definition_beyond_libvirts_limit_is_refused),
        cmocka_unit_test(one_name_is_one_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
