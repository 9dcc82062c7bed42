#!/bin/bash
# SIGTERM at each phase of a move: systemd is told, the daemon ends by itself with 0 and without children, and
# what it could not finish in time is taken up by the next start (FAULTS.md, 14).
. "$(dirname "$0")/../dest/lib.sh"

run_child "$BF_BUILD/test/notify_sink" "$scratch/notify" >"$scratch/notified"
wait_for 30 test -S "$scratch/notify"

# restart SIDE [VARIABLE=VALUE...]: as `systemctl restart` does
restart() {
    local side=$1 status=0
    shift
    : >"$scratch/notified"
    terminate "$side" "stopping, 1 moves under way"
    begin_daemon "$side" NOTIFY_SOCKET="$scratch/notify" "$@"
    in_log "$side" '1 moves taken up again' || die "bitferry-$side does not take up the move"
}

# terminate SIDE STATUS
terminate() {
    local status=0 pid=${daemon[$1]}
    kill "$pid"
    wait "$pid" || status=$?
    equal 0 "$status" "exit of bitferry-$1: $(tail -n 5 "$scratch/$1.log")"
    wait_for 30 grep -q STOPPING=1 "$scratch/notified"
    grep -q "STATUS=$2" "$scratch/notified" || die "systemd is told: $(cat "$scratch/notified")"
    [ -z "$(pgrep -f "nbdkit .*$scratch/$1")" ] || die "a child of bitferry-$1 is left"
}

begin_pair
configure source 'stop_grace_s = 0'
configure dest 'stop_grace_s = 0'
begin_daemon dest NOTIFY_SOCKET="$scratch/notify"
begin_daemon source NOTIFY_SOCKET="$scratch/notify"
start_vm
wait_for 30 in_log source 'SWEEPING -> OFFERING'
restart source
ok "while nobody expects the machine"
expect_vm
restart dest
ok "while it is expected"
wait_for 30 in_log source '-> AWAITING_READY'
restart source
restart dest
ok "while the disk is copied"
way_copy
wait_move source "$leaving" installed
restart source
restart dest
ok "when all is installed"
wait_for 60 in_log source 'LOADING_CATCH_UP -> INSTALLED'
guest_writes source vda 6 7
switch_over
settle "restarted all the time"
ok "and everything is carried"
for side in source dest; do
    : >"$scratch/notified"
    terminate "$side" "stopping, 0 moves under way"
done
ok "and at the end"

# With some grace a move that comes to its end meanwhile is finished.
rm -rf "$scratch"/*.pipe.* "$scratch"/*.qmp "$scratch"/*.qcow2 "$scratch"/ram "$scratch"/dest.nbd
end_qemu source
end_qemu dest
begin_pair
configure source 'stop_grace_s = 30'
configure dest 'stop_grace_s = 30'
begin_daemon dest NOTIFY_SOCKET="$scratch/notify"
begin_daemon source NOTIFY_SOCKET="$scratch/notify"
start_move
install
kill "${daemon[source]}" "${daemon[dest]}"
wait_for 30 in_log source 'SIGTERM: stopping'
wait_for 30 in_log dest 'SIGTERM: stopping'
switch_over
for side in source dest; do
    wait "${daemon[$side]}" || die "exit $? of bitferry-$side"
    in_log "$side" 'ended -> committed' || die "bitferry-$side has not finished the move"
done
equal "5 6 7 9" "$(dirty_granules dest vda new)" "the recording bitmap"
ok "in the grace that it has"
