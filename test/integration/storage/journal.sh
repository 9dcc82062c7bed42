#!/bin/bash
# A daemon cannot write its journal any more, in the middle of a move: nothing is done that was not written down
# before, so the move is given up, both sides say so, and the next start leaves it at that (FAULTS.md, 70).
. "$(dirname "$0")/../dest/lib.sh"
at_once source-write:ENOSPC source-fdatasync:EIO dest-write:ENOSPC dest-fdatasync:EIO arming-write:EIO

begin_pair
begin_daemons 'peer_timeout_s = 5'

# broken SIDE CALL ERROR: from now on each such call on a journal of that daemon fails
broken() {
    local journal
    journal=$(echo "$scratch/$1.state/moves"/*/journal)
    run_child strace -qq -f -p "${daemon[$1]}" -o "$scratch/strace" -P "$journal" -e trace="$2" \
        -e inject="$2:error=$3"
    wait_for 10 is "$child" awk '/^TracerPid:/ { print $2 }' "/proc/${daemon[$1]}/status"
}

snapshots=early
start_move
side=${BF_CASE%%-*}
fault=${BF_CASE#*-}
if [ "$side" = arming ]; then # that trackers record must be known after a restart
    side=dest
    wait_for 60 is "waiting for the mirrors" phase dest "$arriving"
    broken dest "${fault%:*}" "${fault#*:}"
    way_copy
else # what comes next to be written down, on either side: that the bitmaps may be published
    install
    broken "$side" "${fault%:*}" "${fault#*:}"
    way_migrate
    way_complete
    wait_for 60 is running run_state dest
fi
wait_for 60 ended source "$leaving" failed
wait_for 60 ended dest "$arriving" failed
grep -q INJECTED "$scratch/strace" || die "nothing was to be written"
id=$arriving
[ "$side" = dest ] || id=$leaving
fails_with 1 'JOURNAL_FAILED: the journal of the move could not be written' order "$side" wait "$id"
in_log "$side" "cannot write the journal in .*$id" || die "the log does not say why"

kill_daemon "$side"
begin_daemon "$side"
over() {
    [ "$(state "$side" "$id")" != under-way ]
}
wait_for 60 over
equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
nothing_left "$BF_CASE"
[ "${BF_CASE%%-*}" != arming ] || source_kept "$BF_CASE"
ok "$BF_CASE"
