#include "field.h"
#include "payload.h"

#include <stdbool.h>

/* What a word of each step carries, by sender: this table is the grammar of proto/README.md. */
#define PAYLOAD(name) BITFERRY__WORD__PAYLOAD_##name
#define NO_PAYLOAD    BITFERRY__WORD__PAYLOAD__NOT_SET

static const struct {
    const char *name;
    bool from_dest;
    Bitferry__Word__PayloadCase of_source, of_dest;
} steps[] = {
#define STEP(name, from_dest, of_source, of_dest)                                                  \
    [BITFERRY__STEP__STEP_##name] = {#name, from_dest, of_source, of_dest}
    STEP(OFFER, true, PAYLOAD(OFFER), PAYLOAD(PLACEMENT)),
    STEP(FROZEN, true, PAYLOAD(EXPORTS), PAYLOAD(RESULTS)),
    STEP(RECORDING, true, PAYLOAD(EXPORTS), PAYLOAD(RESULTS)),
    STEP(ARM, true, NO_PAYLOAD, NO_PAYLOAD),
    STEP(DELTA, true, PAYLOAD(EXPORTS), PAYLOAD(RESULTS)),
    STEP(SEAL, true, NO_PAYLOAD, PAYLOAD(RESULTS)),
    STEP(RETIRED, false, NO_PAYLOAD, NO_PAYLOAD),
    STEP(ABORT, true, PAYLOAD(REASON), PAYLOAD(REASON)),
#undef STEP
};

static bool is_step(Bitferry__Step step)
{
    return (size_t)step < sizeof steps / sizeof steps[0] && steps[step].name;
}

static bool may_say(const Bitferry__Word *word, Bitferry__Role sender)
{
    bool as_source = word->payload_case == steps[word->step].of_source;
    bool as_dest = steps[word->step].from_dest && !word->with_delta &&
                   word->payload_case == steps[word->step].of_dest;

    if ((word->with_delta && word->step != BITFERRY__STEP__STEP_SEAL) ||
        (word->delta_whole && !word->with_delta))
        return false;
    return (as_source && sender != BITFERRY__ROLE__ROLE_DEST) ||
           (as_dest && sender != BITFERRY__ROLE__ROLE_SOURCE);
}

static int check_payload(const Bitferry__Word *word, struct bf_error *err)
{
    switch (word->payload_case) {
    case BITFERRY__WORD__PAYLOAD_OFFER:
        return bf_rpc_check_offer(word->offer, err);
    case BITFERRY__WORD__PAYLOAD_PLACEMENT:
        return bf_rpc_check_placement(word->placement, err);
    case BITFERRY__WORD__PAYLOAD_EXPORTS:
        return bf_rpc_check_exports(word->exports, word->step, err);
    case BITFERRY__WORD__PAYLOAD_RESULTS:
        return bf_rpc_check_results(word->results, word->step, err);
    case BITFERRY__WORD__PAYLOAD_REASON:
        return bf_rpc_check_reason(word->reason, err);
    case BITFERRY__WORD__PAYLOAD__NOT_SET:
    case _BITFERRY__WORD__PAYLOAD__CASE_IS_INT_SIZE:
    default:
        return 0;
    }
}

static int check_word(const Bitferry__Word *word, Bitferry__Role sender, struct bf_error *err)
{
    int r;

    if (!is_step(word->step))
        return bf_error_set(err, BF_E_PROTOCOL, "there is no step %d", (int)word->step);
    if (!may_say(word, sender))
        return bf_error_set(err, BF_E_PROTOCOL, "it is not what %s says at this step",
                            sender == BITFERRY__ROLE__ROLE_SOURCE ? "the source"
                            : sender == BITFERRY__ROLE__ROLE_DEST ? "the destination"
                                                                  : "either side");
    r = bf_rpc_check_count(word->drops.len, BF_RPC_BITMAPS_MAX, "drops", err);
    return r < 0 ? r : check_payload(word, err);
}

static int check_hello(const Bitferry__Hello *hello, struct bf_error *err)
{
    int r = bf_rpc_check_id(&hello->boot_id, "the boot id", err);

    if (r == 0)
        r = bf_rpc_check_text(hello->program, BF_RPC_PROGRAM_MAX_BYTES, "the program's name", err);
    if (r < 0)
        return r;
    if (hello->version_min == 0 || hello->version_min > hello->version_max)
        return bf_error_set(err, BF_E_PROTOCOL, "the versions %u to %u are no range",
                            hello->version_min, hello->version_max);
    if (hello->role != BITFERRY__ROLE__ROLE_SOURCE && hello->role != BITFERRY__ROLE__ROLE_DEST)
        return bf_error_set(err, BF_E_PROTOCOL, "there is no role %d", (int)hello->role);
    return 0;
}

static int check_head(const Bitferry__Envelope *envelope, struct bf_error *err)
{
    bool of_move = envelope->body_case == BITFERRY__ENVELOPE__BODY_WORD;

    if (!of_move && (envelope->move_id.len > 0 || envelope->epoch > 0))
        return bf_error_set(err, BF_E_PROTOCOL, "it belongs to no move and names one");
    if (of_move && envelope->epoch == 0)
        return bf_error_set(err, BF_E_PROTOCOL, "the epoch is missing");
    return of_move ? bf_rpc_check_id(&envelope->move_id, "the move id", err) : 0;
}

const char *bf_rpc_envelope_name(const Bitferry__Envelope *envelope)
{
    switch (envelope->body_case) {
    case BITFERRY__ENVELOPE__BODY_HELLO:
        return "Hello";
    case BITFERRY__ENVELOPE__BODY_HEARTBEAT:
        return "Heartbeat";
    case BITFERRY__ENVELOPE__BODY_WORD:
        return is_step(envelope->word->step) ? steps[envelope->word->step].name : "Word";
    case BITFERRY__ENVELOPE__BODY__NOT_SET:
    case _BITFERRY__ENVELOPE__BODY__CASE_IS_INT_SIZE:
    default:
        return "unknown";
    }
}

int bf_rpc_envelope_check(const Bitferry__Envelope *envelope, Bitferry__Role sender,
                          struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int r;

    /* Of a newer version: its fields are not ours to judge. */
    if (envelope->body_case == BITFERRY__ENVELOPE__BODY__NOT_SET)
        return 0;
    r = check_head(envelope, &why);
    if (r == 0 && envelope->body_case == BITFERRY__ENVELOPE__BODY_HELLO)
        r = check_hello(envelope->hello, &why);
    else if (r == 0 && envelope->body_case == BITFERRY__ENVELOPE__BODY_WORD)
        r = check_word(envelope->word, sender, &why);
    return r < 0 ? bf_error_set(err, why.code, "%s: %s", bf_rpc_envelope_name(envelope), why.text)
                 : 0;
}
