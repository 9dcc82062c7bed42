#!/bin/bash
# A daemon or a QEMU that hangs: for a moment it is waited for; a daemon for longer than peer_timeout_s is given
# up by the other, and finds that out when it goes on; a stuck loop is seen by systemd (FAULTS.md, 15).
. "$(dirname "$0")/../dest/lib.sh"
each briefly for-long qemus watchdog

begin_impatient() {
    begin_pair
    configure source 'peer_timeout_s = 2'
    configure dest 'peer_timeout_s = 2'
    begin_daemon source
    begin_daemon dest
    start_move
}

case $BF_CASE in
briefly)
    begin_move
    for side in source dest; do
        kill -STOP "${daemon[$side]}"
        guest_writes source vda 6
        kill -CONT "${daemon[$side]}"
    done
    install
    kill -STOP "${daemon[source]}" "${daemon[dest]}"
    switch_over
    kill -CONT "${daemon[source]}" "${daemon[dest]}"
    settle "$BF_CASE"
    ;;
for-long) # both cases at once: they wait until a connection counts as lost
    BF_CASE=source bash "$0" &
    source_case=$!
    BF_CASE=dest bash "$0" || die "at dest"
    wait "$source_case" || die "at source"
    ;;
source)
    begin_impatient
    install
    kill -STOP "${daemon[source]}"
    wait_for 30 ended dest "$arriving" failed
    order dest status "$arriving" | grep -q SOURCE_SILENT || die "$(order dest status "$arriving")"
    clean dest
    kill -CONT "${daemon[source]}"
    wait_for 30 ended source "$leaving" failed
    source_kept "$BF_CASE"
    ;;
dest) # the source can wait: nothing is lost before the guest has left
    begin_impatient
    install
    kill -STOP "${daemon[dest]}"
    wait_for 30 in_log source 'no connection to the destination'
    kill -CONT "${daemon[dest]}"
    switch_over
    settle "$BF_CASE"
    ;;
qemus) # each of them while something is asked of it
    begin_pair
    configure source
    configure dest
    begin_daemon source BITFERRY_FAIL_POINT=source.begun:stop
    begin_daemon dest BITFERRY_FAIL_POINT=dest.fetching:stop
    start_move
    wait_for 30 stopped source
    kill -STOP "${qemu_pid[source]}"
    kill -CONT "${daemon[source]}"
    "$BITFERRY" list --socket "$scratch/source.run/control.sock" >/dev/null # it is no less alive for that
    kill -CONT "${qemu_pid[source]}"
    wait_for 30 stopped dest
    kill -STOP "${qemu_pid[dest]}"
    kill -CONT "${daemon[dest]}"
    order dest list >/dev/null
    kill -CONT "${qemu_pid[dest]}"
    way_copy
    go_on() {
        ! stopped dest || kill -CONT "${daemon[dest]}"
        in_log source 'LOADING_CATCH_UP -> INSTALLED'
    }
    wait_for 30 go_on
    guest_writes source vda 6 7
    switch_over
    settle "$BF_CASE"
    ;;
watchdog) # systemd hears no beat any more, kills and starts anew
    run_child "$BF_BUILD/test/notify_sink" "$scratch/notify" >"$scratch/notified"
    wait_for 30 test -S "$scratch/notify"
    begin_pair
    configure source
    configure dest
    begin_daemon dest
    begin_daemon source NOTIFY_SOCKET="$scratch/notify" WATCHDOG_USEC=2000000 BITFERRY_FAIL_POINT=loop.stuck:stop
    start_move
    way_copy
    wait_for 30 stopped source
    grep -q WATCHDOG=1 "$scratch/notified" && die "a beat of a loop that is stuck"
    kill_daemon source
    begin_daemon source NOTIFY_SOCKET="$scratch/notify" WATCHDOG_USEC=200000
    wait_for 30 grep -q WATCHDOG=1 "$scratch/notified"
    wait_move source "$leaving" installed
    guest_writes source vda 6 7
    switch_over
    settle "$BF_CASE"
    ;;
esac
ok "$BF_CASE"
