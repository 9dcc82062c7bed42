#!/bin/bash
# bitferry-source is gone while others go on: its children end with it, what it could not watch is dropped
# with a reason, what it gave up stays given up (FAULTS.md, 1, 2, 20).
. "$(dirname "$0")/../dest/lib.sh"
each mid-pull aborting blind for-good

no_nbdkit() {
    ! pgrep -f "nbdkit .*$scratch" >/dev/null
}

case $BF_CASE in
mid-pull) # the destination is about to read from its nbdkit
    begin_move BITFERRY_FAIL_POINT=dest.pulling:stop
    wait_for 30 stopped dest
    no_nbdkit && die "no nbdkit serves"
    kill_daemon source
    wait_for 10 no_nbdkit
    kill -9 "${daemon[dest]}"
    wait "${daemon[dest]}" 2>/dev/null || true
    begin_daemon dest # with no fail point: it reads from nobody, and from the next epoch's server then
    begin_daemon source
    install
    switch_over
    settle "$BF_CASE"
    ;;
aborting)
    begin_pair
    configure source
    configure dest
    begin_daemon dest
    begin_daemon source BITFERRY_FAIL_POINT=source.aborting:kill
    start_move
    install
    order source abort "$leaving" >/dev/null 2>&1 || true
    wait_for 30 dead source
    wait "${daemon[source]}" 2>/dev/null || true
    begin_daemon source
    wait_for 60 ended source "$leaving" aborted
    wait_for 60 ended dest "$arriving" failed
    source_kept "$BF_CASE"
    ;;
blind) # nobody looked at the bitmaps of the stopped guest
    begin_move
    install
    kill_daemon source
    switch_over
    begin_daemon source
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal 4 "$(order dest status --json "$arriving" | jq '.moves[0].exit')" "exit code"
    for side in source dest; do
        equal "dropped SOURCE_BLIND" "$(row "$side" new)" "new, says the $side"
        equal "dropped SOURCE_BLIND" "$(row "$side" old)" "old, says the $side"
    done
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "bitmaps at the destination"
    nothing_left "$BF_CASE"
    ;;
for-good) # and it never comes back
    begin_pair
    configure source
    configure dest 'peer_timeout_s = 2'
    begin_daemon dest
    begin_daemon source
    start_move
    install
    kill_daemon source
    wait_for 30 ended dest "$arriving" failed
    order dest status "$arriving" | grep -q SOURCE_SILENT || die "$(order dest status "$arriving")"
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "bitmaps at the destination"
    clean dest
    ;;
esac
ok "$BF_CASE"
