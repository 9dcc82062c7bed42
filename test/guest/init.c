/* The whole user space of the test guest: it loads the drivers of its disks, then writes to them as
 * it is told on its console, and measures how long each write takes.
 *
 *     start SEED RATE MIB   write blocks, RATE a second (0: as fast as it can), in the first MIB of
 *                           each disk
 *     stop                  -> "guest: stopped"
 *     report                -> "guest: writes=N p50_us=N p99_us=N longest_us=N gap_us=N", since the
 *                           last one
 *     lap                   -> "guest: lap writes=N ..." in the same way, since the last of both
 *     off
 *
 * A block holds where it is, the seed and a number that grows, so no two writes are alike.  `gap`
 * is the longest time between the ends of two writes that follow each other: a guest that is held
 * up while none of its writes is under way shows there only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 4096,
    DISKS_MAX = 8,
    BUCKETS = 4096, /* of latency: 64 a power of two */
    BUCKETS_PER_POWER = 64,
};

struct latency {
    uint64_t buckets[BUCKETS], nr_writes, longest_us, gap_us;
};

static int disks[DISKS_MAX];
static unsigned nr_disks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool writing, wanted;
static uint64_t seed, rate, nr_blocks;
static uint64_t last_end_us;
static struct latency whole, lap;

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- latency --- */

static unsigned bucket_of(uint64_t us)
{
    unsigned power = 0;

    if (us < BUCKETS_PER_POWER)
        return (unsigned)us;
    while (us >> power >= 2 * BUCKETS_PER_POWER)
        power++;
    return (power + 1) * BUCKETS_PER_POWER + (unsigned)(us >> power) - BUCKETS_PER_POWER;
}

static uint64_t value_of(unsigned bucket)
{
    unsigned power = bucket / BUCKETS_PER_POWER;

    if (power == 0)
        return bucket;
    return (uint64_t)(bucket % BUCKETS_PER_POWER + BUCKETS_PER_POWER) << (power - 1);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void note(struct latency *latency, uint64_t us, uint64_t gap_us)
{
    unsigned bucket = bucket_of(us);

    latency->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    latency->nr_writes++;
    latency->longest_us = larger(latency->longest_us, us);
    latency->gap_us = larger(latency->gap_us, gap_us);
}

static void note_write(uint64_t begun_us, uint64_t ended_us)
{
    note(&whole, ended_us - begun_us, ended_us - last_end_us);
    note(&lap, ended_us - begun_us, ended_us - last_end_us);
    last_end_us = ended_us;
}

static uint64_t quantile(const struct latency *latency, unsigned percent)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen * 100 >= latency->nr_writes * percent)
            return value_of(i);
    }
    return latency->longest_us;
}

static void report(struct latency *latency, const char *what)
{
    printf("guest: %swrites=%llu p50_us=%llu p99_us=%llu longest_us=%llu gap_us=%llu\n", what,
           (unsigned long long)latency->nr_writes, (unsigned long long)quantile(latency, 50),
           (unsigned long long)quantile(latency, 99), (unsigned long long)latency->longest_us,
           (unsigned long long)latency->gap_us);
    memset(latency, 0, sizeof *latency);
}

/* --- writing --- */

/* SplitMix64, by Sebastiano Vigna (public domain): one multiplication chain, good enough for
 * places. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void write_one(uint64_t *block, uint64_t *random, uint64_t number)
{
    uint64_t place = next_random(random) % nr_blocks;
    int disk = disks[number % nr_disks];
    uint64_t begun_us;

    for (unsigned i = 0; i < BLOCK_BYTES / sizeof *block; i += 3) {
        block[i] = place;
        if (i + 2 < BLOCK_BYTES / sizeof *block) {
            block[i + 1] = seed;
            block[i + 2] = number;
        }
    }
    begun_us = now_us();
    if (pwrite(disk, block, BLOCK_BYTES, (off_t)(place * BLOCK_BYTES)) != BLOCK_BYTES)
        printf("guest: write error: %s\n", strerror(errno));
    note_write(begun_us, now_us());
}

static void wait_for_rate(uint64_t begun_us, uint64_t number)
{
    uint64_t due_us = begun_us + (rate > 0 ? number * 1000000 / rate : 0);
    uint64_t us = now_us();

    if (us < due_us)
        (void)usleep((unsigned)(due_us - us));
}

static void *write_all_the_while(void *buffer)
{
    uint64_t random = 0;
    uint64_t number = 0;
    uint64_t begun_us = 0;
    uint64_t base = 0;

    for (;;) {
        pthread_mutex_lock(&lock);
        while (!wanted) {
            writing = false;
            pthread_cond_broadcast(&changed);
            pthread_cond_wait(&changed, &lock);
        }
        if (!writing) {
            writing = true;
            random = seed;
            begun_us = last_end_us = now_us();
            base = number;
        }
        write_one(buffer, &random, number++);
        pthread_mutex_unlock(&lock);
        wait_for_rate(begun_us, number - base);
    }
    return NULL;
}

static void set_wanted(bool value)
{
    wanted = value;
    pthread_cond_broadcast(&changed);
    while (!value && writing)
        pthread_cond_wait(&changed, &lock);
}

/* --- commands --- */

static void obey(char *line)
{
    unsigned long long number[3] = {1, 0, 16};

    pthread_mutex_lock(&lock);
    if (sscanf(line, "start %llu %llu %llu", &number[0], &number[1], &number[2]) >= 1) {
        seed = number[0];
        rate = number[1];
        nr_blocks = number[2] * ((1 << 20) / BLOCK_BYTES);
        printf("guest: started\n");
        set_wanted(true);
    } else if (strncmp(line, "stop", 4) == 0) {
        set_wanted(false);
        printf("guest: stopped\n");
    } else if (strncmp(line, "report", 6) == 0) {
        report(&whole, "");
        memset(&lap, 0, sizeof lap);
    } else if (strncmp(line, "lap", 3) == 0) {
        report(&lap, "lap ");
    } else if (strncmp(line, "off", 3) == 0) {
        (void)reboot(RB_POWER_OFF);
    } else {
        printf("guest: what is '%s'?\n", line);
    }
    pthread_mutex_unlock(&lock);
}

/* --- beginning --- */

static void load_module(const char *name)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof path, "/modules/%s.ko", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return; /* built into this kernel */
    if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
        printf("guest: module %s: %s\n", name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

static void load_modules(void)
{
    static const char *const names[] = {
        "virtio_ring",           "virtio",     "virtio_pci_modern_dev",
        "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        load_module(names[i]);
}

static void open_disks(void)
{
    char path[] = "/dev/vda";

    for (unsigned tries = 0; tries < 500 && access(path, F_OK) < 0; tries++)
        (void)usleep(10000);
    for (; nr_disks < DISKS_MAX; path[7]++) {
        int fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);

        if (fd < 0)
            break;
        disks[nr_disks++] = fd;
    }
}

int main(void)
{
    pthread_t writer;
    void *buffer = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    char line[128];

    (void)mkdir("/dev", 0755);
    (void)mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    (void)freopen("/dev/console", "r", stdin);
    (void)freopen("/dev/console", "w", stdout);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    load_modules();
    open_disks();
    if (!buffer || nr_disks == 0 ||
        pthread_create(&writer, NULL, write_all_the_while, buffer) != 0) {
        printf("guest: no disks\n");
        (void)reboot(RB_POWER_OFF);
    }
    printf("guest: ready with %u disks\n", nr_disks);
    for (;;) {
        if (!fgets(line, sizeof line, stdin)) {
            clearerr(stdin);
            (void)usleep(100000);
            continue;
        }
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0])
            obey(line);
    }
}
