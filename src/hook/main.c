/* bitferry-hook: what libvirt runs for every step of a domain's life; see bitferry-hook.8.
 *
 * libvirt takes what a hook prints for the domain's new XML, waits for it without end, and gives
 * the domain up if it fails.  So a child does the work; this process prints nothing, ends in time,
 * and ends with 0, whatever becomes of the child.  On a machine under load the child goes on for a
 * while: a domain that bitferry-dest was told of late still gets its checkpoints.
 */
#include "deadline.h"
#include "domain_uuid.h"
#include "poke.h"

#include "daemon/role.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    ALL_MS = 60,    /* for this process; 100 is promised */
    LATE_MS = 3000, /* for the child: XML that is under way, a daemon that is being restarted */
    AGAIN_MS = 50,
};

/* The steps that the daemons want to know of; there is nothing to do at the others. */
static const struct {
    const char *operation, *sub_operation, *event;
} steps[] = {
    {"migrate", "begin", "migrate begin"}, /* a VM will arrive here */
    {"release", "end", "release end"},     /* a VM has left, or ended */
};

static const char *find_event(const char *operation, const char *sub_operation)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (strcmp(operation, steps[i].operation) == 0 &&
            strcmp(sub_operation, steps[i].sub_operation) == 0)
            return steps[i].event;
    }
    return NULL;
}

struct telling {
    struct poke poke;
    char paths[BF_NR_ROLES][128]; /* of control sockets; "": told, or not to be told */
    bool told;
};

/* A daemon whose folder is not there does not run, and is not about to. */
static bool may_come(const char *path)
{
    char folder[128];

    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    return access(folder, F_OK) == 0;
}

/* Both daemons of the host: each knows which VMs are its own.  True: nothing is left to be done. */
static bool tell(struct telling *telling, int64_t deadline_ms)
{
    bool over = true;

    for (enum bf_role role = BF_ROLE_SOURCE; role < BF_NR_ROLES; role++) {
        char *path = telling->paths[role];

        if (!path[0])
            continue;
        if (poke_send(&telling->poke, path, deadline_ms)) {
            telling->told = true;
            path[0] = '\0';
        } else if (!may_come(path)) {
            path[0] = '\0';
        } else {
            over = false;
        }
    }
    return over;
}

static void find_sockets(struct telling *telling)
{
    const char *run_dir = secure_getenv("BITFERRY_RUN_DIR");

    for (enum bf_role role = BF_ROLE_SOURCE; role < BF_NR_ROLES; role++) {
        size_t room = sizeof telling->paths[role];
        int length = snprintf(telling->paths[role], room, "%s/%s/" BF_CONTROL_NAME,
                              run_dir ? run_dir : "/run/bitferry", bf_role_name(role));

        if (length >= (int)room)
            telling->paths[role][0] = '\0';
    }
}

/* @tried: to be closed when the first try is over. */
static void tell_all(struct telling *telling, int64_t deadline_ms, int tried)
{
    static const struct timespec nap = {.tv_nsec = AGAIN_MS * 1000000L};
    bool over;

    find_sockets(telling);
    over = tell(telling, deadline_ms);
    if (over && !telling->told)
        poke_warn(&telling->poke); /* before the parent ends, and stderr with it */
    (void)close(tried);
    if (over)
        return;
    while (!tell(telling, deadline_ms) && !deadline_is_over(deadline_ms))
        (void)nanosleep(&nap, NULL);
    if (!telling->told)
        poke_warn(&telling->poke);
}

static void work(const char *vm, const char *event, int tried)
{
    int64_t deadline_ms = deadline_after_ms(LATE_MS);
    struct domain_uuid uuid;

    domain_uuid_init(&uuid);
    if (domain_uuid_read(&uuid, STDIN_FILENO, deadline_ms) == DOMAIN_UUID_FOUND) {
        struct telling telling = {.poke = {.event = event, .vm = vm, .uuid = uuid.text}};

        tell_all(&telling, deadline_ms, tried);
    }
    domain_uuid_release(&uuid);
}

static void silence_stdout(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
        (void)close(STDOUT_FILENO);
}

/* libvirt goes on when all that it could read from us is closed. */
static void work_alone(const char *vm, const char *event, int tried)
{
    (void)alarm(LATE_MS / 1000 + 1);
    work(vm, event, tried);
    _exit(0);
}

int main(int argc, char **argv)
{
    const char *event = argc >= 4 ? find_event(argv[2], argv[3]) : NULL;
    int64_t deadline_ms = deadline_after_ms(ALL_MS);
    int tried[2];

    silence_stdout();
    if (!event || pipe2(tried, O_CLOEXEC) < 0)
        return 0;
    if (fork() == 0)
        work_alone(argv[1], event, tried[1]);
    (void)close(tried[1]);
    (void)deadline_wait(tried[0], POLLIN, deadline_ms); /* its end is a POLLHUP */
    return 0;
}
