/** QMP to a domain, one call after the other. */
#ifndef CLI_MIGRATE_MONITOR_H
#define CLI_MIGRATE_MONITOR_H

#include "base/cleanup.h"
#include "libvirt/domain.h"

#include <jansson.h>

struct bf_monitor;

int bf_monitor_open(struct bf_virt_domain *domain, struct bf_monitor **ret_monitor,
                    struct bf_error *err);
void bf_monitor_close(struct bf_monitor *monitor);
BF_DEFINE_CLEANUP(struct bf_monitor *, bf_monitor_close)

/** Takes @arguments over; *ret_result (@ret_result may be NULL) is a new reference. */
int bf_monitor_call(struct bf_monitor *monitor, const char *command, json_t *arguments,
                    json_t **ret_result, struct bf_error *err);

#endif
