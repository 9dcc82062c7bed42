/* tcp-proxy LISTEN-PORT TARGET-PORT RULE...: between two helpers on loopback, and not their friend.
 *
 *     reset FIRST STEP NR    connection number i of the first NR ends with a reset as soon as
 *                            FIRST + i * STEP bytes went through it, either way
 *     flip FIRST STEP NR     likewise, and the byte at that place has a bit turned over
 *     double                 every frame is passed on twice, but for the greeting
 *     replay                 a client's frames are kept, and said again behind the greeting of each
 *                            later connection
 *     versions SIDE MIN MAX  that side's greeting (client or server) says that it speaks these
 *
 * Frames are those of plain TCP: a length (4 bytes, big-endian) and so many bytes.  What was done
 * goes to stdout, a line each.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 32, CHUNK_BYTES = 4096, BUFFER_BYTES = 1 << 20, HEAD_BYTES = 4 };

struct place {
    unsigned long first, step, nr;
};

static struct {
    uint16_t listen_port, target_port;
    struct place reset, flip;
    bool twice, replay;
    const char *versions_of; /* "client", "server" */
    uint8_t versions[2];
} rules;

struct bytes {
    uint8_t data[BUFFER_BYTES];
    size_t nr;
};

/* What clients said on earlier connections, and on this one. */
static struct bytes kept, said;

struct way {
    int from, to;
    bool is_client;
    bool greeted;
    struct bytes waiting; /* not a whole frame yet */
};

struct connection {
    struct way ways[2];
    unsigned long number, nr_bytes;
    bool open;
};

static struct connection connections[CONNECTIONS_MAX];
static unsigned long nr_connections;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void say(const struct connection *connection, const char *what)
{
    printf("%lu %s (%lu bytes)\n", connection->number, what, connection->nr_bytes);
    fflush(stdout);
}

static void end(struct connection *connection, bool by_reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    for (int i = 0; i < 2; i++) {
        if (by_reset)
            setsockopt(connection->ways[i].from, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(connection->ways[i].from);
    }
    connection->open = false;
}

/* Is this the connection's place, and does it lie among the next @nr bytes? */
static bool comes(const struct connection *connection, const struct place *place, size_t nr,
                  size_t *ret_at)
{
    unsigned long at = place->first + connection->number * place->step;

    if (connection->number >= place->nr || at < connection->nr_bytes ||
        at >= connection->nr_bytes + nr)
        return false;
    *ret_at = at - connection->nr_bytes;
    return true;
}

static void pass_on(const struct way *way, const uint8_t *data, size_t nr)
{
    while (nr > 0) {
        ssize_t sent = send(way->to, data, nr, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the end is seen when it is read from */
        data += sent;
        nr -= (size_t)sent;
    }
}

static void keep(struct bytes *bytes, const uint8_t *data, size_t nr)
{
    if (bytes->nr + nr > sizeof bytes->data)
        die("too much to keep");
    memcpy(bytes->data + bytes->nr, data, nr);
    bytes->nr += nr;
}

/* An Envelope of nothing but a Hello, whose first two fields are small numbers (proto/move.proto).
 */
static void change_versions(const struct connection *connection, uint8_t *frame, size_t nr)
{
    uint8_t *hello = frame + HEAD_BYTES;

    if (nr < HEAD_BYTES + 7 || hello[0] != 0x82 || hello[1] != 1 || hello[3] != 0x08 ||
        hello[5] != 0x10) {
        fputs("this is no greeting\n", stderr);
        exit(1);
    }
    hello[4] = rules.versions[0];
    hello[6] = rules.versions[1];
    say(connection, "was greeted with other versions");
}

static void pass_frame(struct connection *connection, struct way *way, size_t nr)
{
    uint8_t *frame = way->waiting.data;

    if (!way->greeted && rules.versions_of &&
        strcmp(rules.versions_of, way->is_client ? "client" : "server") == 0)
        change_versions(connection, frame, nr);
    pass_on(way, frame, nr);
    if (way->greeted && rules.twice)
        pass_on(way, frame, nr);
    if (way->greeted && way->is_client)
        keep(&said, frame, nr);
    if (!way->greeted && way->is_client && rules.replay && kept.nr > 0) {
        pass_on(way, kept.data, kept.nr);
        say(connection, "heard old frames");
    }
    way->greeted = true;
}

static size_t frame_bytes(const struct bytes *bytes)
{
    uint32_t length;

    if (bytes->nr < HEAD_BYTES)
        return SIZE_MAX;
    memcpy(&length, bytes->data, sizeof length);
    return HEAD_BYTES + (size_t)ntohl(length);
}

static void pass_frames(struct connection *connection, struct way *way, const uint8_t *data,
                        size_t nr)
{
    size_t frame;

    keep(&way->waiting, data, nr);
    while ((frame = frame_bytes(&way->waiting)) <= way->waiting.nr) {
        pass_frame(connection, way, frame);
        way->waiting.nr -= frame;
        memmove(way->waiting.data, way->waiting.data + frame, way->waiting.nr);
    }
}

static void read_way(struct connection *connection, struct way *way)
{
    uint8_t data[CHUNK_BYTES];
    ssize_t nr = recv(way->from, data, sizeof data, 0);
    size_t at;

    if (nr <= 0) {
        say(connection, "ended");
        end(connection, false);
        return;
    }
    if (comes(connection, &rules.flip, (size_t)nr, &at)) {
        data[at] ^= 0x10;
        say(connection, "was given a wrong bit");
    }
    if (comes(connection, &rules.reset, (size_t)nr, &at)) {
        pass_on(way, data, at);
        say(connection, "was reset");
        end(connection, true);
        return;
    }
    connection->nr_bytes += (size_t)nr;
    if (rules.twice || rules.replay || rules.versions_of)
        pass_frames(connection, way, data, (size_t)nr);
    else
        pass_on(way, data, (size_t)nr);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void accept_one(int listener)
{
    struct sockaddr_in target = loopback(rules.target_port);
    struct connection *connection = connections;
    int client = accept(listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM, 0);

    while (connection->open)
        connection++;
    if (client < 0 || server < 0)
        die("socket");
    if (connection == connections + CONNECTIONS_MAX - 1 ||
        connect(server, (struct sockaddr *)&target, sizeof target) < 0) {
        close(client);
        close(server);
        return;
    }
    keep(&kept, said.data, said.nr);
    said.nr = 0;
    memset(connection, 0, sizeof *connection);
    connection->open = true;
    connection->number = nr_connections++;
    connection->ways[0].from = connection->ways[1].to = client;
    connection->ways[0].to = connection->ways[1].from = server;
    connection->ways[0].is_client = true;
    say(connection, "is open");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0)
        die("listen");
    return fd;
}

static void turn(int listener)
{
    struct pollfd polled[2 * CONNECTIONS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
    struct connection *owners[2 * CONNECTIONS_MAX + 1];
    nfds_t nr = 1;

    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        for (int j = 0; j < 2 && connections[i].open; j++) {
            owners[nr] = &connections[i];
            polled[nr++] = (struct pollfd){.fd = connections[i].ways[j].from, .events = POLLIN};
        }
    }
    if (poll(polled, nr, -1) < 0)
        die("poll");
    for (nfds_t i = 1; i < nr; i++) {
        struct connection *connection = owners[i];

        if (polled[i].revents && connection->open)
            read_way(connection, &connection->ways[connection->ways[0].from != polled[i].fd]);
    }
    if (polled[0].revents)
        accept_one(listener);
}

static bool read_place(char **words, struct place *ret_place)
{
    if (!words[1] || !words[2] || !words[3])
        return false;
    *ret_place = (struct place){strtoul(words[1], NULL, 10), strtoul(words[2], NULL, 10),
                                strtoul(words[3], NULL, 10)};
    return true;
}

static bool read_versions(char **words)
{
    if (!words[1] || !words[2] || !words[3])
        return false;
    rules.versions_of = words[1];
    for (int i = 0; i < 2; i++)
        rules.versions[i] = (uint8_t)(strtoul(words[2 + i], NULL, 10) & 0x7f);
    return true;
}

static bool read_rules(char **words)
{
    for (; *words; words++) {
        if (strcmp(*words, "double") == 0)
            rules.twice = true;
        else if (strcmp(*words, "replay") == 0)
            rules.replay = true;
        else if ((strcmp(*words, "reset") == 0 && read_place(words, &rules.reset)) ||
                 (strcmp(*words, "flip") == 0 && read_place(words, &rules.flip)) ||
                 (strcmp(*words, "versions") == 0 && read_versions(words)))
            words += 3;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    int listener;

    if (argc < 3 || !read_rules(argv + 3)) {
        fprintf(stderr, "usage: tcp-proxy LISTEN-PORT TARGET-PORT RULE...\n");
        return 2;
    }
    rules.listen_port = (uint16_t)strtoul(argv[1], NULL, 10);
    rules.target_port = (uint16_t)strtoul(argv[2], NULL, 10);
    listener = listen_on(rules.listen_port);
    puts("listening");
    fflush(stdout);
    for (;;)
        turn(listener);
}
