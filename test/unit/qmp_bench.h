/** A QMP client and the other end of its socket on one loop.  The other end greets and negotiates
 * as QEMU does unless told otherwise, and leaves all further commands to the test. */
#ifndef QMP_BENCH_H
#define QMP_BENCH_H

#include "client_internal.h"
#include "framing.h"

enum {
    BENCH_COMMANDS_MAX = 2048,
    BENCH_DEADLINE_MS = 20000, /* for what is expected to happen */
    AMPLE_MS = BENCH_DEADLINE_MS,
    SHORT_MS = 30, /* for what is not */
};

struct bench {
    uv_loop_t loop;
    uv_timer_t watchdog;
    uv_pipe_t peer;
    struct bf_qmp_framing peer_lines;
    bool peer_open;
    struct bf_qmp *qmp;
    uint64_t open_deadline_ms;

    const char *greeting;     /* NULL: none */
    const char *capabilities; /* answers, %s is the id; NULL: none */
    const char *commands;

    unsigned nr_commands; /* that reached the peer after the negotiation */
    char ids[BENCH_COMMANDS_MAX][BF_QMP_ID_MAX];

    unsigned nr_ready, nr_closed, nr_events;
    struct bf_error ready_err, closed_err;
    char last_event[32];
    bool last_event_has_data;
    void (*on_ready)(struct bench *bench); /* within the client's callbacks; may be NULL */
    void (*on_event)(struct bench *bench);
    void (*on_closed)(struct bench *bench);
};

struct bench_reply {
    struct bench *bench;
    unsigned nr_calls;
    json_t *result; /* NULL: error */
    struct bf_error err;
    void (*then)(struct bench_reply *reply); /* within the callback; may be NULL */
};

/** For cmocka's setup and teardown; the latter asserts that the loop ends up without a handle. */
int bench_setup(void **state);
int bench_teardown(void **state);
#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

/** The error is of this kind, and says this among other things. */
void assert_error(const struct bf_error *err, enum bf_code code, const char *text);

/** Open the client; its loop has not run yet. */
void bench_open(struct bench *bench);
/** Open it and run until it is ready. */
void bench_open_ready(struct bench *bench);

/** The peer says this, or ends the connection. */
void bench_say(struct bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bench_say_bytes(struct bench *bench, const char *bytes, size_t nr_bytes);
void bench_hang_up(struct bench *bench);

/** bf_qmp_send() with @reply, which must succeed. */
void bench_send(struct bench *bench, const char *command, uint64_t deadline_ms,
                struct bench_reply *reply);
void bench_reply_release(struct bench_reply *reply);

/** Close the client and forget it. */
void bench_close(struct bench *bench);

/** Run the loop until @condition; the watchdog fails the test. */
#define BENCH_RUN_UNTIL(bench, condition)                                                          \
    do {                                                                                           \
        bench_watch(bench);                                                                        \
        while (!(condition))                                                                       \
            (void)uv_run(&(bench)->loop, UV_RUN_ONCE);                                             \
    } while (0)
void bench_watch(struct bench *bench);

/** Run the loop until nothing is left that could call anybody: client and peer are closed. */
void bench_run_out(struct bench *bench);

#endif
