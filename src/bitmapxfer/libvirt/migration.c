#include "libvirt/migration.h"

#include "handles.h"
#include "migrate_options.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct bf_virt_migration {
    struct bf_virt_domain *domain;
    struct bf_virt *dest;
    const char *dest_uri;
    const struct bf_virt_migrate_options *options;
    bool aborted;
    pthread_t thread;

    pthread_mutex_t lock; /* what follows is shared with the thread */
    pthread_cond_t ended_changed;
    bool ended;
    struct bf_error err;
    int result;
};

static int migrate(struct bf_virt_migration *migration, struct bf_error *err)
{
    const struct bf_virt_migrate_options *options = migration->options;
    virDomainPtr arrived;

    if (options->facts.peer_to_peer)
        return virDomainMigrateToURI3(migration->domain->domain, migration->dest_uri,
                                      options->params, (unsigned)options->nr_params,
                                      (unsigned)options->flags) == 0
                   ? 0
                   : bf_virt_fail(err, "libvirt's migration failed");
    arrived =
        virDomainMigrate3(migration->domain->domain, migration->dest->connection, options->params,
                          (unsigned)options->nr_params, (unsigned)options->flags);
    if (!arrived)
        return bf_virt_fail(err, "libvirt's migration failed");
    (void)virDomainFree(arrived);
    return 0;
}

static void *run(void *ctx)
{
    struct bf_virt_migration *migration = ctx;
    struct bf_error err = BF_ERROR_INIT;
    int result = migrate(migration, &err);

    (void)pthread_mutex_lock(&migration->lock);
    migration->result = result;
    migration->err = err;
    migration->ended = true;
    (void)pthread_cond_broadcast(&migration->ended_changed);
    (void)pthread_mutex_unlock(&migration->lock);
    return NULL;
}

static void init_shared(struct bf_virt_migration *migration)
{
    pthread_condattr_t attributes;

    (void)pthread_mutex_init(&migration->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&migration->ended_changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static void release(struct bf_virt_migration *migration)
{
    (void)pthread_cond_destroy(&migration->ended_changed);
    (void)pthread_mutex_destroy(&migration->lock);
    free(migration);
}

int bf_virt_migration_start(struct bf_virt_domain *domain, struct bf_virt *dest,
                            const char *dest_uri, const struct bf_virt_migrate_options *options,
                            struct bf_virt_migration **ret_migration, struct bf_error *err)
{
    struct bf_virt_migration *migration = calloc(1, sizeof *migration);
    int r;

    if (!migration)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a migration");
    migration->domain = domain;
    migration->dest = dest;
    migration->dest_uri = dest_uri;
    migration->options = options;
    init_shared(migration);
    r = pthread_create(&migration->thread, NULL, run, migration);
    if (r != 0) {
        release(migration);
        return bf_error_set_errno(err, r, "cannot start a thread for the migration");
    }
    *ret_migration = migration;
    return 0;
}

bool bf_virt_migration_wait(struct bf_virt_migration *migration, unsigned timeout_ms)
{
    struct timespec until;
    bool ended;
    int r = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&migration->lock);
    while (!migration->ended && r == 0)
        r = pthread_cond_timedwait(&migration->ended_changed, &migration->lock, &until);
    ended = migration->ended;
    (void)pthread_mutex_unlock(&migration->lock);
    return ended;
}

bool bf_virt_migration_progress(struct bf_virt_migration *migration, uint64_t *ret_done_bytes,
                                uint64_t *ret_total_bytes)
{
    virDomainJobInfo info = {.type = VIR_DOMAIN_JOB_NONE};

    if (virDomainGetJobInfo(migration->domain->domain, &info) < 0 ||
        info.type != VIR_DOMAIN_JOB_UNBOUNDED || info.dataTotal == 0)
        return false;
    *ret_total_bytes = info.dataTotal;
    *ret_done_bytes = info.dataRemaining < info.dataTotal ? info.dataTotal - info.dataRemaining : 0;
    return true;
}

void bf_virt_migration_abort(struct bf_virt_migration *migration)
{
    migration->aborted = true;
    /* It may not have begun, or have ended just now: whoever waits asks again. */
    (void)virDomainAbortJob(migration->domain->domain);
}

int bf_virt_migration_to_postcopy(struct bf_virt_migration *migration, struct bf_error *err)
{
    return virDomainMigrateStartPostCopy(migration->domain->domain, 0) == 0
               ? 0
               : bf_virt_fail(err, "libvirt does not switch to post-copy");
}

int bf_virt_migration_finish(struct bf_virt_migration *migration, struct bf_error *err)
{
    int r;

    (void)pthread_join(migration->thread, NULL);
    r = migration->result;
    if (r < 0)
        r = bf_error_set(err, migration->aborted ? BF_E_INTERRUPTED : migration->err.code, "%s",
                         migration->err.text);
    release(migration);
    return r;
}
