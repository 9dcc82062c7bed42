#!/bin/bash
# nbdkit dies or hangs while the destination reads: tried again within deadlines, then dropped with a reason;
# what hangs is killed in the end (FAULTS.md, 9, 10).
. "$(dirname "$0")/../dest/lib.sh"
each killed killed-always hung

nbdkits() {
    pgrep -P "${daemon[source]}" nbdkit
}

# The destination stands before its first read, of the frozen bitmap; nothing is read before it goes on.
begin_pair
configure source
configure dest 'pull_timeout_s = 1'
begin_daemon source
begin_daemon dest BITFERRY_FAIL_POINT=dest.fetching:stop
start_move
wait_for 30 stopped dest
wait_for 30 nbdkits >/dev/null

go_on() {
    ! stopped dest || kill -CONT "${daemon[dest]}" # it stops before each round
}

# pulled: whatever happens to the reads, the daemon is let go on until the source has its way
pulled() {
    go_on
    in_log source 'LOADING_CATCH_UP -> INSTALLED'
}

case $BF_CASE in
killed)
    kill -9 "$(nbdkits)"
    way_copy
    wait_for 30 pulled
    frozen=carried
    ;;
killed-always)
    kill_each() {
        local victim
        for victim in $(nbdkits); do
            kill -9 "$victim"
        done
        in_log source 'nbdkit ended again and again'
    }
    wait_for 30 kill_each
    frozen=dropped
    way_copy
    wait_for 60 pulled
    ;;
hung)
    kill -STOP "$(nbdkits)"
    frozen=dropped
    way_copy
    wait_for 60 pulled
    ;;
esac
guest_writes source vda 6 7
switch_over
finished() {
    go_on
    in_log dest 'ended -> committed' && in_log source 'ended -> committed'
}
wait_for 60 finished
equal "5 6 7 9" "$(dirty_granules dest vda new)" "the recording bitmap"
if [ $frozen = carried ]; then
    equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
else
    equal "dropped PULL_FAILED" "$(row dest old)" "the frozen bitmap"
    equal "" "$(bitmap dest vda old)" "at the destination"
fi
nothing_left "$BF_CASE"
ok "$BF_CASE"
