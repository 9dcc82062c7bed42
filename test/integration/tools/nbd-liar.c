/* nbd-liar MODE SOCKET: an NBD server that serves one client one export of 1 MiB of 0xa5 and breaks
 * the protocol, or stops, in one way.  Says "at PLACE" on stdout when it stops answering.
 *
 *     honest          everything right
 *     silent-greeting silent-go silent-status silent-read    no answer there, for ever
 *     status-empty    an extent of no bytes         status-outside   one past the end of the export
 *     status-long     one extent for all of it, more than was asked, which is legal (96 MiB)
 *     status-twice    two answers to one question   status-nothing   success without an answer
 *     status-context  another context's number      status-error     refused with EIO
 *     status-crumbs   512 bytes at a time
 *     read-short      half of the data, and success read-overlong    more than was asked
 *     read-die        gone in the middle of the data
 *     read-garbage    something else than a reply
 *     size-negative   2^63 bytes                    size-huge        2^62 bytes
 *     list-endless    exports for ever
 *     go-policy       the export is refused, with a text
 */
#include "base/endian.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    EXPORT_BYTES = 1 << 20,
    LONG_EXPORT_BYTES = 96 << 20,
    OPT_ABORT = 2,
    OPT_LIST = 3,
    OPT_GO = 7,
    OPT_STRUCTURED_REPLY = 8,
    OPT_SET_META_CONTEXT = 10,
    REP_ACK = 1,
    REP_SERVER = 2,
    REP_INFO = 3,
    REP_META_CONTEXT = 4,
    CONTEXT_ID = 7,
    CMD_READ = 0,
    CMD_DISC = 2,
    CMD_BLOCK_STATUS = 7,
    CHUNK_DONE = 1,
    CHUNK_NONE = 0,
    CHUNK_OFFSET_DATA = 1,
    CHUNK_BLOCK_STATUS = 5,
    CHUNK_ERROR = 32769,
};

#define REP_ERR_UNSUP  0x80000001u
#define REP_ERR_POLICY 0x80000002u

static const char *mode;
static int peer;
static uint8_t data[2 * EXPORT_BYTES];

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void get(void *bytes, size_t nr)
{
    if (nr > 0 && recv(peer, bytes, nr, MSG_WAITALL) != (ssize_t)nr)
        exit(0);
}

static void put(const void *bytes, size_t nr)
{
    const char *at = bytes;

    while (nr > 0) {
        ssize_t done = send(peer, at, nr, MSG_NOSIGNAL);
        if (done <= 0)
            exit(0);
        at += done;
        nr -= (size_t)done;
    }
}

static void stop_if(const char *place)
{
    if (!is(place))
        return;
    printf("at %s\n", place);
    fflush(stdout);
    for (;;)
        pause();
}

static void put_option_reply(uint32_t option, uint32_t type, const void *payload, size_t nr)
{
    uint8_t head[20];

    bf_be64_put(head, UINT64_C(0x3e889045565a9));
    bf_be32_put(head + 8, option);
    bf_be32_put(head + 12, type);
    bf_be32_put(head + 16, (uint32_t)nr);
    put(head, sizeof head);
    put(payload, nr);
}

static void go(uint32_t option)
{
    static const char why[] = "not for you";
    uint8_t info[12] = {0};
    uint64_t size_bytes = EXPORT_BYTES;

    stop_if("silent-go");
    if (is("go-policy")) {
        put_option_reply(option, REP_ERR_POLICY, why, sizeof why - 1);
        return;
    }
    if (is("status-long"))
        size_bytes = LONG_EXPORT_BYTES;
    if (is("size-negative"))
        size_bytes = UINT64_C(1) << 63;
    if (is("size-huge"))
        size_bytes = UINT64_C(1) << 62;
    bf_be64_put(info + 2, size_bytes);
    bf_be16_put(info + 10, 3); /* has flags, read-only */
    put_option_reply(option, REP_INFO, info, sizeof info);
    put_option_reply(option, REP_ACK, NULL, 0);
}

static void set_meta_context(uint32_t option)
{
    static const char name[] = "base:allocation";
    uint8_t reply[4 + sizeof name - 1];

    bf_be32_put(reply, CONTEXT_ID);
    memcpy(reply + 4, name, sizeof name - 1);
    put_option_reply(option, REP_META_CONTEXT, reply, sizeof reply);
    put_option_reply(option, REP_ACK, NULL, 0);
}

static void list(uint32_t option)
{
    uint8_t export[4 + 4] = {0, 0, 0, 4, 'd', 'i', 's', 'k'};

    do {
        put_option_reply(option, REP_SERVER, export, sizeof export);
    } while (is("list-endless"));
    put_option_reply(option, REP_ACK, NULL, 0);
}

/* True when the export was opened. */
static bool answer_option(void)
{
    uint8_t head[16];
    char *payload;
    uint32_t option;

    get(head, sizeof head);
    option = bf_be32_get(head + 8);
    payload = malloc(bf_be32_get(head + 12) + 1);
    get(payload, bf_be32_get(head + 12));
    free(payload);
    if (option == OPT_GO)
        go(option);
    else if (option == OPT_SET_META_CONTEXT)
        set_meta_context(option);
    else if (option == OPT_LIST)
        list(option);
    else
        put_option_reply(
            option, option == OPT_STRUCTURED_REPLY || option == OPT_ABORT ? REP_ACK : REP_ERR_UNSUP,
            NULL, 0);
    if (option == OPT_ABORT)
        exit(0);
    return option == OPT_GO && !is("go-policy");
}

static void shake_hands(void)
{
    uint8_t greeting[18];
    uint8_t flags[4];

    stop_if("silent-greeting");
    memcpy(greeting, "NBDMAGICIHAVEOPT", 16);
    bf_be16_put(greeting + 16, 3); /* fixed newstyle, no zeroes */
    put(greeting, sizeof greeting);
    get(flags, sizeof flags);
    while (!answer_option())
        continue;
}

static void put_chunk(const uint8_t *cookie, uint16_t flags, uint16_t type, size_t nr_payload)
{
    uint8_t head[20];

    bf_be32_put(head, 0x668e33ef);
    bf_be16_put(head + 4, flags);
    bf_be16_put(head + 6, type);
    memcpy(head + 8, cookie, 8);
    bf_be32_put(head + 16, (uint32_t)nr_payload);
    put(head, sizeof head);
}

static void put_error(const uint8_t *cookie)
{
    uint8_t payload[6] = {0, 0, 0, 5, 0, 0}; /* EIO, no text */

    put_chunk(cookie, CHUNK_DONE, CHUNK_ERROR, sizeof payload);
    put(payload, sizeof payload);
}

static void put_status(const uint8_t *cookie, uint16_t flags, uint32_t nr_bytes)
{
    uint8_t payload[12];

    bf_be32_put(payload, is("status-context") ? CONTEXT_ID + 1 : CONTEXT_ID);
    bf_be32_put(payload + 4, nr_bytes);
    bf_be32_put(payload + 8, 0); /* data */
    put_chunk(cookie, flags, CHUNK_BLOCK_STATUS, sizeof payload);
    put(payload, sizeof payload);
}

static void block_status(const uint8_t *cookie, uint64_t offset_bytes, uint32_t nr_bytes)
{
    stop_if("silent-status");
    if (is("status-error")) {
        put_error(cookie);
        return;
    }
    if (is("status-nothing")) {
        put_chunk(cookie, CHUNK_DONE, CHUNK_NONE, 0);
        return;
    }
    if (is("status-twice"))
        put_status(cookie, 0, nr_bytes);
    if (is("status-empty"))
        nr_bytes = 0;
    if (is("status-outside"))
        nr_bytes = EXPORT_BYTES + 512;
    if (is("status-long"))
        nr_bytes = (uint32_t)(LONG_EXPORT_BYTES - offset_bytes);
    if (is("status-crumbs"))
        nr_bytes = 512;
    put_status(cookie, CHUNK_DONE, nr_bytes);
}

static void read_data(const uint8_t *cookie, const uint8_t *offset, uint32_t nr_bytes)
{
    stop_if("silent-read");
    if (is("read-garbage"))
        put("this is no reply at all", 23);
    if (is("read-short"))
        nr_bytes /= 2;
    if (is("read-overlong"))
        nr_bytes += 512;
    put_chunk(cookie, CHUNK_DONE, CHUNK_OFFSET_DATA, 8 + nr_bytes);
    put(offset, 8);
    if (is("read-die")) {
        put(data, nr_bytes / 2);
        exit(0);
    }
    put(data, nr_bytes);
}

static void answer_command(void)
{
    uint8_t request[28];
    uint16_t command;
    uint32_t nr_bytes;

    get(request, sizeof request);
    command = bf_be16_get(request + 6);
    nr_bytes = bf_be32_get(request + 24);
    if (command == CMD_DISC)
        exit(0);
    if (command == CMD_BLOCK_STATUS)
        block_status(request + 8, bf_be64_get(request + 16), nr_bytes);
    else
        read_data(request + 8, request + 16, nr_bytes);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc != 3 || strlen(argv[2]) >= sizeof address.sun_path)
        return 2;
    mode = argv[1];
    memset(data, 0xa5, sizeof data);
    strcpy(address.sun_path, argv[2]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0)
        return 2;
    peer = accept(listener, NULL, NULL);
    if (peer < 0)
        return 2;
    shake_hands();
    for (;;)
        answer_command();
}
