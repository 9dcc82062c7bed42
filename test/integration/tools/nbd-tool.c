/* nbd-tool: pull, fetch and list as the NBD layer does them, for the tests.
 *
 *     nbd-tool pull URI [OPTION...]    prints "begin SIZE", then "done data=BYTES hole=BYTES
 * calls=N" nbd-tool fetch URI [OPTION...]   the bytes go to stdout nbd-tool list URI [OPTION...]
 * one "NAME<tab>DESCRIPTION" a line nbd-tool uri URI [--export NAME] the URI with that export
 *
 *     --export NAME   --into FILE   --tls FOLDER   --deadline MS   --max BYTES   --times N
 *     --psk FILE   --psk-name NAME
 *     --range OFFSET+BYTES           only this; repeatable
 *     --cancel start|begin|data      cancel from there; SIGTERM cancels whenever it comes
 *     --refuse begin|data|hole       the sink says no
 *
 * An error goes to stderr as "CODE: text"; the exit code is that of the error.
 */
#include "base/cleanup.h"
#include "nbd/fetch.h"
#include "nbd/list.h"
#include "nbd/pull.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_RANGES = 16 };

struct options {
    struct bf_nbd_endpoint endpoint;
    const char *export_name;
    const char *into;
    const char *cancel;
    const char *refuse;
    uint64_t max_bytes;
    unsigned nr_times;
    struct bf_nbd_range ranges[MAX_RANGES];
    size_t nr_ranges;
};

struct job {
    const struct options *options;
    struct bf_nbd_pull *pull;
    uv_signal_t on_sigterm;
    int fd;
    uint64_t offset_bytes;
    uint64_t nr_data_bytes;
    uint64_t nr_hole_bytes;
    unsigned nr_data_calls;
    struct bf_error err;
};

static void die(const char *what)
{
    fprintf(stderr, "nbd-tool: %s\n", what);
    exit(99);
}

static bool is(const char *option, const char *value)
{
    return option && strcmp(option, value) == 0;
}

static int interfere(struct job *job, const char *where, struct bf_error *err)
{
    if (is(job->options->cancel, where))
        bf_nbd_pull_cancel(job->pull);
    if (is(job->options->refuse, where))
        return bf_error_set(err, BF_E_LIMIT, "the sink refuses at %s", where);
    return 0;
}

static int on_begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    struct job *job = ctx;

    printf("begin %" PRIu64 "\n", size_bytes);
    fflush(stdout);
    if (job->fd >= 0 && ftruncate(job->fd, (off_t)size_bytes) < 0)
        die("ftruncate");
    return interfere(job, "begin", err);
}

static int on_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct job *job = ctx;

    if (job->fd >= 0 &&
        pwrite(job->fd, bytes, (size_t)nr_bytes, (off_t)job->offset_bytes) != (ssize_t)nr_bytes)
        die("pwrite");
    job->offset_bytes += nr_bytes;
    job->nr_data_bytes += nr_bytes;
    job->nr_data_calls++;
    return interfere(job, "data", err);
}

static int on_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    struct job *job = ctx;

    job->offset_bytes += nr_bytes;
    job->nr_hole_bytes += nr_bytes;
    return interfere(job, "hole", err);
}

static void on_done(void *ctx, const struct bf_error *err)
{
    struct job *job = ctx;

    job->pull = NULL;
    if (err)
        job->err = *err;
    uv_close((uv_handle_t *)&job->on_sigterm, NULL);
}

static void on_sigterm(uv_signal_t *handle, int signum)
{
    struct job *job = handle->data;

    (void)signum;
    if (job->pull)
        bf_nbd_pull_cancel(job->pull);
}

static int pull(const struct options *options, struct bf_error *err)
{
    struct job job = {.options = options, .fd = -1};
    const struct bf_nbd_sink sink = {on_begin, on_data, on_hole, &job};
    struct rusage usage;
    uv_loop_t loop;

    if (options->into)
        job.fd = open(options->into, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uv_loop_init(&loop);
    uv_signal_init(&loop, &job.on_sigterm);
    job.on_sigterm.data = &job;
    uv_signal_start(&job.on_sigterm, on_sigterm, SIGTERM);
    if (bf_nbd_pull_start(&loop, &options->endpoint, options->export_name, &sink, on_done, &job,
                          &job.pull, &job.err) < 0)
        uv_close((uv_handle_t *)&job.on_sigterm, NULL);
    else
        bf_nbd_pull_only(job.pull, options->ranges, options->nr_ranges);
    if (job.pull && is(options->cancel, "start"))
        bf_nbd_pull_cancel(job.pull);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        die("the loop still has handles");
    if (job.fd >= 0)
        close(job.fd);
    if (job.err.code != BF_E_NONE)
        return bf_error_set(err, job.err.code, "%s", job.err.text);
    getrusage(RUSAGE_SELF, &usage);
    printf("done data=%" PRIu64 " hole=%" PRIu64 " calls=%u rss=%ld\n", job.nr_data_bytes,
           job.nr_hole_bytes, job.nr_data_calls, usage.ru_maxrss);
    return 0;
}

static int fetch(const struct options *options, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *bytes = NULL;
    size_t nr_bytes;
    int r = bf_nbd_fetch(&options->endpoint, options->export_name, options->max_bytes, &bytes,
                         &nr_bytes, err);

    if (r == 0)
        fwrite(bytes, 1, nr_bytes, stdout);
    return r;
}

static int list(const struct options *options, struct bf_error *err)
{
    struct bf_nbd_exports exports;
    int r = bf_nbd_list(&options->endpoint, &exports, err);

    for (size_t i = 0; i < exports.nr_exports; i++)
        printf("%s\t%s\n", exports.exports[i].name, exports.exports[i].description);
    bf_nbd_exports_release(&exports);
    return r;
}

static int uri(const struct options *options, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *made = NULL;
    int r = bf_nbd_uri_with_export(options->endpoint.uri,
                                   options->export_name ? options->export_name : "", &made, err);

    if (r == 0)
        puts(made);
    return r;
}

static void add_range(struct options *options, const char *text)
{
    struct bf_nbd_range range = {0};

    if (options->nr_ranges == MAX_RANGES ||
        sscanf(text, "%" SCNu64 "+%" SCNu64, &range.offset_bytes, &range.nr_bytes) != 2)
        die("bad --range");
    options->ranges[options->nr_ranges++] = range;
}

static void parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"export", 1, NULL, 'e'},   {"into", 1, NULL, 'i'},     {"tls", 1, NULL, 't'},
        {"deadline", 1, NULL, 'd'}, {"max", 1, NULL, 'm'},      {"times", 1, NULL, 'n'},
        {"cancel", 1, NULL, 'c'},   {"refuse", 1, NULL, 'r'},   {"range", 1, NULL, 'g'},
        {"psk", 1, NULL, 'k'},      {"psk-name", 1, NULL, 'K'}, {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'e')
            options->export_name = optarg;
        else if (c == 'i')
            options->into = optarg;
        else if (c == 't')
            options->endpoint.tls_certificates = optarg;
        else if (c == 'k')
            options->endpoint.tls_psk_file = optarg;
        else if (c == 'K')
            options->endpoint.tls_psk_name = optarg;
        else if (c == 'd')
            options->endpoint.deadline_ms = strtoull(optarg, NULL, 10);
        else if (c == 'm')
            options->max_bytes = strtoull(optarg, NULL, 10);
        else if (c == 'n')
            options->nr_times = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'c')
            options->cancel = optarg;
        else if (c == 'r')
            options->refuse = optarg;
        else if (c == 'g')
            add_range(options, optarg);
        else
            die("unknown option");
    }
    if (argc - optind != 2)
        die("usage: nbd-tool pull|fetch|list|uri URI");
    options->endpoint.uri = argv[optind + 1];
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *options, struct bf_error *err);
    } commands[] = {{"pull", pull}, {"fetch", fetch}, {"list", list}, {"uri", uri}};
    struct options options = {.endpoint.deadline_ms = 20000, .max_bytes = 1 << 20, .nr_times = 1};
    struct bf_error err = BF_ERROR_INIT;

    parse(argc, argv, &options);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        for (unsigned n = 0; n < options.nr_times && err.code == BF_E_NONE; n++)
            commands[i].run(&options, &err);
    }
    if (err.code != BF_E_NONE)
        fprintf(stderr, "%s: %s\n", bf_code_name(err.code), err.text);
    return bf_code_exit(err.code);
}
