/** The commands that QEMU has not answered, oldest first.  Pure: no fd, no clock, no loop.
 *
 * A command whose deadline passed stays here, marked, so that its late answer is known for what it
 * is.
 */
#ifndef QMP_INFLIGHT_H
#define QMP_INFLIGHT_H

#include "qmp/client.h"

enum {
    BF_QMP_ID_MAX = 48,        /* twice 64 bits in decimal */
    BF_QMP_EXPIRED_MAX = 1024, /* late answers that are waited for; a QEMU that owes more is dead */
};

struct bf_qmp_command {
    struct bf_qmp_command *next;
    char id[BF_QMP_ID_MAX];
    uint64_t expires_ms; /* on the caller's clock; UINT64_MAX: never */
    uint64_t deadline_ms;
    uint64_t sent_ns; /* by uv_hrtime() */
    bool expired;
    bf_qmp_reply_fn reply;
    void *ctx;
    char name[];
};

struct bf_qmp_inflight {
    struct bf_qmp_command *first;
    struct bf_qmp_command **last_link; /* where the next one is hung in */
    uint64_t connection;
    uint64_t last_id;
    size_t nr_expired;
};

/** @connection: a number that no other connection to the same QEMU has had: what was under way when
 *  that one ended is answered on the next one (seen on QEMU 10.0). */
void bf_qmp_inflight_init(struct bf_qmp_inflight *inflight, uint64_t connection);

/** A new command at the end, with an id of its own.  The caller fills in the deadline, reply and
 * ctx. NULL: no memory. */
struct bf_qmp_command *bf_qmp_inflight_add(struct bf_qmp_inflight *inflight, const char *name);

/** Take the command with this id out, to be freed; NULL: there is none. */
struct bf_qmp_command *bf_qmp_inflight_take(struct bf_qmp_inflight *inflight, const char *id);

/** Is it the id of a command of another connection? */
bool bf_qmp_inflight_is_foreign(const struct bf_qmp_inflight *inflight, const char *id);

/** Mark one command whose time is over at @now_ms as expired and return it (borrowed); NULL: none.
 */
struct bf_qmp_command *bf_qmp_inflight_expire(struct bf_qmp_inflight *inflight, uint64_t now_ms);

/** When the next one expires; UINT64_MAX: none does. */
uint64_t bf_qmp_inflight_next_ms(const struct bf_qmp_inflight *inflight);

/** Name of the oldest command that somebody waits for, or NULL. */
const char *bf_qmp_inflight_oldest(const struct bf_qmp_inflight *inflight);

/** Answer all with @err and free them.  The callbacks may use the table. */
void bf_qmp_inflight_fail_all(struct bf_qmp_inflight *inflight, const struct bf_error *err);

#endif
