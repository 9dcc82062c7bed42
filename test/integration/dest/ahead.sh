#!/bin/bash
# The destination loads a bitmap while the source reads the next: the source stands still with one of three
# carriers written.  Killed there, or out of room, what can come does, and the end is the same.
. "$(dirname "$0")/lib.sh"
each goes-on source-killed dest-killed no-room

# loaded: how many snapshots are in the destination's QEMU
loaded() {
    ours dest | grep -c '\.loaded\.' || true
}

begin_pair
# Where QEMU keeps carriers open (src/source/prepare.c) their room is not given back for the delta's.
kept_open=no
! stores_open || kept_open=yes
qmp source block-dirty-bitmap-remove '{"node":"vda","name":"old"}'
add_bitmap source vda second recording persistent
guest_writes source vda 11
add_bitmap source vda third recording persistent
guest_writes source vda 13
configure source
configure dest
if [ "$BF_CASE" = no-room ]; then
    mkdir "$scratch/small"
    mount -t tmpfs -o size=512k,mode=0700 tmpfs "$scratch/small"
    sed -i "s|^carrier_dir = .*|carrier_dir = $scratch/small|" "$scratch/source.conf"
fi
begin_daemon dest
begin_daemon source BITFERRY_FAIL_POINT=source.served:stop
start_move
way_copy
wait_for 30 stopped source
wait_for 30 is 1 loaded
is pulling phase dest "$arriving" || die "the destination is $(phase dest "$arriving")"
guest_writes source vda 15

case $BF_CASE in
goes-on) kill -CONT "${daemon[source]}" ;;
source-killed)
    kill_daemon source
    begin_daemon source
    ;;
dest-killed)
    kill_daemon dest
    begin_daemon dest
    kill -CONT "${daemon[source]}"
    ;;
no-room)
    dd if=/dev/zero of="$scratch/small/filler" bs=4k status=none 2>/dev/null || true
    kill -CONT "${daemon[source]}"
    ;;
esac
go_on() {
    kill -CONT "${daemon[source]}" # a new epoch stops there too
    reached source "$leaving" installed
}
wait_for 60 go_on
switch_over
wait_for 60 ended dest "$arriving" committed
wait_for 60 ended source "$leaving" committed
declare -A written=([new]="5 9 11 13 15" [second]="9 11 13 15" [third]="9 13 15")
carried=0
for bitmap in new second third; do
    if [ "$(row dest $bitmap)" = carried ]; then
        equal "${written[$bitmap]}" "$(dirty_granules dest vda $bitmap)" "$bitmap"
        carried=$((carried + 1))
    else
        [[ $kept_open-$(row dest $bitmap) = @(*-dropped PULL_FAILED|yes-dropped SERVE_FAILED) ]] ||
            die "$bitmap: $(row dest $bitmap)"
        equal "" "$(bitmap dest vda $bitmap)" "$bitmap at the destination"
    fi
done
case $BF_CASE-$kept_open in
no-room-yes) equal 0 $carried "bitmaps carried" ;;
no-room-no) equal 1 $carried "bitmaps carried" ;;
*) equal 3 $carried "bitmaps carried" ;;
esac
nothing_left "$BF_CASE"
[ ! -d "$scratch/small" ] || equal filler "$(ls -A "$scratch/small")" "what is left in the full folder"
ok "$BF_CASE"
