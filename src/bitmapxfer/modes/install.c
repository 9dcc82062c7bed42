#include "modes_private.h"

#include <stdio.h>
#include <string.h>

static bool lacks_one(const struct bf_layer_facts *here, const struct bf_layer_facts *there)
{
    for (uint32_t i = 0; i < here->nr_bitmaps; i++) {
        if (!bf_layer_find(there, here->bitmaps[i].name))
            return true;
    }
    return false;
}

/* Only what is stored can be served. */
static bool can_be_served(const struct bf_layer_facts *layer)
{
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++) {
        if (!layer->bitmaps[i].persistent || layer->bitmaps[i].inconsistent)
            return false;
    }
    return layer->nr_bitmaps > 0;
}

bool bf_layer_awaits_install(const struct bf_disk_facts *source, const struct bf_disk_facts *dest,
                             const struct bf_disk_plan *plan, uint32_t layer,
                             uint32_t *ret_dest_layer)
{
    const struct bf_layer_facts *here = &source->layers[layer];
    uint32_t height = source->nr_layers - layer;
    const struct bf_layer_facts *there;

    if (layer == 0 || height >= dest->nr_layers || plan->mode == BF_MODE_SHARED ||
        (plan->chain_broken && source->nr_layers != dest->nr_layers))
        return false;
    *ret_dest_layer = dest->nr_layers - height;
    there = &dest->layers[*ret_dest_layer];
    return there->stores && there->size_bytes == here->size_bytes && can_be_served(here) &&
           here->path[0] && there->path[0] &&
           (lacks_one(here, there) || (plan->chain_broken && !bf_same_layer(here, there)));
}

/* For a shell and for a terminal. */
static bool quote(const char *path, char buf[BF_COMMAND_MAX_BYTES])
{
    size_t at = 0;

    buf[at++] = '\'';
    for (; *path && at < BF_COMMAND_MAX_BYTES - 8; path++) {
        if ((unsigned char)*path < 0x20 || *path == 0x7f)
            return false;
        if (*path == '\'') {
            memcpy(buf + at, "'\\''", 4);
            at += 4;
        } else {
            buf[at++] = *path;
        }
    }
    buf[at++] = '\'';
    buf[at] = '\0';
    return *path == '\0';
}

bool bf_install_commands_make(const struct bf_layer_facts *source,
                              const struct bf_layer_facts *dest,
                              struct bf_install_commands *ret_commands)
{
    char from[BF_COMMAND_MAX_BYTES];
    char into[BF_COMMAND_MAX_BYTES];

    if (!quote(source->path, from) || !quote(dest->path, into))
        return false;
    (void)snprintf(ret_commands->serve, sizeof ret_commands->serve, "bitferry serve %s", from);
    (void)snprintf(ret_commands->pull, sizeof ret_commands->pull, "bitferry pull URI --into %s",
                   into);
    return true;
}
