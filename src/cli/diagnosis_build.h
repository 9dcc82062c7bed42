/** The parts of a diagnosis. */
#ifndef CLI_DIAGNOSIS_BUILD_H
#define CLI_DIAGNOSIS_BUILD_H

#include "diagnosis.h"

int bf_diagnosis_add(struct bf_diagnosis *diagnosis, const struct bf_finding *finding,
                     struct bf_error *err);

/** All checks of one disk; its cells are there. */
int bf_diagnosis_check_disk(struct bf_diagnosis *diagnosis, size_t disk, struct bf_error *err);

/** What is of no disk alone; all disks were checked. */
int bf_diagnosis_check_whole(struct bf_diagnosis *diagnosis, struct bf_error *err);

#endif
