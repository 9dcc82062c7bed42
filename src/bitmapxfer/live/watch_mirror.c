#include "watch_internal.h"

#include "job_disk.h"
#include "json_read.h"

#include <stdio.h>
#include <string.h>

static void tell_mirror(struct bf_live_watch *watch, const struct bf_live_mirror *mirror,
                        enum bf_live_fact_kind kind, bool clean, const char *text)
{
    const struct bf_live_fact fact = {
        .kind = kind,
        .disk = (uint32_t)(mirror - watch->mirrors),
        .clean = clean,
        .text = text,
    };

    bf_live_tell(watch, &fact);
}

static void tell_ready(struct bf_live_watch *watch, struct bf_live_mirror *mirror)
{
    if (mirror->ready)
        return;
    mirror->ready = true;
    tell_mirror(watch, mirror, BF_LIVE_MIRROR_READY, false, "");
}

static void tell_error(struct bf_live_watch *watch, struct bf_live_mirror *mirror, const char *text)
{
    mirror->failed = true;
    tell_mirror(watch, mirror, BF_LIVE_MIRROR_ERROR, false, text);
}

static void tell_gone_now(struct bf_live_watch *watch, struct bf_live_mirror *mirror)
{
    if (!mirror->gone)
        return;
    mirror->gone = false;
    tell_mirror(watch, mirror, BF_LIVE_MIRROR_GONE, mirror->gone_clean, mirror->gone_text);
}

void bf_live_mirrors_tell_gone(struct bf_live_watch *watch, bool all)
{
    for (uint32_t i = 0; i < watch->nr_disks && !watch->freed; i++) {
        if (all || watch->mirrors[i].gone_look != watch->nr_looks)
            tell_gone_now(watch, &watch->mirrors[i]);
    }
}

/* Was the guest stopped for the switchover?  An orchestrator ends its mirrors as soon as it sees
 * `pre-switchover`, of which QEMU sends no event unless it was told to.  So the end of a mirror of
 * a stopped guest is told after the next word of the migration, or before the guest runs. */
static void tell_gone(struct bf_live_watch *watch, struct bf_live_mirror *mirror, bool all_copied,
                      const char *text)
{
    mirror->gone = true;
    mirror->gone_clean = mirror->ready && all_copied && !mirror->failed && !text[0];
    mirror->gone_look = watch->nr_looks;
    (void)snprintf(mirror->gone_text, sizeof mirror->gone_text, "%s", text);
    mirror->job[0] = '\0';
    mirror->done_bytes = mirror->total_bytes = 0;
    mirror->ready = mirror->failed = mirror->all_copied = false;
    if (watch->running || !watch->status[0] || bf_live_watch_is_switching(watch))
        tell_gone_now(watch, mirror);
}

static struct bf_live_mirror *mirror_of(struct bf_live_watch *watch, const char *job)
{
    for (uint32_t i = 0; job[0] && i < watch->nr_disks; i++) {
        if (strcmp(watch->mirrors[i].job, job) == 0)
            return &watch->mirrors[i];
    }
    return NULL;
}

/* A disk has one mirror.  Should another one be there all of a sudden, the first was ended between
 * two looks. */
static void begin(struct bf_live_watch *watch, struct bf_live_mirror *mirror, const char *job)
{
    if (mirror->job[0])
        tell_gone(watch, mirror, false, "another job took its place");
    tell_gone_now(watch, mirror);
    (void)snprintf(mirror->job, sizeof mirror->job, "%s", job);
    if (strcmp(watch->unknown_error, job) == 0) {
        watch->unknown_error[0] = '\0';
        tell_error(watch, mirror, "an I/O error");
    }
}

static bool all_copied(const json_t *job)
{
    return number_of(job, "len") == number_of(job, "offset");
}

static void look_at(struct bf_live_watch *watch, struct bf_live_mirror *mirror, const json_t *job)
{
    const char *io_status = text_of(job, "io-status");
    const char *error = text_of(job, "error");
    bool is_ready = flag_of(job, "ready");

    mirror->all_copied = all_copied(job);
    mirror->done_bytes = number_of(job, "offset");
    mirror->total_bytes = number_of(job, "len");
    if (!mirror->failed && (error[0] || (io_status[0] && strcmp(io_status, "ok") != 0)))
        tell_error(watch, mirror, error[0] ? error : io_status);
    if (is_ready)
        tell_ready(watch, mirror);
    else if (mirror->ready) {
        mirror->ready = false;
        tell_error(watch, mirror, "it is no longer ready");
    }
}

static const json_t *find_job(const json_t *jobs, const char *id)
{
    size_t i;
    json_t *job;

    json_array_foreach(jobs, i, job)
    {
        if (strcmp(text_of(job, "device"), id) == 0)
            return job;
    }
    return NULL;
}

/* One that has ended stays in the list until it is dismissed; libvirt does so itself, later. */
static bool is_mirror(const json_t *job)
{
    return strcmp(text_of(job, "type"), "mirror") == 0 &&
           strcmp(text_of(job, "status"), "concluded") != 0;
}

bool bf_live_mirrors_look(struct bf_live_watch *watch, const json_t *jobs)
{
    size_t i;
    json_t *job;

    for (uint32_t disk = 0; disk < watch->nr_disks && !watch->freed; disk++) {
        struct bf_live_mirror *mirror = &watch->mirrors[disk];
        const json_t *own = mirror->job[0] ? find_job(jobs, mirror->job) : NULL;

        if (own)
            look_at(watch, mirror, own);
        else if (mirror->job[0])
            tell_gone(watch, mirror, mirror->all_copied, "");
    }
    json_array_foreach(jobs, i, job)
    {
        if (is_mirror(job) && !mirror_of(watch, text_of(job, "device")))
            return true;
    }
    return false;
}

static struct bf_live_mirror *disk_of_id(struct bf_live_watch *watch, const char *id)
{
    for (uint32_t i = 0; i < watch->nr_disks; i++) {
        if (strcmp(watch->mirrors[i].name, id) == 0 || strcmp(watch->mirrors[i].node, id) == 0)
            return &watch->mirrors[i];
    }
    return NULL;
}

void bf_live_mirrors_map(struct bf_live_watch *watch, const json_t *jobs, const json_t *graph)
{
    size_t i;
    json_t *job;

    json_array_foreach(jobs, i, job)
    {
        const char *id = text_of(job, "device");
        struct bf_live_mirror *mirror;

        if (watch->freed || !is_mirror(job) || mirror_of(watch, id))
            continue;
        mirror = bf_live_job_disk(watch, graph, id);
        if (!mirror)
            mirror = disk_of_id(watch, id);
        if (!mirror)
            continue;
        begin(watch, mirror, id);
        if (!watch->freed)
            look_at(watch, mirror, job);
    }
}

static void end_event(struct bf_live_watch *watch, struct bf_live_mirror *mirror, const char *name,
                      const json_t *data)
{
    const char *error = text_of(data, "error");

    if (strcmp(name, "BLOCK_JOB_CANCELLED") == 0)
        error = "it was cancelled without waiting for what was left to copy";
    tell_gone(watch, mirror, all_copied(data), error);
}

bool bf_live_mirrors_event(struct bf_live_watch *watch, const char *name, const json_t *data)
{
    const char *job = text_of(data, "device");
    struct bf_live_mirror *mirror = mirror_of(watch, job);

    if (strncmp(name, "BLOCK_JOB_", strlen("BLOCK_JOB_")) != 0)
        return false;
    if (strcmp(name, "BLOCK_JOB_ERROR") == 0 && !mirror)
        (void)snprintf(watch->unknown_error, sizeof watch->unknown_error, "%s", job);
    else if (strcmp(name, "BLOCK_JOB_ERROR") == 0)
        tell_error(watch, mirror, "an I/O error");
    else if (mirror && strcmp(name, "BLOCK_JOB_READY") == 0)
        tell_ready(watch, mirror);
    else if (mirror &&
             (strcmp(name, "BLOCK_JOB_COMPLETED") == 0 || strcmp(name, "BLOCK_JOB_CANCELLED") == 0))
        end_event(watch, mirror, name, data);
    return true;
}

void bf_live_watch_mirror(const struct bf_live_watch *watch, uint32_t disk,
                          uint64_t *ret_done_bytes, uint64_t *ret_total_bytes)
{
    bool known = disk < watch->nr_disks;

    *ret_done_bytes = known ? watch->mirrors[disk].done_bytes : 0;
    *ret_total_bytes = known ? watch->mirrors[disk].total_bytes : 0;
}
