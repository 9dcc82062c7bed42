/* crowd PORT NR: NR connections to that port on loopback, from many addresses, that say nothing.
 * When all have been made it says so, with how many were dropped at once, and stays until it is
 * killed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NR_MAX = 20000, ADDRESSES = 200, AT_A_TIME = 100, SPARE_FDS = 16 };

static struct pollfd fds[NR_MAX];
static int nr_made, nr_dropped;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int call(int number, uint16_t port)
{
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(INADDR_LOOPBACK + 1 + (uint32_t)(number % ADDRESSES))};
    struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&there, sizeof there) < 0 && errno != EINPROGRESS)
        die("connect");
    return fd;
}

/* What is connected is no longer polled for that, but for its end. */
static void look(int nr, int timeout_ms)
{
    if (poll(fds, (nfds_t)nr, timeout_ms) < 0)
        die("poll");
    for (int i = 0; i < nr; i++) {
        if (fds[i].fd < 0 || !fds[i].revents)
            continue;
        nr_made += (fds[i].events & POLLOUT) != 0;
        fds[i].events = POLLRDHUP;
        if (fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) {
            close(fds[i].fd);
            fds[i].fd = -1;
            nr_dropped++;
        }
    }
}

int main(int argc, char **argv)
{
    int nr = argc == 3 ? atoi(argv[2]) : 0;
    struct rlimit room = {(rlim_t)nr + SPARE_FDS, (rlim_t)nr + SPARE_FDS};

    if (nr < 1 || nr > NR_MAX || setrlimit(RLIMIT_NOFILE, &room) < 0)
        die("usage: crowd PORT NR");
    for (int i = 0; i < nr; i++) {
        fds[i] = (struct pollfd){.fd = call(i, (uint16_t)atoi(argv[1])), .events = POLLOUT};
        if (i % AT_A_TIME == 0)
            look(i + 1, 0);
    }
    while (nr_made < nr)
        look(nr, 1000);
    look(nr, 0);
    printf("%d connections, %d dropped\n", nr_made, nr_dropped);
    fflush(stdout);
    for (;;)
        look(nr, -1);
}
