/** A migration under way. */
#ifndef CLI_MIGRATE_WORK_H
#define CLI_MIGRATE_WORK_H

#include "command.h"
#include "libvirt/migrate_options.h"
#include "migrate_arrive.h"
#include "migrate_capture.h"
#include "migrate_helpers.h"

struct bf_migrate_work {
    const struct bf_arguments *args;
    struct bf_virt_migrate_options *options;
    const struct bf_virt_migrate_facts *facts;
    struct bf_virt *source;
    struct bf_virt *dest;
    struct bf_virt_domain *domain; /* at the source */
    char *folder_path;
    struct bf_capture_folder *folder;
    struct bf_capture capture;
    struct bf_virt_domain *arrived;
    struct bf_arrival arrival;
    json_t *cleaned; /* NULL: by bitferry-source */
    struct bf_helpers helpers;
};

/** libvirt's migration, followed to its end.  On failure the source is put in order, and what was
 *  captured is kept where it may still be needed. */
int bf_migrate_move(struct bf_migrate_work *work, struct bf_error *err);

/** Remove what was captured, unless it is to be kept. */
void bf_migrate_discard(struct bf_migrate_work *work);

#endif
