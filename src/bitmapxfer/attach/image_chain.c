#include "attach/image_chain.h"

#include "attach/child.h"
#include "base/cleanup.h"

#include <errno.h>
#include <sys/stat.h>

enum { DEADLINE_MS = 60000 };

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
    const char *argv[] = {"qemu-img", "info", "-U", "--backing-chain", "--output", "json",
                          "--",       path,   NULL};
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    int r = bf_child_ask(argv, DEADLINE_MS, &fd, err);

    return r < 0 ? r : parse(fd, path, ret_chain, err);
}
