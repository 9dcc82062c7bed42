#include "listener.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

void bf_listener_close(struct bf_listener *listener)
{
    for (size_t i = 0; i < listener->nr_fds; i++)
        (void)close(listener->fds[i]);
    if (listener->socket_path && listener->nr_fds > 0)
        (void)unlink(listener->socket_path);
    if (listener->private_folder)
        (void)rmdir(listener->private_folder);
    free(listener->socket_path);
    free(listener->private_folder);
    free(listener->uri);
    free(listener);
}

/* For the query of a URI: everything but what is unreserved there, and '/', as %XX. */
static char *encode_path(const char *path)
{
    char *encoded = malloc(strlen(path) * 3 + 1);
    char *to = encoded;

    if (!encoded)
        return NULL;
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        if (isascii(c) && (isalnum(c) || strchr("-._~/", c)))
            *to++ = (char)c;
        else
            to += sprintf(to, "%%%02X", c);
    }
    *to = '\0';
    return encoded;
}

static int make_private_folder(struct bf_listener *listener, struct bf_error *err)
{
    const char *parent = getenv("TMPDIR");
    char *folder = NULL;

    if (!parent || parent[0] == '\0')
        parent = "/tmp";
    if (asprintf(&folder, "%s/bitferry-XXXXXX", parent) < 0)
        return no_memory(err);
    if (!mkdtemp(folder)) {
        int ret = bf_error_set_errno(err, errno, "cannot make a folder in '%s'", parent);
        free(folder);
        return ret;
    }
    listener->private_folder = folder;
    if (asprintf(&listener->socket_path, "%s/socket", folder) < 0) {
        listener->socket_path = NULL;
        return no_memory(err);
    }
    return 0;
}

static int listen_unix(struct bf_listener *listener, struct bf_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = listener->socket_path;
    BF_CLEANUP(bf_fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t old_mask;
    int ret;

    if (fd < 0)
        return bf_error_set_errno(err, errno, "cannot make a socket");
    if (strlen(path) >= sizeof address.sun_path)
        return bf_error_set(err, BF_E_INVALID,
                            "'%.300s' is too long for a socket: at most %zu bytes", path,
                            sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    old_mask = umask(0077);
    ret = bind(fd, (const struct sockaddr *)&address, sizeof address);
    (void)umask(old_mask);
    if (ret < 0 && errno == EADDRINUSE)
        return bf_error_set(err, BF_E_EXISTS,
                            "'%.300s' exists already; if no server uses it any more, remove it",
                            path);
    if (ret < 0)
        return bf_error_set_errno(err, errno, "cannot make the socket '%.300s'", path);
    if (listen(fd, SOMAXCONN) < 0) {
        ret = bf_error_set_errno(err, errno, "cannot listen on '%.300s'", path);
        (void)unlink(path);
        return ret;
    }
    listener->fds[listener->nr_fds++] = bf_steal_fd(&fd);
    return 0;
}

int bf_listener_open_unix(const char *path, struct bf_listener **ret_listener, struct bf_error *err)
{
    BF_CLEANUP(bf_listener_closep) struct bf_listener *listener = calloc(1, sizeof *listener);
    BF_CLEANUP(bf_freep) char *encoded = NULL;
    int ret = 0;

    if (!listener)
        return no_memory(err);
    if (!path)
        ret = make_private_folder(listener, err);
    else if (path[0] == '/')
        listener->socket_path = strdup(path);
    else {
        BF_CLEANUP(bf_freep) char *here = getcwd(NULL, 0);
        /* The URI may be used elsewhere. */
        if (!here || asprintf(&listener->socket_path, "%s/%s", here, path) < 0)
            listener->socket_path = NULL;
    }
    if (ret < 0)
        return ret;
    if (!listener->socket_path)
        return no_memory(err);
    encoded = encode_path(listener->socket_path);
    if (!encoded || asprintf(&listener->uri, "nbd+unix:///?socket=%s", encoded) < 0) {
        listener->uri = NULL;
        return no_memory(err);
    }
    ret = listen_unix(listener, err);
    if (ret < 0)
        return ret;
    *ret_listener = bf_steal_ptr(&listener);
    return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
}

static void set_port(struct sockaddr *address, uint16_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons(port);
}

/* 0, or the errno.  Where the first port was free to choose, the others take the same. */
static int listen_tcp(struct bf_listener *listener, const struct addrinfo *info)
{
    BF_CLEANUP(bf_fd_closep)
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    int on = 1;

    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (listener->port != 0)
        set_port(info->ai_addr, listener->port);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
        return errno;
    listener->port = port_of(fd);
    listener->fds[listener->nr_fds++] = bf_steal_fd(&fd);
    return 0;
}

static int check_reach(const struct bf_tcp_request *request, const struct addrinfo *infos,
                       struct bf_error *err)
{
    for (const struct addrinfo *info = infos; info; info = info->ai_next) {
        if (!request->tls && !request->allow_plain && !is_loopback(info->ai_addr))
            return bf_error_set(err, BF_E_USAGE,
                                "without TLS everyone who reaches '%.200s' could read the bitmaps: "
                                "give --tls-certificates DIR, or --allow-plain if that is what you "
                                "want",
                                request->host);
    }
    return 0;
}

static int listen_all(struct bf_listener *listener, const struct bf_tcp_request *request,
                      const struct addrinfo *infos, struct bf_error *err)
{
    for (const struct addrinfo *info = infos; info; info = info->ai_next) {
        int failure = EAFNOSUPPORT;

        if (listener->nr_fds < BF_LISTENER_SOCKETS_MAX)
            failure = listen_tcp(listener, info);
        /* A host name may resolve to ::1 on a machine without IPv6; any other failure counts. */
        if (failure != 0 && failure != EADDRNOTAVAIL && failure != EAFNOSUPPORT)
            return bf_error_set(err, failure == EADDRINUSE ? BF_E_EXISTS : BF_E_IO,
                                "cannot listen on %.200s port %u: %s%s", request->host,
                                request->port, strerror(failure),
                                failure == EADDRINUSE ? "; give another --port" : "");
    }
    if (listener->nr_fds == 0)
        return bf_error_set_errno(err, EADDRNOTAVAIL, "cannot listen on '%.200s'", request->host);
    return 0;
}

/* The host as a URI wants it: what we listen on, or our name if that is every address. */
static int make_tcp_uri(struct bf_listener *listener, const struct bf_tcp_request *request,
                        struct bf_error *err)
{
    char name[256];
    const char *host = request->host;
    bool brackets = strchr(host, ':') != NULL;

    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0) {
        if (gethostname(name, sizeof name) < 0)
            return bf_error_set_errno(err, errno, "cannot tell this host's name");
        host = name;
        brackets = false;
    }
    if (asprintf(&listener->uri, "%s://%s%s%s:%u/", request->tls ? "nbds" : "nbd",
                 brackets ? "[" : "", host, brackets ? "]" : "", listener->port) < 0) {
        listener->uri = NULL;
        return no_memory(err);
    }
    return 0;
}

int bf_listener_open_tcp(const struct bf_tcp_request *request, struct bf_listener **ret_listener,
                         struct bf_error *err)
{
    BF_CLEANUP(bf_listener_closep) struct bf_listener *listener = calloc(1, sizeof *listener);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *infos = NULL;
    int ret;

    if (!listener)
        return no_memory(err);
    listener->port = request->port;
    ret = getaddrinfo(request->host, NULL, &hints, &infos);
    if (ret != 0)
        return bf_error_set(err, BF_E_USAGE, "cannot listen on '%.200s': %s", request->host,
                            gai_strerror(ret));
    ret = check_reach(request, infos, err);
    if (ret == 0)
        ret = listen_all(listener, request, infos, err);
    freeaddrinfo(infos);
    if (ret == 0)
        ret = make_tcp_uri(listener, request, err);
    if (ret < 0)
        return ret;
    *ret_listener = bf_steal_ptr(&listener);
    return 0;
}
