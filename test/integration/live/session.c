/* Sessions and surveys on real QEMUs. */
#include "rig.h"

#include <unistd.h>

static void a_session_knows_whom_it_talks_to(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    const struct bf_live_identity *identity;

    vm_start(vm, NULL);
    identity = bf_live_identity(vm->live);
    assert_string_equal(identity->name, "ferry");
    assert_string_equal(identity->uuid, RIG_UUID);
    assert_string_equal(identity->status, "running");
    assert_true(identity->running);
    assert_true(identity->version.major >= 7);
    assert_int_equal(identity->pid, vm->pid);
    assert_int_equal(identity->uid, getuid());
}

static void another_vm_behind_the_socket_is_refused(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];

    vm_spawn(vm, NULL);
    vm_open(vm, "00000000-1111-4222-8333-444444444444", NULL);
    assert_int_equal(vm->ready_err.code, BF_E_NOT_FOUND);
    assert_non_null(strstr(vm->ready_err.text, "its UUID is " RIG_UUID " instead of 00000000-"));
}

static void a_recycled_socket_is_refused(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    char start[BF_LIVE_START_MAX + 1];

    vm_start(vm, NULL);
    strcpy(start, bf_live_identity(vm->live)->start);
    vm_close(vm);
    vm_open(vm, RIG_UUID, start);
    assert_string_equal(vm->ready_err.text, "");
    assert_false(bf_live_is_gone(start));
    vm_close(vm);
    vm_signal(vm, SIGKILL);
    assert_true(bf_live_is_gone(start));
    assert_int_equal(unlink(vm->socket_path), 0);
    vm_spawn(vm, NULL);
    vm_open(vm, RIG_UUID, start);
    assert_int_equal(vm->ready_err.code, BF_E_NOT_FOUND);
    assert_non_null(strstr(vm->ready_err.text, "another one, started later"));
}

static void no_qemu_behind_the_path_is_told_at_once(void **state)
{
    struct rig *rig = *state;
    const struct bf_live_target target = {.socket_path = rig_path(rig, "nothing"), .tag = RIG_TAG};
    struct bf_live *live = NULL;
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_live_open(&rig->loop, &target, AMPLE_MS, NULL, &live, &err) < 0);
    assert_int_equal(err.code, BF_E_PEER);
    assert_non_null(strstr(err.text, "/nothing: No such file or directory"));
}

static void disks_are_found_by_node_and_as_guest_devices(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    const struct bf_live_disk_wish wishes[] = {{"root", "vda"}, {"lost", "nosuch"}, {"b", "vdb"}};
    struct bf_live_survey found;
    const struct bf_live_bitmap *bitmap;
    char drive[128];
    char cdrom[128];

    rig_make_image(rig, "a.qcow2");
    rig_make_image(rig, "b.qcow2");
    (void)snprintf(drive, sizeof drive, "if=none,id=vdb,format=raw,file=%s",
                   rig_path(rig, "b.qcow2"));
    (void)snprintf(cdrom, sizeof cdrom,
                   "if=none,id=cd,format=raw,readonly=on,file.locking=off,file=%s",
                   rig_path(rig, "b.qcow2"));
    vm_start(vm, (const char *const[]){"-drive", drive, "-drive", cdrom, NULL});
    vm_add_disk(vm, "vda", "a.qcow2");
    vm_add_bitmap(vm, "vda", "chk", true, true);
    vm_write(vm, "vda", 3, 2);

    found = survey(vm, wishes, 3);
    assert_int_equal(found.nr_disks, 3);
    assert_string_equal(found.disks[0].node, "vda");
    assert_string_equal(found.disks[0].format, "qcow2");
    assert_int_equal(found.disks[0].size_bytes, DISK_BYTES);
    assert_int_equal(found.disks[0].backing_depth, 0);
    assert_true(found.disks[0].writable && found.disks[0].can_persist);
    assert_non_null(strstr(found.disks[0].file, "a.qcow2"));
    bitmap = bf_live_disk_bitmap(bf_live_survey_disk(&found, "root"), "chk");
    assert_non_null(bitmap);
    assert_int_equal(bitmap->granularity_bytes, GRANULE_BYTES);
    assert_int_equal(bitmap->dirty_bytes, 2 * GRANULE_BYTES);
    assert_true(bitmap->recording && bitmap->persistent && !bitmap->busy && !bitmap->inconsistent);
    assert_string_equal(found.disks[1].node, "");
    assert_true(found.disks[2].node[0] && !found.disks[2].can_persist);
    bf_live_survey_release(&found);

    found = survey(vm, NULL, 0);
    assert_int_equal(found.nr_disks, 1);
    assert_string_equal(found.disks[0].name, "vdb");
    assert_string_equal(found.disks[0].format, "raw");
    bf_live_survey_release(&found);
}

static enum bf_live_change change_of(struct vm *vm, const struct bf_live_survey *before)
{
    const struct bf_live_disk_wish wish = {"root", "vda"};
    struct bf_live_survey now = survey(vm, &wish, 1);
    enum bf_live_change change = bf_live_bitmap_change(&before->disks[0].bitmaps[0],
                                                       bf_live_disk_bitmap(&now.disks[0], "chk"));

    bf_live_survey_release(&now);
    return change;
}

static json_t *chk(void)
{
    return json_pack("{s:s, s:s}", "node", "vda", "name", "chk");
}

static void changes_of_a_bitmap_are_told_apart(void **state)
{
    struct rig *rig = *state;
    struct vm *vm = &rig->vms[0];
    const struct bf_live_disk_wish wish = {"root", "vda"};
    struct bf_live_survey before;

    rig_make_image(rig, "a.qcow2");
    vm_start(vm, NULL);
    vm_add_disk(vm, "vda", "a.qcow2");
    vm_add_bitmap(vm, "vda", "chk", true, true);
    vm_write(vm, "vda", 0, 8);
    before = survey(vm, &wish, 1);
    assert_int_equal(change_of(vm, &before), BF_LIVE_SAME);
    vm_write(vm, "vda", 100, 1);
    assert_int_equal(change_of(vm, &before), BF_LIVE_SAME);
    vm_do(vm, "block-dirty-bitmap-disable", chk());
    assert_int_equal(change_of(vm, &before), BF_LIVE_SWITCHED_OFF);
    before.disks[0].bitmaps[0].recording = false;
    assert_int_equal(change_of(vm, &before), BF_LIVE_CHANGED);
    vm_do(vm, "block-dirty-bitmap-clear", chk());
    assert_int_equal(change_of(vm, &before), BF_LIVE_CLEARED);
    vm_do(vm, "block-dirty-bitmap-enable", chk());
    assert_int_equal(change_of(vm, &before), BF_LIVE_SWITCHED_ON);
    vm_do(vm, "block-dirty-bitmap-remove", chk());
    assert_int_equal(change_of(vm, &before), BF_LIVE_VANISHED);
    bf_live_survey_release(&before);
}

int main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_session_knows_whom_it_talks_to),
        RIG_TEST(another_vm_behind_the_socket_is_refused),
        RIG_TEST(a_recycled_socket_is_refused),
        RIG_TEST(no_qemu_behind_the_path_is_told_at_once),
        RIG_TEST(disks_are_found_by_node_and_as_guest_devices),
        RIG_TEST(changes_of_a_bitmap_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
