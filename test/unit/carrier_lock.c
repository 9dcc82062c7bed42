/* Two who open an image each by themselves, as two processes would: open file description locks
 * belong to the open, not to the process. */
#include "carrier/image_lock.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static char path[] = "/tmp/bitferry-lock.XXXXXX";

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static int open_image(void)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void may_be_together(enum bf_image_lock first, enum bf_image_lock second, bool may)
{
    BF_CLEANUP(bf_fd_closep) int a = open_image();
    BF_CLEANUP(bf_fd_closep) int b = open_image();
    struct bf_error err = BF_ERROR_INIT;
    int r;

    assert_int_equal(bf_image_lock(a, path, first, NULL), 0);
    r = bf_image_lock(b, path, second, &err);
    assert_int_equal(r == 0, may);
    assert_int_equal(err.code, may ? BF_E_NONE : BF_E_IMAGE_IN_USE);
    if (!may)
        assert_memory_equal(err.text, path, strlen(path));
}

static void readers_share_and_writers_do_not(void **state)
{
    (void)state;
    may_be_together(BF_IMAGE_LOCK_READ, BF_IMAGE_LOCK_READ, true);
    may_be_together(BF_IMAGE_LOCK_READ, BF_IMAGE_LOCK_WRITE, false);
    may_be_together(BF_IMAGE_LOCK_WRITE, BF_IMAGE_LOCK_READ, false);
    may_be_together(BF_IMAGE_LOCK_WRITE, BF_IMAGE_LOCK_WRITE, false);
}

static void who_was_refused_is_in_nobodys_way(void **state)
{
    BF_CLEANUP(bf_fd_closep) int reader = open_image();
    BF_CLEANUP(bf_fd_closep) int writer = open_image();
    BF_CLEANUP(bf_fd_closep) int late = open_image();

    (void)state;
    assert_int_equal(bf_image_lock(reader, path, BF_IMAGE_LOCK_READ, NULL), 0);
    assert_true(bf_image_lock(writer, path, BF_IMAGE_LOCK_WRITE, NULL) < 0);
    assert_int_equal(bf_image_lock(late, path, BF_IMAGE_LOCK_READ, NULL), 0);
}

/* QEMU's byte 200: somebody lets nobody read, whatever it does itself. */
static void who_is_denied_reading_does_not_read(void **state)
{
    BF_CLEANUP(bf_fd_closep) int other = open_image();
    BF_CLEANUP(bf_fd_closep) int reader = open_image();
    struct flock deny = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 200, .l_len = 1};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(fcntl(other, F_OFD_SETLK, &deny), 0);
    assert_true(bf_image_lock(reader, path, BF_IMAGE_LOCK_READ, &err) < 0);
    assert_int_equal(err.code, BF_E_IMAGE_IN_USE);
}

static void a_lock_ends_with_its_file(void **state)
{
    BF_CLEANUP(bf_fd_closep) int late = open_image();
    int writer = open_image();

    (void)state;
    assert_int_equal(bf_image_lock(writer, path, BF_IMAGE_LOCK_WRITE, NULL), 0);
    assert_true(bf_image_lock(late, path, BF_IMAGE_LOCK_READ, NULL) < 0);
    (void)close(writer);
    assert_int_equal(bf_image_lock(late, path, BF_IMAGE_LOCK_READ, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_share_and_writers_do_not),
        cmocka_unit_test(who_was_refused_is_in_nobodys_way),
        cmocka_unit_test(who_is_denied_reading_does_not_read),
        cmocka_unit_test(a_lock_ends_with_its_file),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
