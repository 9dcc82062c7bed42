/* bitferry-hook: what libvirt runs for every step of a domain's life; see bitferry-hook.8.
 *
 * libvirt takes what a hook prints for the domain's new XML, waits for it without end, and gives
 * the domain up if it fails.  So a child does the work; this process prints nothing, ends in time,
 * and ends with 0, whatever becomes of the child.
 */
#include "deadline.h"
#include "domain_uuid.h"
#include "poke.h"

#include "daemon/role.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    WORK_MS = 40, /* for the child */
    ALL_MS = 60,  /* for both; 100 is promised */
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

/* Both daemons of the host: each knows which VMs are its own. */
static bool poke_daemons(const struct poke *poke, int64_t deadline_ms)
{
    const char *run_dir = secure_getenv("BITFERRY_RUN_DIR");
    bool told = false;

    for (enum bf_role role = BF_ROLE_SOURCE; role < BF_NR_ROLES; role++) {
        char path[128];
        int length = snprintf(path, sizeof path, "%s/%s/" BF_CONTROL_NAME,
                              run_dir ? run_dir : "/run/bitferry", bf_role_name(role));

        if (length < (int)sizeof path && poke_send(poke, path, deadline_ms))
            told = true;
    }
    return told;
}

static void work(const char *vm, const char *event)
{
    int64_t deadline_ms = deadline_after_ms(WORK_MS);
    struct domain_uuid uuid;

    domain_uuid_init(&uuid);
    if (domain_uuid_read(&uuid, STDIN_FILENO, deadline_ms) == DOMAIN_UUID_FOUND) {
        struct poke poke = {.event = event, .vm = vm, .uuid = uuid.text};

        if (!poke_daemons(&poke, deadline_ms))
            poke_warn(&poke);
    }
    domain_uuid_release(&uuid);
}

static void wait_for(pid_t child, const sigset_t *child_ended)
{
    struct timespec time = {.tv_nsec = ALL_MS * 1000000L};

    (void)sigtimedwait(child_ended, NULL, &time);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static void silence_stdout(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
        (void)close(STDOUT_FILENO);
}

int main(int argc, char **argv)
{
    const char *event = argc >= 4 ? find_event(argv[2], argv[3]) : NULL;
    sigset_t child_ended;
    pid_t child;

    silence_stdout();
    if (!event)
        return 0;
    (void)sigemptyset(&child_ended);
    (void)sigaddset(&child_ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child_ended, NULL);
    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        work(argv[1], event);
        _exit(0);
    }
    if (child > 0)
        wait_for(child, &child_ended);
    return 0;
}
