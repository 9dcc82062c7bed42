#include "set.h"

#include <stddef.h>

bool bf_set_in_round(const struct bf_handoff_bitmap *bitmap, enum bf_round round)
{
    return round == BF_ROUND_NONE || bitmap->recording == (round != BF_ROUND_FROZEN);
}

bool bf_set_has(const struct bf_handoff_set *set, enum bf_round round)
{
    for (uint32_t i = 0; i < set->nr_bitmaps; i++) {
        if (set->bitmaps[i].drop == BF_DROP_NONE && bf_set_in_round(&set->bitmaps[i], round))
            return true;
    }
    return false;
}

void bf_set_drop(struct bf_handoff_set *set, enum bf_round round, enum bf_drop drop)
{
    for (uint32_t i = 0; i < set->nr_bitmaps; i++) {
        if (set->bitmaps[i].drop == BF_DROP_NONE && bf_set_in_round(&set->bitmaps[i], round))
            set->bitmaps[i].drop = (uint8_t)drop;
    }
}

void bf_set_merge(struct bf_handoff_set *set, const uint8_t *drops)
{
    for (uint32_t i = 0; drops && i < set->nr_bitmaps; i++) {
        if (drops[i] ==
            BF_DROP_NATIVE) /* it is there: no reason why it could not be carried counts */
            set->bitmaps[i].drop = BF_DROP_NATIVE;
        else if (set->bitmaps[i].drop == BF_DROP_NONE) /* a newer peer may know more reasons */
            set->bitmaps[i].drop = drops[i] < BF_NR_DROPS ? drops[i] : (uint8_t)BF_DROP_PROTOCOL;
    }
}

void bf_set_restart(struct bf_handoff_set *set)
{
    for (uint32_t i = 0; i < set->nr_bitmaps; i++) {
        set->bitmaps[i].drop = set->bitmaps[i].offered;
        set->bitmaps[i].flags = 0;
    }
}

void bf_set_init(struct bf_handoff_set *set)
{
    for (uint32_t i = 0; i < set->nr_bitmaps; i++) {
        set->bitmaps[i].offered = set->bitmaps[i].drop;
        set->bitmaps[i].flags = 0;
    }
}
