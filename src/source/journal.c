/* JOURNAL: a record is made in the loop and made durable in a thread, for a disk may take its time.
 * One at a time; of those that wait only the newest counts, because each is the whole truth. */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <stdlib.h>

static void start(struct source_drive *drive);

static void write_record(uv_work_t *work)
{
    struct source_journal *journal = work->data;
    struct source_drive *drive = journal->drive;

    (void)bf_move_folder_append(drive->move->folder, BF_LEDGER_RECORD, journal->bytes,
                                journal->nr_bytes, &journal->err);
}

/* Where tests kill us, with the record on disk and nothing done about it. */
static void pass_fail_points(enum bf_mark mark)
{
    if (mark == BF_MARK_BEGUN)
        bf_fail_point("source.begun");
    if (mark == BF_MARK_SEALED)
        bf_fail_point("source.sealed");
    if (mark == BF_MARK_COMMITTED)
        bf_fail_point("source.committed");
    if (mark == BF_MARK_ABORTING)
        bf_fail_point("source.aborting");
    if (mark == BF_MARK_ENDED)
        bf_fail_point("source.ended");
}

static void answer(struct source_drive *drive)
{
    struct source_journal *journal = &drive->journal;
    bool failed = journal->err.code != BF_E_NONE;

    if (failed)
        bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, journal->err.text);
    else
        pass_fail_points(journal->mark);
    source_feed(drive, &(struct bf_source_fact){.kind = failed ? BF_SOURCE_REFUSED : BF_SOURCE_DONE,
                                                .ticket = journal->ticket});
}

static void on_written(uv_work_t *work, int status)
{
    struct source_journal *journal = work->data;
    struct source_drive *drive = journal->drive;

    (void)status; /* never cancelled */
    free(journal->bytes);
    journal->bytes = NULL;
    journal->busy = false;
    if (!drive->freed && !drive->ended)
        answer(drive);
    start(drive);
    source_closed_one(drive);
}

static void start(struct source_drive *drive)
{
    struct source_journal *journal = &drive->journal;

    if (journal->busy || !journal->waits || drive->freed || drive->ended)
        return;
    journal->waits = false;
    journal->drive = drive;
    journal->ticket = journal->next.ticket;
    journal->mark = journal->next.record.mark;
    journal->work.data = journal;
    bf_error_clear(&journal->err);
    journal->bytes =
        bf_ledger_pack_record(&journal->next.record, &drive->offer, &journal->nr_bytes);
    if (!journal->bytes) {
        (void)bf_error_set(&journal->err, BF_E_NO_MEMORY, "no memory for a record of the journal");
        answer(drive);
        return;
    }
    journal->busy = true;
    drive->nr_open++;
    (void)uv_queue_work(drive->loop, &journal->work, write_record, on_written);
}

void source_journal(struct source_drive *drive, const struct bf_source_wish *wish)
{
    drive->journal.next = *wish;
    drive->journal.waits = true;
    start(drive);
}
