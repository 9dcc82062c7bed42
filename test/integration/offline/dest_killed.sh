#!/bin/bash
# FAULTS 4 to 7, for images: before, between and while they are written.
. "$(dirname "$0")/killed_lib.sh"
killed dest dest.offered dest.pulling dest.loaded dest.committing publish.clusters publish.header \
    dest.commit_image dest.commit_done dest.tidied dest.committed dest.ended
