/** The bridge's two sides: its owner and libvirt's events (bridge.c), its thread (bridge_client.c).
 */
#ifndef BF_LIBVIRT_BRIDGE_INTERNAL_H
#define BF_LIBVIRT_BRIDGE_INTERNAL_H

#include "bridge_folder.h"
#include "libvirt/bridge.h"

#include <pthread.h>
#include <sys/un.h>

enum {
    BF_BRIDGE_LINE_MAX_BYTES =
        4 << 20, /* of a command: libvirt's limit of a string over its wire */
};

struct bf_virt_bridge {
    struct bf_virt_domain *domain;
    struct bf_bridge_folder folder;
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    int listener;
    int wakeup; /* an eventfd: events are waiting, the domain is gone, or we are to stop */
    int events_id;
    int lifecycle_id;
    bool hears_close;
    bool thread_runs;
    pthread_t thread;

    pthread_mutex_t lock; /* what follows is shared with libvirt's event thread and the owner */
    char *events;         /* lines */
    size_t nr_events_bytes;
    bool gone; /* the domain's QEMU has ended, or libvirtd */
    bool stop;

    /* Of the bridge's thread: what the client has sent, up to no newline yet */
    char *line;
    size_t nr_line_bytes;
};

/** The thread's function; @ctx is the bridge. */
void *bf_bridge_run(void *ctx);

#endif
