#include "inflight.h"

#include "base/math.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Take out what hangs at @link. */
static struct bf_qmp_command *unlink_at(struct bf_qmp_inflight *inflight,
                                        struct bf_qmp_command **link)
{
    struct bf_qmp_command *command = *link;

    *link = command->next;
    if (inflight->last_link == &command->next)
        inflight->last_link = link;
    if (command->expired)
        inflight->nr_expired--;
    return command;
}

void bf_qmp_inflight_init(struct bf_qmp_inflight *inflight, uint64_t connection)
{
    *inflight = (struct bf_qmp_inflight){.last_link = &inflight->first, .connection = connection};
}

struct bf_qmp_command *bf_qmp_inflight_add(struct bf_qmp_inflight *inflight, const char *name)
{
    size_t name_bytes = strlen(name) + 1;
    struct bf_qmp_command *command = calloc(1, sizeof *command + name_bytes);

    if (!command)
        return NULL;
    memcpy(command->name, name, name_bytes);
    (void)snprintf(command->id, sizeof command->id, "%" PRIu64 ".%" PRIu64, inflight->connection,
                   ++inflight->last_id);
    command->expires_ms = UINT64_MAX;
    *inflight->last_link = command;
    inflight->last_link = &command->next;
    return command;
}

struct bf_qmp_command *bf_qmp_inflight_take(struct bf_qmp_inflight *inflight, const char *id)
{
    struct bf_qmp_command **link;

    for (link = &inflight->first; *link; link = &(*link)->next) {
        if (strcmp((*link)->id, id) == 0)
            return unlink_at(inflight, link);
    }
    return NULL;
}

bool bf_qmp_inflight_is_foreign(const struct bf_qmp_inflight *inflight, const char *id)
{
    static const char digits[] = "0123456789";
    size_t nr_first = strspn(id, digits);
    size_t nr_second = id[nr_first] == '.' ? strspn(id + nr_first + 1, digits) : 0;
    char own[BF_QMP_ID_MAX];

    if (nr_first == 0 || nr_second == 0 || id[nr_first + 1 + nr_second] != '\0')
        return false;
    (void)snprintf(own, sizeof own, "%" PRIu64 ".", inflight->connection);
    return strncmp(id, own, strlen(own)) != 0;
}

struct bf_qmp_command *bf_qmp_inflight_expire(struct bf_qmp_inflight *inflight, uint64_t now_ms)
{
    struct bf_qmp_command *command;

    for (command = inflight->first; command; command = command->next) {
        if (!command->expired && command->expires_ms <= now_ms) {
            command->expired = true;
            inflight->nr_expired++;
            return command;
        }
    }
    return NULL;
}

uint64_t bf_qmp_inflight_next_ms(const struct bf_qmp_inflight *inflight)
{
    const struct bf_qmp_command *command;
    uint64_t next_ms = UINT64_MAX;

    for (command = inflight->first; command; command = command->next) {
        if (!command->expired)
            next_ms = bf_min_u64(next_ms, command->expires_ms);
    }
    return next_ms;
}

const char *bf_qmp_inflight_oldest(const struct bf_qmp_inflight *inflight)
{
    const struct bf_qmp_command *command = inflight->first;

    while (command && command->expired)
        command = command->next;
    return command ? command->name : NULL;
}

void bf_qmp_inflight_fail_all(struct bf_qmp_inflight *inflight, const struct bf_error *err)
{
    while (inflight->first) {
        struct bf_qmp_command *command = unlink_at(inflight, &inflight->first);

        if (!command->expired && command->reply)
            command->reply(command->ctx, NULL, err);
        free(command);
    }
}
