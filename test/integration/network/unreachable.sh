#!/bin/bash
# The destination is not there, or not yet; strangers crowd its port (FAULTS.md, 55, 60, 69).
. "$(dirname "$0")/../dest/lib.sh"

begin_pair
configure source 'expect_timeout_s = 3'
configure dest
begin_daemon source
peer=127.0.0.1:$((port + 1)) start_vm
fails_with 10 "no bitferry-dest answers on 127.0.0.1 port $((port + 1)): connection refused" \
    order source wait "$leaving" --timeout 30
peer=nobody.invalid start_vm
fails_with 10 "no bitferry-dest answers on nobody.invalid port $port: the name is not known" \
    order source wait "$leaving" --timeout 30
# From here on there is more time than that.
configure source
kill_daemon source
begin_daemon source
clean source
equal "1 2 3" "$(dirty_granules source vda old)" "the frozen bitmap of the source"
equal "5" "$(dirty_granules source vda new)" "the recording bitmap of the source"
ok "a closed port and an unknown name are tried until the time is over"

start_vm
wait_for 30 in_log source 'SWEEPING -> OFFERING'
begin_daemon dest
expect_vm
install
ok "a destination that comes late is found"

# A crowd that never says a word, and one that dribbles bytes: none keeps its place, or ours.
fds() {
    ls "/proc/${daemon[dest]}/fd" | wc -l
}
kbytes() {
    awk '/^VmRSS:/ { print $2 }' "/proc/${daemon[dest]}/status"
}
before=$(fds)
kbytes_before=$(kbytes)
exec {dribble}<>"/dev/tcp/127.0.0.1/$port"
(trap '' PIPE && while printf '\0' >&"$dribble"; do sleep 0.1; done) 2>/dev/null &
bf_children+=("$!")
run_child "$BF_BUILD/test/crowd" "$port" 5000 >"$scratch/crowd"
wait_for 60 grep -q '^5000 connections' "$scratch/crowd"
[ "$(fds)" -le $((before + 64)) ] || die "$(fds) descriptors, and $before before the crowd came"
[ "$(kbytes)" -le $((kbytes_before + 8192)) ] || die "$(kbytes) KiB, and $kbytes_before before the crowd came"
order dest list >/dev/null
equal installed "$(order dest status --json "$arriving" | jq -r '.moves[0].milestones[-1]')" "the move, in the crowd"
switch_over
settle_in_the_crowd() {
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
}
settle_in_the_crowd
equal "5 6 7 9" "$(dirty_granules dest vda new)" "the bitmap"
wait_for 30 in_log dest 'was not let in: .*(time|greet)'
no_crowd() {
    [ "$(fds)" -le "$before" ]
}
wait_for 30 no_crowd
[ "$(grep -c 'was not let in' "$scratch/dest.log")" -le 20 ] || die "the crowd fills the log"
nothing_left "in a crowd"
ok "a crowd in front of the port holds nobody up, and is gone after a while"
