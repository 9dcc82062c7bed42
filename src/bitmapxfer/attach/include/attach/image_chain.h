/** An image and all that lie below it, as qemu-img tells. */
#ifndef ATTACH_IMAGE_CHAIN_H
#define ATTACH_IMAGE_CHAIN_H

#include "base/error.h"

#include <jansson.h>

enum { BF_IMAGE_CHAIN_MAX_BYTES = 16 << 20 };

/** *ret_chain: what `qemu-img info --backing-chain` prints, from the top down.  Images that a VM
 * has open are described too. */
int bf_image_chain(const char *path, json_t **ret_chain, struct bf_error *err);

#endif
