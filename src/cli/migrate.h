/** `bitferry migrate` and `bitferry redefine`: their options, and what runs them.
 *
 *     survey -> plan -> capture on disk -> libvirt's migration -> arrive -> clean the source ->
 * report
 *                                             `-> failed: repair the source's bitmaps
 *
 * Where the daemons of both hosts can be told, they arrive, clean and repair in its place.
 */
#ifndef CLI_MIGRATE_H
#define CLI_MIGRATE_H

#include "command.h"

enum bf_migrate_option {
    BF_MIGRATE_CONNECT,
    BF_MIGRATE_DEST_CONNECT,
    BF_MIGRATE_KEEP,
    BF_MIGRATE_SHARED,
    BF_MIGRATE_DROP_INCONSISTENT,
    BF_MIGRATE_NO_REPAIR,
    BF_MIGRATE_SOCKET,
    BF_MIGRATE_DEST_SOCKET,
    BF_MIGRATE_PEER,
    BF_MIGRATE_ALONE,
    BF_MIGRATE_DRY_RUN,
    BF_NR_MIGRATE_OPTIONS,
};

enum bf_redefine_option {
    BF_REDEFINE_CONNECT,
    BF_REDEFINE_DOMAIN,
    BF_REDEFINE_IMAGES_ELSEWHERE,
    BF_REDEFINE_RESTORE,
    BF_NR_REDEFINE_OPTIONS,
};

/* Of a bitferry without libvirt both refuse: UNSUPPORTED. */
int bf_migrate_run(const struct bf_arguments *args, struct bf_error *err);
int bf_redefine_run(const struct bf_arguments *args, struct bf_error *err);

#endif
