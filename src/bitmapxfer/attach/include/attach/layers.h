/** The images of one shut-off disk: the one that the guest writes to, and those below it. */
#ifndef ATTACH_LAYERS_H
#define ATTACH_LAYERS_H

#include "base/cleanup.h"
#include "carrier/reader.h"
#include "model/summary.h"

enum { BF_LAYERS_MAX = 200 }; /* as many as QEMU opens below each other: it recurses */

struct bf_layer {
    char *path;
    uint64_t size_bytes;
    struct bf_reader *reader;             /* NULL: no format that can store bitmaps */
    uint8_t data_sha256[BF_SHA256_BYTES]; /* bf_image_data_digest() */
};

struct bf_layers {
    struct bf_layer *items; /* top first */
    uint32_t nr_items;
};

/** As long as the readers are open nobody writes to the images.  Blocks while qemu-img tells the
 *  chain.  Errors: as bf_reader_open_path(), for the top image (a raw or v2 one is refused) and, in
 *  use or damaged, for those below; CHILD_FAILED; LIMIT. */
int bf_layers_open(const char *path, struct bf_layers *ret_layers, struct bf_error *err);
void bf_layers_release(struct bf_layers *layers);

#endif
