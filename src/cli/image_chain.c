#include "image_chain.h"

#include "archive_files.h"
#include "attach/child.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { DEADLINE_MS = 60000 };

static int run_qemu_img(const char *path, const char *said_path, struct bf_error *err)
{
    const char *argv[] = {"qemu-img", "info", "-U", "--backing-chain", "--output", "json",
                          "--",       path,   NULL};

    return bf_child_run(argv, said_path, DEADLINE_MS, err);
}

int bf_image_chain(const char *path, json_t **ret_chain, struct bf_error *err)
{
    char said_path[] = "/tmp/bitferry-qemu-img.XXXXXX";
    BF_CLEANUP(bf_fd_closep) int fd = mkstemp(said_path);
    BF_CLEANUP(bf_freep) char *said = NULL;
    size_t nr_bytes = 0;
    int r;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a file in /tmp");
    r = run_qemu_img(path, said_path, err);
    if (r == 0)
        r = bf_file_read(AT_FDCWD, said_path, BF_IMAGE_CHAIN_MAX_BYTES, &said, &nr_bytes, err);
    (void)unlink(said_path);
    if (r < 0)
        return r;
    *ret_chain = json_loadb(said, nr_bytes, 0, NULL);
    if (json_is_array(*ret_chain) && json_array_size(*ret_chain) > 0)
        return 0;
    json_decref(*ret_chain);
    *ret_chain = NULL;
    return bf_error_set(err, BF_E_IMAGE_CORRUPT, "qemu-img does not describe %s", path);
}
