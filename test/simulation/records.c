#include "helpers.h"

struct kept_record keep_record(const struct bf_record *record)
{
    return (struct kept_record){
        .mark = (uint8_t)record->mark,
        .outcome = (uint8_t)record->outcome,
        .reason = (uint8_t)record->reason,
        .epoch = (uint8_t)record->epoch,
        .with_delta = record->with_delta,
        .published = record->published,
    };
}

struct bf_record kept(const struct kept_record *record)
{
    return (struct bf_record){
        .mark = (enum bf_mark)record->mark,
        .outcome = (enum bf_outcome)record->outcome,
        .reason = (enum bf_drop)record->reason,
        .epoch = record->epoch,
        .with_delta = record->with_delta,
        .published = record->published,
    };
}
