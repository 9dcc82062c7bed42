/** A listener (a destination) and a caller (a source) on one loop, and raw sockets for those who
 * break the rules. */
#ifndef RPC_BENCH_H
#define RPC_BENCH_H

#include "rpc/listener.h"

#include <stdbool.h>

enum {
    BENCH_DEADLINE_MS = 20000, /* for what is expected to happen */
    BENCH_TICK_MS = 20,
};

struct bench_end {
    struct bf_rpc_peer *peer; /* NULL: none, or given back */
    unsigned nr_opened, nr_words, nr_closed;
    uint32_t last_epoch;
    size_t word_bytes; /* in the drops of all words */
    struct bf_error err;
    void (*on_opened)(struct bench_end *end); /* within the callbacks; may be NULL */
    void (*on_word)(struct bench_end *end);
    void (*on_closed)(struct bench_end *end);
};

struct bench {
    uv_loop_t loop;
    uv_timer_t watchdog;
    uint64_t expires_ms;
    struct bf_rpc_settings server_settings,
        client_settings;  /* plain TCP unless a test says otherwise */
    const char *tls_name; /* what the client wants to see */
    struct bf_rpc_listener *listener;
    struct bench_end server, client; /* server.peer: the last that opened */
    unsigned nr_refused;
    struct bf_error refused_err;
};

/** For cmocka's setup and teardown; the latter asserts that the loop ends up without a handle. */
int bench_setup(void **state);
int bench_teardown(void **state);

void bench_listen(struct bench *bench);
/** To the listener, by @host. */
void bench_connect(struct bench *bench, const char *host, uint64_t deadline_ms);
/** Both, until both are open. */
void bench_open(struct bench *bench);

/** Give back an end's peer. */
void bench_close_end(struct bench_end *end);

/** An ABORT-free word: SEAL of @epoch (ARM from the server) with @nr_drops bytes of drops. */
int bench_say(struct bench_end *end, bool as_source, uint32_t epoch, size_t nr_drops,
              struct bf_error *err);

/** A connected blocking socket. */
int bench_raw_connect(struct bench *bench);
void bench_raw_send(int fd, const void *bytes, size_t nr_bytes);
/** A Hello as the settings of the client have it; free() it. */
uint8_t *bench_hello(struct bench *bench, size_t *ret_bytes);
/** What is there to be read right now; -1: the connection was reset, 0 with *ret_ended: it has
 * ended. */
ssize_t bench_raw_read(int fd, uint8_t *bytes, size_t max_bytes, bool *ret_ended);

#define BENCH_RUN_UNTIL(bench, condition)                                                          \
    do {                                                                                           \
        bench_watch(bench);                                                                        \
        while (!(condition))                                                                       \
            (void)uv_run(&(bench)->loop, UV_RUN_ONCE);                                             \
        bench_unwatch(bench);                                                                      \
    } while (0)
void bench_watch(struct bench *bench);
void bench_unwatch(struct bench *bench);

#endif
