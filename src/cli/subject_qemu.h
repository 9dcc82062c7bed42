/** What a QEMU said of its disks. */
#ifndef CLI_SUBJECT_QEMU_H
#define CLI_SUBJECT_QEMU_H

#include "subject.h"

#include <jansson.h>

/** @facts: a document of facts/facts.h. */
int bf_subject_read_disks(const json_t *facts, struct bf_subject *subject, struct bf_error *err);

#endif
