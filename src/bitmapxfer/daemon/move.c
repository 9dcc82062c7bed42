#include "daemon/move.h"

#include "base/text.h"
#include "daemon/driver.h"
#include "model/checkpoints_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char *const states[BF_NR_MOVE_STATES] = {
    [BF_MOVE_UNDER_WAY] = "under-way",     [BF_MOVE_COMMITTED] = "committed",
    [BF_MOVE_FAILED] = "failed",           [BF_MOVE_ABORTED] = "aborted",
    [BF_MOVE_QUARANTINED] = "quarantined",
};

static const char *const milestones[BF_NR_MILESTONES] = {
    [BF_MILESTONE_FROZEN] = "frozen",
    [BF_MILESTONE_INSTALLED] = "installed",
    [BF_MILESTONE_COMMITTED] = "committed",
    [BF_MILESTONE_PREPARED] = "prepared",
};

const char *bf_move_state_name(enum bf_move_state state)
{
    return states[state];
}

const char *bf_milestone_name(enum bf_milestone milestone)
{
    return milestones[milestone];
}

bool bf_milestone_find(const char *name, enum bf_milestone *ret_milestone)
{
    for (enum bf_milestone each = BF_MILESTONE_FROZEN; each < BF_NR_MILESTONES; each++) {
        if (strcmp(milestones[each], name) == 0) {
            *ret_milestone = each;
            return true;
        }
    }
    return false;
}

bool bf_move_id_valid(const char *id)
{
    return strlen(id) == BF_MOVE_ID_CHARS && strspn(id, "0123456789abcdef") == BF_MOVE_ID_CHARS;
}

static int make_id(char id[BF_MOVE_ID_CHARS + 1], struct bf_error *err)
{
    uint8_t random[BF_MOVE_ID_CHARS / 2];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return bf_error_set_errno(err, errno, "cannot get random bytes for a move's id");
    bf_hex_encode(random, sizeof random, id);
    return 0;
}

static void forget_definitions(struct bf_move *move)
{
    for (size_t i = 0; move->definition_whys && i < move->checkpoints.nr_items; i++)
        free(move->definition_whys[i]);
    free(move->definition_whys);
    free(move->definitions);
    move->definition_whys = NULL;
    move->definitions = NULL;
}

static void move_free(struct bf_move *move)
{
    bf_plan_release(&move->plan);
    for (size_t i = 0; i < move->nr_rows; i++) {
        free(move->rows[i].disk);
        free(move->rows[i].bitmap);
        free(move->rows[i].message);
        free(move->rows[i].note);
    }
    free(move->rows);
    for (size_t i = 0; i < move->nr_disks; i++)
        free(move->disks[i].name);
    free(move->disks);
    for (size_t i = 0; i < move->nr_warnings; i++)
        free(move->warnings[i]);
    free(move->warnings);
    forget_definitions(move);
    bf_checkpoints_release(&move->checkpoints);
    json_decref(move->record);
    free(move);
}

int bf_moves_add(struct bf_moves *moves, enum bf_role role, const char *id,
                 struct bf_move **ret_move, struct bf_error *err)
{
    struct bf_move *move = calloc(1, sizeof *move);
    struct bf_move **items =
        reallocarray(moves->items, moves->nr_items + 1, sizeof moves->items[0]);
    int r = 0;

    if (items)
        moves->items = items;
    if (!move || !items) {
        free(move);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    }
    if (id)
        memcpy(move->id, id, sizeof move->id);
    else
        r = make_id(move->id, err);
    if (r < 0) {
        free(move);
        return r;
    }
    move->role = role;
    move->phase = "begun";
    move->begun_s = (int64_t)time(NULL);
    move->moves = moves;
    moves->items[moves->nr_items++] = move;
    *ret_move = move;
    return 0;
}

void bf_moves_remove(struct bf_moves *moves, struct bf_move *move)
{
    for (size_t i = 0; i < moves->nr_items; i++) {
        if (moves->items[i] != move)
            continue;
        moves->nr_items--;
        memmove(moves->items + i, moves->items + i + 1,
                (moves->nr_items - i) * sizeof moves->items[0]);
        move_free(move);
        return;
    }
}

void bf_moves_release(struct bf_moves *moves)
{
    for (size_t i = 0; i < moves->nr_items; i++)
        move_free(moves->items[i]);
    free(moves->items);
    moves->items = NULL;
    moves->nr_items = 0;
}

struct bf_move *bf_moves_find(const struct bf_moves *moves, const char *id)
{
    for (size_t i = 0; i < moves->nr_items; i++) {
        if (strcmp(moves->items[i]->id, id) == 0)
            return moves->items[i];
    }
    return NULL;
}

struct bf_move *bf_moves_find_active(const struct bf_moves *moves, const char *uuid)
{
    for (size_t i = 0; i < moves->nr_items; i++) {
        struct bf_move *move = moves->items[i];

        if (move->state == BF_MOVE_UNDER_WAY && strcmp(move->plan.uuid, uuid) == 0)
            return move;
    }
    return NULL;
}

size_t bf_moves_count_active(const struct bf_moves *moves)
{
    size_t nr_active = 0;

    for (size_t i = 0; i < moves->nr_items; i++)
        nr_active += moves->items[i]->state == BF_MOVE_UNDER_WAY;
    return nr_active;
}

void bf_move_changed(struct bf_move *move)
{
    if (move->moves->changed)
        move->moves->changed(move->moves->ctx, move);
}

void bf_move_end(struct bf_move *move, enum bf_move_state state, const struct bf_error *error)
{
    if (move->state != BF_MOVE_UNDER_WAY)
        return;
    move->state = state;
    if (state == BF_MOVE_COMMITTED)
        move->milestones |= 1U << BF_MILESTONE_COMMITTED;
    move->ended_s = (int64_t)time(NULL);
    if (error)
        move->error = *error;
    if (move->moves->ended)
        move->moves->ended(move->moves->ctx, move);
    bf_move_changed(move);
}

void bf_move_set_phase(struct bf_move *move, const char *phase)
{
    if (strcmp(move->phase, phase) == 0)
        return;
    move->phase = phase;
    bf_move_changed(move);
}

void bf_move_reach(struct bf_move *move, enum bf_milestone milestone)
{
    if (milestone == BF_MILESTONE_COMMITTED || bf_move_reached(move, milestone))
        return;
    move->milestones |= 1U << milestone;
    bf_move_changed(move);
}

void bf_move_begin_again(struct bf_move *move)
{
    unsigned kept = move->milestones & 1U << BF_MILESTONE_PREPARED;

    if (move->milestones == kept)
        return;
    move->milestones = kept;
    bf_move_changed(move);
}

bool bf_move_reached(const struct bf_move *move, enum bf_milestone milestone)
{
    return (move->milestones & 1U << milestone) != 0;
}

static struct bf_move_row *add_row(struct bf_move *move, const char *disk, const char *bitmap)
{
    struct bf_move_row *rows = reallocarray(move->rows, move->nr_rows + 1, sizeof move->rows[0]);
    struct bf_move_row row = {.phase = "waiting"};

    if (!rows)
        return NULL;
    move->rows = rows;
    row.disk = strdup(disk);
    row.bitmap = strdup(bitmap);
    if (!row.disk || !row.bitmap) {
        free(row.disk);
        free(row.bitmap);
        return NULL;
    }
    rows[move->nr_rows] = row;
    return &rows[move->nr_rows++];
}

struct bf_move_row *bf_move_row(struct bf_move *move, const char *disk, const char *bitmap)
{
    /* Mostly they are asked for in order. */
    for (size_t i = 0; i < move->nr_rows; i++) {
        size_t at = (move->next_row + i) % move->nr_rows;

        if (strcmp(move->rows[at].bitmap, bitmap) == 0 && strcmp(move->rows[at].disk, disk) == 0) {
            move->next_row = at + 1;
            return &move->rows[at];
        }
    }
    return add_row(move, disk, bitmap);
}

void bf_move_row_drop(struct bf_move_row *row, enum bf_code reason, const char *name,
                      const char *message)
{
    row->outcome = BF_ROW_DROPPED;
    row->reason = reason;
    row->reason_name = name ? name : bf_code_name(reason);
    free(row->message);
    row->message = strdup(message);
}

void bf_move_row_note(struct bf_move_row *row, const char *note)
{
    free(row->note);
    row->note = strdup(note);
}

static struct bf_move_disk *find_disk(struct bf_move *move, const char *name)
{
    struct bf_move_disk *disks;

    for (size_t i = 0; i < move->nr_disks; i++) {
        if (strcmp(move->disks[i].name, name) == 0)
            return &move->disks[i];
    }
    disks = reallocarray(move->disks, move->nr_disks + 1, sizeof move->disks[0]);
    if (!disks)
        return NULL;
    move->disks = disks;
    disks[move->nr_disks] = (struct bf_move_disk){.name = strdup(name)};
    return disks[move->nr_disks].name ? &disks[move->nr_disks++] : NULL;
}

void bf_move_set_mode(struct bf_move *move, const char *disk, const char *mode, const char *why)
{
    struct bf_move_disk *found = find_disk(move, disk);

    if (!found)
        return;
    found->mode = mode;
    found->why = why;
    bf_move_changed(move);
}

void bf_move_set_mirror(struct bf_move *move, const char *disk, uint64_t done_bytes,
                        uint64_t total_bytes)
{
    for (size_t i = 0; i < move->nr_disks; i++) {
        struct bf_move_disk *found = &move->disks[i];

        if (strcmp(found->name, disk) != 0 ||
            (found->mirrored_bytes == done_bytes && found->mirror_bytes == total_bytes))
            continue;
        found->mirrored_bytes = done_bytes;
        found->mirror_bytes = total_bytes;
        bf_move_changed(move);
    }
}

void bf_move_warn(struct bf_move *move, const char *text)
{
    char **warnings;

    for (size_t i = 0; i < move->nr_warnings; i++) {
        if (strcmp(move->warnings[i], text) == 0)
            return;
    }
    warnings = reallocarray(move->warnings, move->nr_warnings + 1, sizeof move->warnings[0]);
    if (!warnings)
        return;
    move->warnings = warnings;
    warnings[move->nr_warnings] = strdup(text);
    if (warnings[move->nr_warnings])
        move->nr_warnings++;
    bf_move_changed(move);
}

int bf_move_set_checkpoints(struct bf_move *move, const struct bf_checkpoints *checkpoints,
                            struct bf_error *err)
{
    struct bf_checkpoints copy;
    int r = bf_checkpoints_copy(checkpoints, &copy, err);

    if (r < 0)
        return r;
    forget_definitions(move);
    bf_checkpoints_release(&move->checkpoints);
    move->checkpoints = copy;
    bf_move_changed(move);
    return 0;
}

void bf_move_set_definition(struct bf_move *move, size_t index, enum bf_definition definition,
                            const char *why)
{
    size_t nr = move->checkpoints.nr_items;

    if (!move->definitions)
        move->definitions = calloc(nr + 1, sizeof *move->definitions);
    if (!move->definition_whys)
        move->definition_whys = calloc(nr + 1, sizeof *move->definition_whys);
    if (!move->definitions || !move->definition_whys || index >= nr)
        return;
    move->definitions[index] = definition;
    free(move->definition_whys[index]);
    move->definition_whys[index] = why ? strdup(why) : NULL;
    bf_move_changed(move);
}
