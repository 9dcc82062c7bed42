/* daemon_with_driver source|dest|bare OPTION...: a daemon whose driver moves nothing; a bare source
 * has none at all.  The VM's name says what is to happen:
 *
 *     good      three bitmaps, pulled and committed in a few steps; nothing stops it on its way
 *     mixed     the same, but one of them is dropped
 *     hold      goes on until it is aborted, or the daemon drains: then it commits
 *     stubborn  goes on until it is aborted
 *     fail      fails at its first step
 *     refuse    cannot even begin
 *     child     as stubborn, with a child process that ignores SIGTERM
 *
 * Every step is a record of its own in the journal; a move that is taken up again goes on behind
 * the last one, and shows the number of records found as the size of a bitmap "recovered/records".
 */
#include "base/fail_point.h"
#include "daemon/process.h"
#include "daemon/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEP_RECORD = BF_JOURNAL_FIRST_DRIVER,
    NR_STEPS = 10,
    STEP_MS = 20,
    STEP_BYTES = 1 << 20,
    GRACE_MS = 100,
};

struct driven {
    uv_timer_t timer;
    struct bf_process *child;
    unsigned step;
    unsigned nr_open;
    struct bf_move *move;
    void (*closed)(struct bf_move *move);
};

static bool vm_is(const struct bf_move *move, const char *name)
{
    return strcmp(move->plan.vm, name) == 0;
}

static void finish_row(struct bf_move *move, const char *bitmap, bool drop)
{
    struct bf_move_row *row = bf_move_row(move, "vda", bitmap);

    if (drop)
        bf_move_row_drop(row, BF_E_BITMAP_BUSY, NULL, "a backup held it all the while");
    else
        row->outcome = BF_ROW_CARRIED;
}

static void commit(struct driven *driven)
{
    struct bf_move *move = driven->move;

    finish_row(move, "monday", false);
    finish_row(move, "tuesday", vm_is(move, "mixed"));
    finish_row(move, "wednesday \xc3\xa9", false);
    bf_move_set_phase(move, "committed");
    bf_move_end(move, BF_MOVE_COMMITTED, NULL);
}

static void fail(struct bf_move *move, enum bf_code code, const char *text,
                 enum bf_move_state state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)bf_error_set(&err, code, "%s", text);
    bf_move_end(move, state, &err);
}

static void show_progress(struct driven *driven)
{
    static const char *const bitmaps[] = {"monday", "tuesday", "wednesday \xc3\xa9"};

    for (size_t i = 0; i < sizeof bitmaps / sizeof bitmaps[0]; i++) {
        struct bf_move_row *row = bf_move_row(driven->move, "vda", bitmaps[i]);

        row->phase = "pulling";
        row->total_bytes = (uint64_t)NR_STEPS * STEP_BYTES;
        row->done_bytes = (uint64_t)driven->step * STEP_BYTES;
    }
    bf_move_set_phase(driven->move, "pulling");
    bf_move_changed(driven->move);
}

static void on_step(uv_timer_t *timer)
{
    struct driven *driven = timer->data;
    struct bf_move *move = driven->move;
    struct bf_error err = BF_ERROR_INIT;
    bool goes_on = vm_is(move, "hold") || vm_is(move, "stubborn") || vm_is(move, "child");

    if (move->state != BF_MOVE_UNDER_WAY)
        return;
    if (driven->step < NR_STEPS)
        driven->step++;
    if (vm_is(move, "fail")) {
        fail(move, BF_E_DIGEST_MISMATCH, "the digest of vda/monday is another", BF_MOVE_FAILED);
        return;
    }
    if ((!goes_on || driven->step < NR_STEPS) &&
        bf_move_folder_append(move->folder, STEP_RECORD, &driven->step, sizeof driven->step, &err) <
            0) {
        bf_move_end(move, BF_MOVE_FAILED, &err);
        return;
    }
    show_progress(driven);
    if (driven->step >= NR_STEPS / 2)
        bf_move_reach(move, BF_MILESTONE_INSTALLED);
    if (driven->step == NR_STEPS && !goes_on)
        commit(driven);
}

static void on_child_exited(void *ctx, struct bf_process *process, int64_t status, int signal);

static void close_one(struct driven *driven)
{
    struct bf_move *move = driven->move;
    void (*closed)(struct bf_move *) = driven->closed;

    if (--driven->nr_open > 0)
        return;
    free(driven);
    closed(move);
}

static void on_child_exited(void *ctx, struct bf_process *process, int64_t status, int signal)
{
    struct driven *driven = ctx;

    (void)process;
    bf_log(BF_LOG_INFO, "the child ended: status %d, signal %d", (int)status, signal);
    driven->child = NULL;
    if (driven->closed)
        close_one(driven);
}

static void on_timer_closed(uv_handle_t *handle)
{
    close_one(handle->data);
}

static int start_child(struct driven *driven, uv_loop_t *loop, struct bf_error *err)
{
    static const char *const argv[] = {"sh", "-c", "trap '' TERM; while :; do sleep 1; done", NULL};

    return bf_process_start(loop, argv, 2, -1, on_child_exited, driven, &driven->child, err);
}

static int begin(struct bf_move *move, uv_loop_t *loop, unsigned step, struct bf_error *err)
{
    struct driven *driven = calloc(1, sizeof *driven);
    int r = 0;

    if (!driven)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    driven->move = move;
    driven->step = step;
    if (vm_is(move, "child"))
        r = start_child(driven, loop, err);
    if (r < 0) {
        free(driven);
        return r;
    }
    (void)uv_timer_init(loop, &driven->timer);
    driven->timer.data = driven;
    (void)uv_timer_start(&driven->timer, on_step, STEP_MS, STEP_MS);
    move->driver = driven;
    bf_move_reach(move, BF_MILESTONE_PREPARED);
    return 0;
}

static int start(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                 struct bf_error *err)
{
    (void)config;
    if (vm_is(move, "refuse"))
        return bf_error_set(err, BF_E_BITMAP_BUSY, "a backup of %s runs", move->plan.vm);
    return begin(move, loop, 0, err);
}

static int recover(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                   struct bf_journal_cursor *records, struct bf_error *err)
{
    struct bf_journal_record record;
    struct bf_move_row *row;
    unsigned nr_records = 0;

    (void)config;
    while (bf_journal_next(records, &record, err) > 0)
        nr_records++;
    row = bf_move_row(move, "recovered", "records");
    row->total_bytes = nr_records;
    row->outcome = BF_ROW_CARRIED;
    return begin(move, loop, nr_records, err);
}

static void event(struct bf_move *move, enum bf_driver_event event)
{
    if (event == BF_DRIVER_DRAIN && vm_is(move, "hold"))
        commit(move->driver);
    if (event == BF_DRIVER_RELOAD)
        bf_log(BF_LOG_INFO, "move %s: reloads", move->id);
}

static void abort_move(struct bf_move *move)
{
    fail(move, BF_E_INTERRUPTED, "an operator ended it", BF_MOVE_ABORTED);
}

static void free_driver(struct bf_move *move, void (*closed)(struct bf_move *move))
{
    struct driven *driven = move->driver;

    driven->closed = closed;
    driven->nr_open = driven->child ? 2 : 1;
    if (driven->child)
        bf_process_stop(driven->child, GRACE_MS);
    uv_close((uv_handle_t *)&driven->timer, on_timer_closed);
}

int main(int argc, char **argv)
{
    static const struct bf_move_driver_ops ops = {
        .name = "test",
        .last_record_kind = STEP_RECORD,
        .start = start,
        .recover = recover,
        .event = event,
        .abort = abort_move,
        .free = free_driver,
    };
    struct bf_program program = {.summary = "A daemon that moves nothing", .driver = &ops};

    if (argc < 2)
        return BF_EXIT_USAGE;
    if (strcmp(argv[1], "bare") == 0) /* as it was before it could move anything */
        program.driver = NULL;
    program.role = strcmp(argv[1], "dest") == 0 ? BF_ROLE_DEST : BF_ROLE_SOURCE;
    return bf_program_main(&program, argc - 1, argv + 1);
}
