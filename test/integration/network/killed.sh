#!/bin/bash
# A bitmap is half way over a slow link when nbdkit or a daemon is killed: what has come is not taken for the whole, it
# is read again, and arrives as it was (FAULTS.md, 2, 4, 9).
. "$(dirname "$0")/lib.sh"
at_once nbdkit source dest

disk_size=$((16 << 30))
begin_pair
begin_hosts
many_bits
begin_daemons
digest=$(digest_in source many)

nbdkits() {
    pgrep -P "${daemon[source]}" nbdkit
}
no_nbdkit() {
    ! pgrep -f "nbdkit .*$scratch" >/dev/null
}

slow source 512kbit
start_move
wait_for 30 half_way
equal "" "$(bitmap dest vda many)$(ours dest)" "what the destination's QEMU has of it"
case $BF_CASE in
nbdkit) kill -9 "$(nbdkits)" ;;
*)
    kill_daemon "$BF_CASE"
    [ "$BF_CASE" != source ] || wait_for 10 no_nbdkit
    begin_daemon "$BF_CASE"
    ;;
esac
on source tc qdisc del dev wire root
install
switch_over
wait_for 60 ended dest "$arriving" committed
equal "$digest" "$(digest_in dest many)" "the bitmap that was cut in the middle"
settle "killed half way: $BF_CASE"
ok "killed half way: $BF_CASE"
