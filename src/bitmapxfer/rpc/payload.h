/** One function per payload of a Word.  @step is the Word's.  Errors: PROTOCOL, NO_MEMORY. */
#ifndef RPC_PAYLOAD_H
#define RPC_PAYLOAD_H

#include "rpc/message.h"

int bf_rpc_check_offer(const Bitferry__Offer *offer, struct bf_error *err);
int bf_rpc_check_placement(const Bitferry__Placement *placement, struct bf_error *err);
int bf_rpc_check_exports(const Bitferry__Exports *exports, Bitferry__Step step,
                         struct bf_error *err);
int bf_rpc_check_results(const Bitferry__Results *results, Bitferry__Step step,
                         struct bf_error *err);

#endif
