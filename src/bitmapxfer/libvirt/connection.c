#include "libvirt/connection.h"

#include "handles.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { KEEPALIVE_COUNT = 5 };

/* The thread that runs libvirt's events, for the life of the process */

static pthread_once_t started = PTHREAD_ONCE_INIT;
static bool events_run;

/* libvirt's default is to print; we pass the text on. */
static void ignore_error(void *ctx, virErrorPtr error)
{
    (void)ctx;
    (void)error;
}

static void *run_events(void *unused)
{
    while (virEventRunDefaultImpl() == 0)
        continue;
    return unused;
}

static void start(void)
{
    pthread_t thread;

    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        return;
    virSetErrorFunc(NULL, ignore_error);
    if (pthread_create(&thread, NULL, run_events, NULL) != 0)
        return;
    (void)pthread_detach(thread);
    events_run = true;
}

/* Errors */

static enum bf_code code_of(int error)
{
    switch (error) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_DOMAIN_CHECKPOINT:
        return BF_E_NOT_FOUND;
    case VIR_ERR_NO_MEMORY:
        return BF_E_NO_MEMORY;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
        return BF_E_AUTH;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        return BF_E_UNSUPPORTED;
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_INVALID_DOMAIN_CHECKPOINT:
        return BF_E_INVALID;
    case VIR_ERR_CHECKPOINT_INCONSISTENT:
        return BF_E_BITMAP_INCONSISTENT;
    case VIR_ERR_OPERATION_TIMEOUT:
        return BF_E_DEADLINE;
    case VIR_ERR_OPERATION_ABORTED:
        return BF_E_INTERRUPTED;
    default:
        return BF_E_PEER;
    }
}

int bf_virt_last_code(void)
{
    const virError *error = virGetLastError();

    return error ? error->code : VIR_ERR_OK;
}

int bf_virt_fail(struct bf_error *err, const char *format, ...)
{
    const virError *error = virGetLastError();
    const char *message = error && error->message ? error->message : "libvirt does not say why";
    char what[BF_ERROR_TEXT_MAX / 2];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return bf_error_set(err, code_of(bf_virt_last_code()), "%s: %.*s", what,
                        (int)strcspn(message, "\n"), message);
}

/* Connections */

static int learn(struct bf_virt *virt, struct bf_error *err)
{
    char *uri = virConnectGetURI(virt->connection);
    char *host = virConnectGetHostname(virt->connection);

    virt->uri = strdup(uri ? uri : "");
    virt->host = strdup(host ? host : "");
    free(uri);
    free(host);
    if (!virt->uri || !virt->host)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection with libvirt");
    /* A local socket or a driver without a daemon has no keep-alive, and needs none. */
    (void)virConnectSetKeepAlive(virt->connection, BF_VIRT_KEEPALIVE_S / (KEEPALIVE_COUNT + 1),
                                 KEEPALIVE_COUNT);
    return 0;
}

int bf_virt_open(const char *uri, struct bf_virt **ret_virt, struct bf_error *err)
{
    BF_CLEANUP(bf_virt_closep) struct bf_virt *virt = calloc(1, sizeof *virt);
    int r;

    (void)pthread_once(&started, start);
    if (!events_run)
        return bf_error_set(err, BF_E_IO, "libvirt's client library does not start");
    if (!virt)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a connection with libvirt");
    virt->connection = isatty(STDIN_FILENO) ? virConnectOpenAuth(uri, virConnectAuthPtrDefault, 0)
                                            : virConnectOpen(uri);
    if (!virt->connection)
        return bf_virt_fail(err, "cannot connect to libvirt at %s", uri ? uri : "its default URI");
    r = learn(virt, err);
    if (r == 0)
        *ret_virt = bf_steal_ptr(&virt);
    return r;
}

void bf_virt_close(struct bf_virt *virt)
{
    if (virt->connection)
        (void)virConnectClose(virt->connection);
    free(virt->uri);
    free(virt->host);
    free(virt);
}

const char *bf_virt_uri(const struct bf_virt *virt)
{
    return virt->uri;
}

const char *bf_virt_host(const struct bf_virt *virt)
{
    return virt->host;
}
