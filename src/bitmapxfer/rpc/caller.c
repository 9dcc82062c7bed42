/* Finding and calling a peer: names, several addresses, and another round after a pause. */
#include "peer_internal.h"

#include "base/math.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 5000,
};

struct bf_rpc_caller {
    uint64_t deadline_ms, expires_ms;
    uint64_t pause_ms;
    unsigned nr_attempts;
    bool waiting;   /* the timer begins the next round */
    bool resolving; /* a request is under way, which cannot be stopped */
    char host[BF_RPC_HOST_MAX_BYTES + 1];
    char tls_name[BF_RPC_HOST_MAX_BYTES + 1];
    uint16_t port;
    uv_getaddrinfo_t resolve;
    struct addrinfo *resolved, *next_resolved;
    struct sockaddr_storage literal; /* where @host is an address */
    bool is_literal;
    uv_connect_t connect;
    char last_failure[200];
};

static void call_next(struct bf_rpc_peer *peer);

static uint64_t left_ms(const struct bf_rpc_peer *peer, uint64_t at_most_ms)
{
    uint64_t now_ms = uv_now(peer->loop);
    uint64_t expires_ms = peer->caller->expires_ms;

    return bf_min_u64(expires_ms > now_ms ? expires_ms - now_ms : 0, at_most_ms);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct bf_rpc_peer *peer = req->handle->data;
    struct bf_error err = BF_ERROR_INIT;

    if (status == UV_ECANCELED || peer->state != BF_RPC_CONNECTING)
        return;
    if (status < 0)
        (void)bf_error_set(&err, BF_E_PEER, "%s", uv_strerror(status));
    else
        (void)bf_rpc_wire_begin(peer, peer->caller->tls_name, &err);
    if (err.code == BF_E_NONE)
        bf_rpc_talk_begin(peer);
    else
        bf_rpc_peer_end(peer, &err);
}

static void call(struct bf_rpc_peer *peer, const struct sockaddr *address)
{
    struct bf_error err = BF_ERROR_INIT;
    int r;

    peer->caller->nr_attempts++;
    bf_rpc_peer_ring_in(peer, left_ms(peer, peer->settings.handshake_ms));
    if (!peer->settings.credentials && !bf_address_is_loopback(address)) {
        (void)bf_error_set(&err, BF_E_PERMISSION, "connections without TLS stay on this host");
    } else if (bf_rpc_wire_init(peer, &err) == 0) {
        r = uv_tcp_connect(&peer->caller->connect, &peer->tcp, address, on_connect);
        if (r < 0)
            (void)bf_error_set(&err, BF_E_PEER, "%s", uv_strerror(r));
    }
    if (err.code != BF_E_NONE)
        bf_rpc_peer_end(peer, &err);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *resolved)
{
    struct bf_rpc_peer *peer = req->data;
    struct bf_error err = BF_ERROR_INIT;

    peer->caller->resolving = false;
    if (peer->state != BF_RPC_CONNECTING) {
        uv_freeaddrinfo(resolved);
    } else if (status < 0) {
        (void)bf_error_set(&err, BF_E_PEER, "the name is not known: %s", uv_strerror(status));
        bf_rpc_peer_end(peer, &err);
    } else {
        peer->caller->resolved = peer->caller->next_resolved = resolved;
        call_next(peer);
    }
    bf_rpc_peer_unref(peer);
}

static void resolve(struct bf_rpc_peer *peer)
{
    struct bf_rpc_caller *caller = peer->caller;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct bf_error err = BF_ERROR_INIT;
    char port[8];
    int r;

    (void)snprintf(port, sizeof port, "%u", caller->port);
    caller->resolve.data = peer;
    r = uv_getaddrinfo(peer->loop, &caller->resolve, on_resolved, caller->host, port, &hints);
    if (r == 0) {
        caller->resolving = true;
        peer->nr_unclosed++;
        bf_rpc_peer_ring_in(peer, left_ms(peer, peer->settings.handshake_ms));
        return;
    }
    (void)bf_error_set(&err, BF_E_PEER, "the name cannot be looked up: %s", uv_strerror(r));
    bf_rpc_peer_end(peer, &err);
}

static void forget_resolved(struct bf_rpc_caller *caller)
{
    uv_freeaddrinfo(caller->resolved);
    caller->resolved = caller->next_resolved = NULL;
}

static void begin_round(struct bf_rpc_peer *peer)
{
    struct bf_rpc_caller *caller = peer->caller;

    caller->waiting = false;
    forget_resolved(caller);
    if (caller->is_literal)
        call(peer, (const struct sockaddr *)&caller->literal);
    else
        resolve(peer);
}

static bool has_next(const struct bf_rpc_caller *caller)
{
    return caller->next_resolved != NULL;
}

static void call_next(struct bf_rpc_peer *peer)
{
    const struct addrinfo *at = peer->caller->next_resolved;

    peer->caller->next_resolved = at->ai_next;
    call(peer, at->ai_addr);
}

static void wait_for_next_round(struct bf_rpc_peer *peer)
{
    struct bf_rpc_caller *caller = peer->caller;

    caller->waiting = true;
    bf_rpc_peer_ring_in(peer, left_ms(peer, caller->pause_ms));
    caller->pause_ms = bf_min_u64(caller->pause_ms * 2, PAUSE_MAX_MS);
}

static void go_on(struct bf_rpc_peer *peer)
{
    if (has_next(peer->caller))
        call_next(peer);
    else
        wait_for_next_round(peer);
}

static bool is_passing(enum bf_code code)
{
    return code == BF_E_PEER || code == BF_E_DEADLINE;
}

bool bf_rpc_caller_retry(struct bf_rpc_peer *peer, const struct bf_error *err)
{
    if (!is_passing(err->code) || uv_now(peer->loop) >= peer->caller->expires_ms)
        return false;
    (void)snprintf(peer->caller->last_failure, sizeof peer->caller->last_failure, "%.199s",
                   err->text);
    bf_rpc_peer_set_state(peer, BF_RPC_CONNECTING);
    if (peer->socket_open)
        bf_rpc_wire_close(peer);
    else
        wait_for_next_round(peer);
    return true;
}

void bf_rpc_caller_on_socket_closed(struct bf_rpc_peer *peer)
{
    go_on(peer);
}

void bf_rpc_caller_on_timer(struct bf_rpc_peer *peer)
{
    bool expired = uv_now(peer->loop) >= peer->caller->expires_ms;
    struct bf_error err = BF_ERROR_INIT;

    if (peer->caller->waiting && !expired) {
        begin_round(peer);
    } else if (peer->caller->resolving && !expired) {
        bf_rpc_peer_ring_in(peer, left_ms(peer, UINT64_MAX));
    } else {
        (void)bf_error_set(&err, BF_E_DEADLINE, "%s", bf_rpc_peer_failure(peer));
        bf_rpc_peer_end(peer, &err);
    }
}

void bf_rpc_caller_explain(const struct bf_rpc_peer *peer, struct bf_error *err)
{
    const struct bf_rpc_caller *caller = peer->caller;

    if (is_passing(err->code))
        (void)bf_error_prefix(err, "%s port %u cannot be reached (%u attempts in %" PRIu64 " ms)",
                              caller->host, caller->port, caller->nr_attempts, caller->deadline_ms);
    else
        (void)bf_error_prefix(err, "%s port %u", caller->host, caller->port);
}

const char *bf_rpc_peer_failure(const struct bf_rpc_peer *peer)
{
    const char *text = peer->caller ? peer->caller->last_failure : "";

    return text[0] ? text : "no answer";
}

void bf_rpc_caller_stop(struct bf_rpc_peer *peer)
{
    if (peer->caller->resolving)
        (void)uv_cancel((uv_req_t *)&peer->caller->resolve);
}

void bf_rpc_caller_free(struct bf_rpc_caller *caller)
{
    forget_resolved(caller);
    free(caller);
}

static int new_caller(const char *host, uint16_t port, const char *tls_name,
                      struct bf_rpc_caller **ret_caller, struct bf_error *err)
{
    struct bf_rpc_caller *caller;

    if (!tls_name)
        tls_name = host;
    if (host[0] == '\0' || strlen(host) > BF_RPC_HOST_MAX_BYTES || tls_name[0] == '\0' ||
        strlen(tls_name) > BF_RPC_HOST_MAX_BYTES)
        return bf_error_set(err, BF_E_INVALID, "a host name has 1 to %d bytes",
                            BF_RPC_HOST_MAX_BYTES);
    caller = calloc(1, sizeof *caller);
    if (!caller)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection to %s", host);
    strcpy(caller->host, host);
    strcpy(caller->tls_name, tls_name);
    caller->port = port;
    caller->pause_ms = PAUSE_MIN_MS;
    caller->is_literal = bf_address_parse(host, port, &caller->literal);
    *ret_caller = caller;
    return 0;
}

int bf_rpc_connect(uv_loop_t *loop, const struct bf_rpc_settings *settings, const char *host,
                   uint16_t port, const char *tls_name, uint64_t deadline_ms,
                   const struct bf_rpc_peer_handlers *handlers, struct bf_rpc_peer **ret_peer,
                   struct bf_error *err)
{
    struct bf_rpc_settings filled = *settings;
    struct bf_rpc_caller *caller = NULL;
    struct bf_rpc_peer *peer;
    int r;

    bf_rpc_settings_fill(&filled);
    r = bf_rpc_settings_check(&filled, BF_RPC_CLIENT, err);
    if (r == 0)
        r = new_caller(host, port, tls_name, &caller, err);
    if (r == 0)
        r = bf_rpc_peer_new(loop, &filled, &peer, err);
    if (r < 0) {
        free(caller);
        return r;
    }
    peer->caller = caller;
    peer->handlers = *handlers;
    (void)snprintf(peer->host, sizeof peer->host, "%.40s", host);
    (void)snprintf(peer->address, sizeof peer->address, "%.40s port %u", host, port);
    caller->deadline_ms = deadline_ms;
    caller->expires_ms =
        deadline_ms < UINT64_MAX - uv_now(loop) ? uv_now(loop) + deadline_ms : UINT64_MAX;
    /* From the loop, as no callback runs within this call. */
    caller->waiting = true;
    bf_rpc_peer_ring_in(peer, 0);
    *ret_peer = peer;
    return 0;
}
