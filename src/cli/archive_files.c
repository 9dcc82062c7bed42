#include "archive_files.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not through links, and not stuck on a pipe that somebody put there. */
static int open_regular(int folder_fd, const char *name, int *ret_fd, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return bf_error_set_errno(err, errno, "cannot open '%s'", name);
    if (!S_ISREG(status.st_mode))
        return bf_error_set(err, BF_E_INVALID, "'%s' is not a regular file", name);
    *ret_fd = bf_steal_fd(&fd);
    return 0;
}

/* The summarizer is made for packed bits; of any bytes it gives the SHA-256. */
int bf_file_digest(int folder_fd, const char *name, struct bf_file_digest *ret_digest,
                   struct bf_error *err)
{
    BF_CLEANUP(bf_summarizer_freep) struct bf_summarizer *summarizer = NULL;
    BF_CLEANUP(bf_freep) uint8_t *window = malloc(BF_WINDOW_BYTES);
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    struct bf_summary summary;
    ssize_t got;
    int ret = open_regular(folder_fd, name, &fd, err);

    if (ret == 0)
        ret = bf_summarizer_new(&summarizer, err);
    if (ret < 0)
        return ret;
    if (!window)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    ret_digest->size_bytes = 0;
    while ((got = read(fd, window, BF_WINDOW_BYTES)) > 0) {
        bf_summarizer_feed(summarizer, window, (uint64_t)got);
        ret_digest->size_bytes += (uint64_t)got;
    }
    if (got < 0)
        return bf_error_set_errno(err, errno, "cannot read '%s'", name);
    bf_summarizer_finish(summarizer, &summary);
    memcpy(ret_digest->sha256, summary.sha256, sizeof summary.sha256);
    return 0;
}

int bf_file_read(int folder_fd, const char *name, size_t max_bytes, char **ret_bytes,
                 size_t *ret_nr_bytes, struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep) int fd = -1;
    BF_CLEANUP(bf_freep) char *bytes = NULL;
    size_t nr_bytes = 0;
    struct stat status;
    ssize_t got;
    int ret = open_regular(folder_fd, name, &fd, err);

    if (ret < 0)
        return ret;
    if (fstat(fd, &status) < 0)
        return bf_error_set_errno(err, errno, "cannot read '%s'", name);
    if ((uint64_t)status.st_size > max_bytes)
        return bf_error_set(err, BF_E_LIMIT, "'%s' is longer than %zu bytes", name, max_bytes);
    bytes = malloc((size_t)status.st_size + 1);
    if (!bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    while ((got = read(fd, bytes + nr_bytes, (size_t)status.st_size - nr_bytes)) > 0)
        nr_bytes += (size_t)got;
    if (got < 0)
        return bf_error_set_errno(err, errno, "cannot read '%s'", name);
    bytes[nr_bytes] = '\0';
    *ret_bytes = bf_steal_ptr(&bytes);
    *ret_nr_bytes = nr_bytes;
    return 0;
}

int bf_file_write(int folder_fd, const char *name, const void *bytes, size_t nr_bytes,
                  struct bf_error *err)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    const char *at = bytes;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make '%s'", name);
    while (nr_bytes > 0) {
        ssize_t done = write(fd, at, nr_bytes);
        if (done < 0)
            return bf_error_set_errno(err, errno, "cannot write '%s'", name);
        at += done;
        nr_bytes -= (size_t)done;
    }
    if (fsync(fd) < 0)
        return bf_error_set_errno(err, errno, "cannot write '%s'", name);
    return 0;
}

/* sha256sum(1): a name with a backslash is escaped, and the line then begins with one. */
char *bf_sums_line(const char *name, const uint8_t sha256[BF_SHA256_BYTES])
{
    char *line = malloc(1 + BF_HEX_SHA256_MAX + 2 + 2 * strlen(name) + 2);
    char *to = line;

    if (!line)
        return NULL;
    if (strchr(name, '\\'))
        *to++ = '\\';
    bf_hex_encode(sha256, BF_SHA256_BYTES, to);
    to += strlen(to);
    *to++ = ' ';
    *to++ = ' ';
    for (; *name; name++) {
        if (*name == '\\')
            *to++ = '\\';
        *to++ = *name;
    }
    *to++ = '\n';
    *to = '\0';
    return line;
}
