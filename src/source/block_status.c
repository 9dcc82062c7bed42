#include "drive.h"

void source_read_block_status(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)bf_error_set(&err, BF_E_UNSUPPORTED, "not yet");
    source_read_ended(drive, &err);
}
