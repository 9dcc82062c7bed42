#include "drive.h"

const char *source_phase(enum bf_source_state state)
{
    static const char *const phases[BF_NR_SOURCE_STATES] = {
        [BF_SOURCE_BEGINNING] = BF_PHASE_BEGINNING,
        [BF_SOURCE_SWEEPING] = BF_PHASE_BEGINNING,
        [BF_SOURCE_OFFERING] = BF_PHASE_OFFERING,
        [BF_SOURCE_SNAPPING_FROZEN] = "taking snapshots of frozen bitmaps",
        [BF_SOURCE_DOUBTING_FROZEN] = "looking for snapshots",
        [BF_SOURCE_SERVING_FROZEN] = "reading frozen bitmaps",
        [BF_SOURCE_LOADING_FROZEN] = "frozen bitmaps travel",
        [BF_SOURCE_SNAPPING] = "taking snapshots",
        [BF_SOURCE_DOUBTING] = "looking for snapshots",
        [BF_SOURCE_SERVING] = "reading",
        [BF_SOURCE_LOADING] = "travelling",
        [BF_SOURCE_AWAITING_READY] = "waiting for the mirrors",
        [BF_SOURCE_ARMING] = "trackers are set up",
        [BF_SOURCE_DRAINING] = "waiting for a moment with nothing left to mirror",
        [BF_SOURCE_CATCHING_UP] = "reading what was written since",
        [BF_SOURCE_LOADING_CATCH_UP] = "what was written since travels",
        [BF_SOURCE_INSTALLED] = "installed, waiting for the switchover",
        [BF_SOURCE_HOLDING] = "keeping bitmaps out of the pause",
        [BF_SOURCE_ARMING_PAUSED] = "trackers are set up",
        [BF_SOURCE_SERVING_DELTA] = "reading the last writes",
        [BF_SOURCE_LOADING_DELTA] = "the last writes travel",
        [BF_SOURCE_EXAMINING] = "examining the stopped source",
        [BF_SOURCE_STOPPED] = "waiting for the guest to leave",
        [BF_SOURCE_SEALING] = "sealing",
        [BF_SOURCE_SEALED] = "waiting for the guest to run at the destination",
        [BF_SOURCE_CONFIRMING] = "confirmed",
        [BF_SOURCE_RETIRING] = "removing the copies here",
        [BF_SOURCE_TIDYING] = "tidying up",
        [BF_SOURCE_ENDING] = "ending",
        [BF_SOURCE_ENDED] = "ended",
        [BF_SOURCE_ABANDONING] = "giving up",
        [BF_SOURCE_CLEANING] = "cleaning up",
        [BF_SOURCE_ABORTING] = "telling the destination",
        [BF_SOURCE_RESUMING] = "looking at what there is",
    };

    return phases[state];
}
