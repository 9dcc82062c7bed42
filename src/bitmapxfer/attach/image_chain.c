#include "attach/image_chain.h"

#include "attach/child.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEADLINE_MS = 60000 };

static int run_qemu_img(const char *path, const char *said_path, struct bf_error *err)
{
    const char *argv[] = {"qemu-img", "info", "-U", "--backing-chain", "--output", "json",
                          "--",       path,   NULL};

    return bf_child_run(argv, said_path, DEADLINE_MS, err);
}

static int parse(int fd, const char *path, json_t **ret_chain, struct bf_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return bf_error_set_errno(err, errno, "cannot read what qemu-img says");
    if (st.st_size > BF_IMAGE_CHAIN_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "qemu-img says more than %d bytes of %s",
                            BF_IMAGE_CHAIN_MAX_BYTES, path);
    *ret_chain = json_loadfd(fd, 0, NULL);
    if (json_is_array(*ret_chain) && json_array_size(*ret_chain) > 0)
        return 0;
    json_decref(*ret_chain);
    *ret_chain = NULL;
    return bf_error_set(err, BF_E_IMAGE_CORRUPT, "qemu-img does not describe %s", path);
}

int bf_image_chain(const char *path, json_t **ret_chain, struct bf_error *err)
{
    char said_path[] = "/tmp/bitferry-qemu-img.XXXXXX";
    BF_CLEANUP(bf_fd_closep) int fd = mkostemp(said_path, O_CLOEXEC);
    int r;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a file in /tmp");
    r = run_qemu_img(path, said_path, err);
    (void)unlink(said_path);
    return r < 0 ? r : parse(fd, path, ret_chain, err);
}
