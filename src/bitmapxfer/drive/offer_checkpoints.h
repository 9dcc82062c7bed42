/** The checkpoints of an offer, in and out of its message. */
#ifndef DRIVE_OFFER_CHECKPOINTS_H
#define DRIVE_OFFER_CHECKPOINTS_H

#include "drive/offer.h"

struct bf_offered_checkpoints;

/** Fill them into @message, which points into @offer and into what is returned.  NULL: no memory.
 */
struct bf_offered_checkpoints *bf_offer_put_checkpoints(const struct bf_offer *offer,
                                                        Bitferry__Offer *message);
void bf_offered_checkpoints_free(struct bf_offered_checkpoints *out);

/** @from passed bf_rpc_envelope_check().  Errors: those of model/checkpoints.h; @offer is unchanged
 *  then. */
int bf_offer_read_checkpoints(struct bf_offer *offer, const Bitferry__Offer *from,
                              struct bf_error *err);

void bf_offer_release_checkpoints(struct bf_offer *offer);

#endif
