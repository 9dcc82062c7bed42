#include "late.h"

#include "base/name.h"

#include <string.h>
#include <unistd.h>

int bf_late_init(struct bf_late *late, const struct bf_config *config, struct bf_error *err)
{
    *late = (struct bf_late){
        .config = config,
        .stores = calloc(config->nr_late + 1, sizeof *late->stores),
        .opened = calloc(config->nr_late + 1, sizeof *late->opened),
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    return late->stores && late->opened
               ? 0
               : bf_error_set(err, BF_E_NO_MEMORY, "no memory for the carriers that are to come");
}

void bf_late_release(struct bf_late *late)
{
    for (size_t i = 0; late->config && late->opened && i < late->config->nr_late; i++) {
        if (late->opened[i])
            bf_store_release(&late->stores[i]);
    }
    free(late->stores);
    free(late->opened);
    *late = (struct bf_late){.lock = PTHREAD_MUTEX_INITIALIZER};
}

/* With the lock held. */
static int open_store(struct bf_late *late, size_t index, struct bf_error *err)
{
    struct bf_config one = {.files = &late->config->late[index], .nr_files = 1};
    int ret;

    if (late->opened[index])
        return 0;
    ret = bf_store_open(&late->stores[index], &one, err);
    late->opened[index] = ret == 0;
    if (ret < 0)
        bf_store_release(&late->stores[index]);
    return ret;
}

static int await(struct bf_late *late, size_t index, int (*pause)(void), struct bf_error *err)
{
    const char *path = late->config->late[index].path;
    int ret;

    while (access(path, F_OK) < 0) {
        if (pause() != 0)
            return bf_error_set(err, BF_E_INTERRUPTED, "%s has not come, and nobody waits any more",
                                path);
    }
    pthread_mutex_lock(&late->lock);
    ret = open_store(late, index, err);
    pthread_mutex_unlock(&late->lock);
    return ret;
}

int bf_late_find(struct bf_late *late, const char *name, int (*pause)(void),
                 struct bf_store **ret_store, struct bf_error *err)
{
    struct bf_export_name decoded;
    int ret;

    *ret_store = NULL;
    if (late->config->nr_late == 0 || name[0] == '\0')
        return 0;
    if ((ret = bf_export_name_decode(name, &decoded, err)) < 0)
        return ret;
    for (size_t i = 0; i < late->config->nr_late; i++) {
        if (strcmp(late->config->late[i].disk, decoded.disk) != 0)
            continue;
        ret = await(late, i, pause, err);
        if (ret == 0)
            *ret_store = &late->stores[i];
        return ret;
    }
    return 0;
}
