/** A diagnosis for people, and for programs. */
#ifndef CLI_DOCTOR_REPORT_H
#define CLI_DOCTOR_REPORT_H

#include "diagnosis.h"
#include "output.h"

/** On stdout. */
int bf_doctor_print(const struct bf_diagnosis *diagnosis, struct bf_error *err);

/** NULL: out of memory. */
json_t *bf_doctor_to_json(const struct bf_diagnosis *diagnosis, struct bf_error *err);

/** "libvirt", "file" or "names": who told the checkpoints. */
const char *bf_subject_origin_name(enum bf_subject_origin origin);

#endif
