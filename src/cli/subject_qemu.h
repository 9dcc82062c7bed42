/** The parts of subject_qemu.c. */
#ifndef CLI_SUBJECT_QEMU_H
#define CLI_SUBJECT_QEMU_H

#include "live/survey.h"
#include "subject.h"

#include <jansson.h>

/** @facts: a document of facts/facts.h.  @nr_wishes 0: all of its disks; else those, and one that
 *  is not in it is not seen. */
int bf_subject_read_disks(const json_t *facts, const struct bf_live_disk_wish *wishes,
                          uint32_t nr_wishes, struct bf_subject *subject, struct bf_error *err);

#endif
