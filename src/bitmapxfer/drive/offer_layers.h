/** The images below the disks of an offer, in and out of its message. */
#ifndef DRIVE_OFFER_LAYERS_H
#define DRIVE_OFFER_LAYERS_H

#include "drive/offer.h"

struct bf_offered_layers;

/** For all disks of @offer, into their messages, which borrow from @offer and from what is
 *  returned.  NULL: no memory. */
struct bf_offered_layers *bf_offer_put_layers(const struct bf_offer *offer,
                                              Bitferry__OfferedDisk *disks);
void bf_offered_layers_free(struct bf_offered_layers *layers);

/** Errors: NO_MEMORY. */
int bf_offer_read_layers(struct bf_offer_disk *disk, const Bitferry__OfferedDisk *from,
                         struct bf_error *err);

void bf_offer_release_layers(struct bf_offer_disk *disk);

#endif
