#include "greeting.h"

#include <stdio.h>
#include <string.h>

int bf_rpc_greeting_pack(const struct bf_rpc_settings *settings, uint8_t **ret_frame,
                         size_t *ret_frame_bytes, struct bf_error *err)
{
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Hello hello = BITFERRY__HELLO__INIT;

    hello.version_min = settings->version_min;
    hello.version_max = settings->version_max;
    hello.program = (char *)(uintptr_t)settings->program;
    hello.boot_id.len = sizeof settings->boot_id;
    hello.boot_id.data = (uint8_t *)(uintptr_t)settings->boot_id;
    hello.role = settings->role;
    envelope.body_case = BITFERRY__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    return bf_rpc_frame_pack(&envelope, settings->role, ret_frame, ret_frame_bytes, err);
}

static int check_versions(const Bitferry__Hello *hello, const struct bf_rpc_settings *settings,
                          struct bf_error *err)
{
    const char *who;

    if (hello->version_max >= settings->version_min && hello->version_min <= settings->version_max)
        return 0;
    who = hello->version_max < settings->version_min ? hello->program : settings->program;
    return bf_error_set(err, BF_E_VERSION,
                        "%s speaks the protocol versions %u to %u, %s speaks %u to %u: update %s",
                        hello->program, hello->version_min, hello->version_max, settings->program,
                        settings->version_min, settings->version_max, who);
}

int bf_rpc_greeting_judge(const Bitferry__Envelope *envelope,
                          const struct bf_rpc_settings *settings,
                          struct bf_rpc_greeting *ret_greeting, struct bf_error *err)
{
    const Bitferry__Hello *hello = envelope->hello;
    int r;

    if (envelope->body_case != BITFERRY__ENVELOPE__BODY_HELLO)
        return bf_error_set(err, BF_E_PROTOCOL, "the peer began with %s instead of Hello",
                            bf_rpc_envelope_name(envelope));
    r = check_versions(hello, settings, err);
    if (r < 0)
        return r;
    if (hello->role == settings->role)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "%s and %s play the same part: a source talks to a destination only",
                            hello->program, settings->program);
    *ret_greeting = (struct bf_rpc_greeting){.role = hello->role};
    ret_greeting->version =
        hello->version_max < settings->version_max ? hello->version_max : settings->version_max;
    memcpy(ret_greeting->boot_id, hello->boot_id.data, sizeof ret_greeting->boot_id);
    (void)snprintf(ret_greeting->program, sizeof ret_greeting->program, "%s", hello->program);
    return 0;
}
