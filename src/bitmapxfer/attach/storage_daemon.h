/** A qemu-storage-daemon of our own, driven over a socket pair: nobody else can reach it, and it
 * ends with us.  All calls run its private loop (see qmp/call.h). */
#ifndef STORAGE_DAEMON_H
#define STORAGE_DAEMON_H

#include "attach/child.h"
#include "base/cleanup.h"
#include "qmp/call.h"

struct bf_storage_daemon {
    struct bf_child child;
    uv_loop_t loop;
    struct bf_qmp *qmp;
    uint64_t deadline_ms; /* for every command */
};

struct bf_storage_daemon_options {
    const char *program;  /* NULL: qemu-storage-daemon */
    const char *log_path; /* what it says goes there */
    const char *key_file; /* NULL, or a passphrase file that becomes the secret object "key" */
    uint64_t deadline_ms;
};

/** The --object option that reads a passphrase from @key_file, as the secret "key"; NULL: no
 * memory. */
char *bf_secret_object(const char *key_file);

int bf_storage_daemon_start(const struct bf_storage_daemon_options *options,
                            struct bf_storage_daemon **ret_daemon, struct bf_error *err);

/** One QMP command; a daemon that died is explained by its last words. */
int bf_storage_daemon_call(struct bf_storage_daemon *daemon, const char *command, json_t *arguments,
                           json_t **ret_result, struct bf_error *err);

/** Quit cleanly and wait for it.  Errors: CHILD_FAILED, DEADLINE. */
int bf_storage_daemon_quit(struct bf_storage_daemon *daemon, struct bf_error *err);

/** Kill it if it still runs, and free. */
void bf_storage_daemon_free(struct bf_storage_daemon *daemon);
BF_DEFINE_CLEANUP(struct bf_storage_daemon *, bf_storage_daemon_free)

#endif
