/** The table of disks and checkpoints that `bitferry doctor` prints. */
#ifndef CLI_DOCTOR_TABLE_H
#define CLI_DOCTOR_TABLE_H

#include "diagnosis.h"
#include "output.h"

struct bf_doctor_report {
    const struct bf_diagnosis *diagnosis;
    struct bf_screen screen;
};

/** A tick or a cross, as the screen can show it. */
const char *bf_doctor_mark(const struct bf_screen *screen, bool good);

/** One row a checkpoint, one column a disk; several tables if they are too many for one. */
int bf_doctor_print_table(const struct bf_doctor_report *report, struct bf_error *err);

#endif
