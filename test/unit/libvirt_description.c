/* A domain's XML: its disks, the layers of their images, QEMU's names for these. */
#include "libvirt/description.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char running[] =
    "<domain type='kvm' id='3'><name>web1</name>"
    "<uuid>AAAAAAAA-0000-0000-0000-000000000001</uuid><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/i/top.qcow2' index='4'/>"
    "<backingStore type='file' index='1'><format type='qcow2'/><source file='/i/base.qcow2'/>"
    "<backingStore/></backingStore><target dev='vda' bus='virtio'/></disk>"
    "<disk type='file' device='cdrom'><driver type='raw'/><source file='/i/cd.iso' index='9'/>"
    "<target dev='sda'/><readonly/></disk>"
    "<disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='p/v'"
    " index='2'/><target dev='vdb'/><shareable/></disk>"
    "<disk type='file' device='disk'><target dev='vdz'/></disk>"
    "</devices></domain>";

static void disks_and_layers_are_read(void **state)
{
    struct bf_virt_description description;
    struct bf_error err = BF_ERROR_INIT;
    const struct bf_virt_disk *disk;

    (void)state;
    assert_int_equal(bf_virt_description_parse(running, &description, &err), 0);
    assert_string_equal(description.name, "web1");
    assert_string_equal(description.uuid, "aaaaaaaa-0000-0000-0000-000000000001");
    assert_int_equal(description.nr_disks, 2);
    assert_null(bf_virt_description_disk(&description, "sda"));
    disk = bf_virt_description_disk(&description, "vda");
    assert_non_null(disk);
    assert_int_equal(disk->nr_layers, 2);
    assert_string_equal(disk->layers[0].path, "/i/top.qcow2");
    assert_string_equal(disk->layers[0].node, "libvirt-4-format");
    assert_string_equal(disk->layers[1].path, "/i/base.qcow2");
    assert_string_equal(disk->layers[1].format, "qcow2");
    assert_string_equal(disk->layers[1].node, "libvirt-1-format");
    assert_true(disk->layers[1].local);
    disk = bf_virt_description_disk(&description, "vdb");
    assert_true(disk->shareable);
    assert_false(disk->layers[0].local);
    assert_string_equal(disk->layers[0].path, "p/v");
    bf_virt_description_release(&description);
}

static void what_is_no_domain_is_refused(void **state)
{
    static const char *const refused[] = {
        "",
        "<domain/>",
        "<domaincheckpoint/>",
        "<!DOCTYPE d><domain><name>a</name><uuid>b</uuid></domain>",
        "<domain><name>a</name><uuid>b</uuid><devices><disk><source/></disk></devices></domain>",
    };
    struct bf_virt_description description;

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;

        assert_true(bf_virt_description_parse(refused[i], &description, &err) < 0);
        assert_int_equal(err.code, BF_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disks_and_layers_are_read),
        cmocka_unit_test(what_is_no_domain_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
