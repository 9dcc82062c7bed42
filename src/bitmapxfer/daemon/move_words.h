/** What the parts of a move's JSON share. */
#ifndef DAEMON_MOVE_WORDS_H
#define DAEMON_MOVE_WORDS_H

#include "daemon/move.h"

/** {"code", "message", "exit"}; NULL: no memory. */
json_t *bf_move_reason_to_json(enum bf_code code, const char *message);

/** The same of a row that is dropped. */
json_t *bf_move_row_reason_to_json(const struct bf_move_row *row);

const char *bf_row_outcome_name(enum bf_row_outcome outcome);

#endif
