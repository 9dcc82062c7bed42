#include "domain/checkpoints.h"

#include "model/checkpoints_copy.h"

#include <stdlib.h>
#include <string.h>

static bool copy_definitions(struct bf_domain_arrival *arrival, char *const *definitions)
{
    size_t nr = arrival->checkpoints.nr_items;

    arrival->definitions = calloc(nr + 1, sizeof *arrival->definitions);
    for (size_t i = 0; arrival->definitions && definitions && i < nr; i++) {
        if (definitions[i] && !(arrival->definitions[i] = strdup(definitions[i])))
            return false;
    }
    return arrival->definitions;
}

int bf_domain_arrival_init(struct bf_domain_arrival *arrival,
                           const struct bf_checkpoints *checkpoints, char *const *definitions,
                           size_t nr_bitmaps_max, struct bf_error *err)
{
    int r;

    *arrival = (struct bf_domain_arrival){.nr_bitmaps = 0};
    r = bf_checkpoints_copy(checkpoints, &arrival->checkpoints, err);
    if (r < 0)
        return r;
    arrival->bitmaps = calloc(nr_bitmaps_max + 1, sizeof *arrival->bitmaps);
    arrival->fates = calloc(checkpoints->nr_items + 1, sizeof *arrival->fates);
    arrival->whys = calloc(checkpoints->nr_items + 1, sizeof *arrival->whys);
    if (arrival->bitmaps && arrival->fates && arrival->whys &&
        copy_definitions(arrival, definitions))
        return 0;
    bf_domain_arrival_release(arrival);
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the checkpoints of a domain");
}

void bf_domain_arrival_release(struct bf_domain_arrival *arrival)
{
    for (size_t i = 0; i < arrival->nr_bitmaps; i++) {
        free(arrival->bitmaps[i].disk);
        free(arrival->bitmaps[i].bitmap);
    }
    for (size_t i = 0; arrival->definitions && i < arrival->checkpoints.nr_items; i++)
        free(arrival->definitions[i]);
    free(arrival->definitions);
    free(arrival->bitmaps);
    free(arrival->fates);
    free(arrival->whys);
    bf_checkpoints_release(&arrival->checkpoints);
    *arrival = (struct bf_domain_arrival){.nr_bitmaps = 0};
}
