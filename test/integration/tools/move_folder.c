/* move_folder write FOLDER: a move with five records, told one by one on stdout once they are
 * durable, then a second move that is removed again. move_folder read FOLDER: what a daemon finds
 * there: "ID NR_RECORDS" a line. */
#include "daemon/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NR_RECORDS = 5 };

static const char first_id[] = "11111111111111111111111111111111";
static const char second_id[] = "22222222222222222222222222222222";
static const char begun[] = "{\"schema\":1}";

static void tell(const char *what)
{
    (void)puts(what);
    (void)fflush(stdout);
}

static int write_moves(const struct bf_state_dir *state, const char *path, struct bf_error *err)
{
    struct bf_move_folder *folder = NULL;
    int r = bf_move_folder_create(state, path, first_id, begun, strlen(begun), &folder, err);

    if (r < 0)
        return r;
    tell("record");
    for (int i = 1; r == 0 && i < NR_RECORDS; i++) {
        r = bf_move_folder_append(folder, BF_JOURNAL_FIRST_DRIVER, &i, sizeof i, err);
        if (r == 0)
            tell("record");
    }
    bf_move_folder_close(folder);
    if (r == 0)
        r = bf_move_folder_create(state, path, second_id, begun, strlen(begun), &folder, err);
    if (r < 0)
        return r;
    bf_move_folder_close(folder);
    return bf_move_folder_remove(state, second_id, err);
}

struct reading {
    const struct bf_state_dir *state;
    const char *path;
    struct bf_error *err;
};

static int read_move(void *ctx, const char *id)
{
    const struct reading *reading = ctx;
    BF_CLEANUP(bf_move_folder_closep) struct bf_move_folder *folder = NULL;
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    struct bf_journal_cursor cursor;
    struct bf_journal_record record;
    unsigned nr_records = 0;
    int r = bf_move_folder_open(reading->state, reading->path, id, &folder, &bytes, &cursor,
                                reading->err);

    while (r >= 0 && (r = bf_journal_next(&cursor, &record, reading->err)) > 0)
        nr_records++;
    if (r == 0)
        (void)printf("%s %u\n", id, nr_records);
    return r;
}

int main(int argc, char **argv)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_state_dir state;
    struct reading reading = {.state = &state, .path = argv[2], .err = &err};
    int r;

    if (argc != 3)
        return BF_EXIT_USAGE;
    r = bf_state_dir_open(argv[2], &state, &err);
    if (r == 0 && strcmp(argv[1], "write") == 0)
        r = write_moves(&state, argv[2], &err);
    else if (r == 0)
        r = bf_state_dir_list(&state, false, read_move, &reading, &err);
    bf_state_dir_close(&state);
    if (r < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    return r < 0 ? BF_EXIT_FAILURE : BF_EXIT_OK;
}
