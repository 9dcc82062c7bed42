#include "start.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* State and start time in clock ticks of a process; false: not to be seen.  The name before them is
 * anyone's choice, so the fields are counted from its last parenthesis.  Source: proc(5). */
static bool process_read(pid_t pid, char *ret_state, uint64_t *ret_ticks)
{
    char path[32];
    char text[1024];
    const char *fields;
    ssize_t nr_bytes;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    BF_CLEANUP(bf_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (nr_bytes = read(fd, text, sizeof text - 1)) <= 0)
        return false;
    text[nr_bytes] = '\0';
    fields = strrchr(text, ')');
    return fields && sscanf(fields,
                            ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                            "%*s %*s %" SCNu64,
                            ret_state, ret_ticks) == 2;
}

void bf_live_start_read(int fd, const char *path, struct bf_live_identity *identity)
{
    struct ucred peer = {.pid = 0};
    socklen_t peer_bytes = sizeof peer;
    struct statx file;
    uint64_t ticks = 0;
    char state = '?';

    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes);
    if (peer.pid > 0 && !process_read(peer.pid, &state, &ticks))
        ticks = 0;
    if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &file) < 0)
        memset(&file, 0, sizeof file);
    identity->pid = peer.pid;
    identity->uid = peer.uid;
    identity->gid = peer.gid;
    (void)snprintf(
        identity->start, sizeof identity->start, "%d.%" PRIu64 ".%x.%x.%" PRIx64 ".%" PRIx64 ".%x",
        (int)peer.pid, ticks, (unsigned)file.stx_dev_major, (unsigned)file.stx_dev_minor,
        (uint64_t)file.stx_ino, (uint64_t)file.stx_btime.tv_sec, (unsigned)file.stx_btime.tv_nsec);
}

bool bf_live_is_gone(const char *start)
{
    int pid;
    uint64_t ticks;
    uint64_t ticks_now;
    char state;

    if (sscanf(start, "%d.%" SCNu64, &pid, &ticks) != 2 || pid <= 0)
        return false;
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return true;
    return ticks > 0 && process_read(pid, &state, &ticks_now) &&
           (ticks_now != ticks || state == 'Z' || state == 'X');
}
