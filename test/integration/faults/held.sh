#!/bin/bash
# While the guest migrates its recording bitmaps are not in the source's QEMU; frozen ones are.  If it stays, they
# are there again, with all that was written meanwhile, whoever is killed on the way (FAULTS.md, 1 to 3, 20); what
# QEMU takes along when it ends is told.  If it goes, each arrives as it was, but for one that was switched on (34).
. "$(dirname "$0")/../dest/lib.sh"

# Machines with memory, which takes its time.
way_qemu() {
    qemu "$1" -machine pc -m 64 "${@:4}"
    qmp "$1" migrate-set-parameters '{"max-bandwidth":4096,"downtime-limit":1}'
}

# A bitmap of which the move does not know records what "new" has to.
add_witness() {
    add_bitmap source vda witness recording transient
    qmp source block-dirty-bitmap-merge '{"node":"vda","target":"witness","bitmaps":["new"]}'
}

# go GRANULE [OPTION...]: until the bitmaps are installed, then a migration begins
go() {
    local at=$1
    shift
    : >"$scratch/source.log"
    start_move "$@"
    wait_move source "$leaving" installed
    add_witness
    guest_writes source vda "$at"
    qmp source migrate "{\"uri\":\"${uri:-exec:cat >/dev/null}\"}"
}

# held WHAT GRANULE
held() {
    equal "" "$(bitmap source vda new)" "$1: the recording bitmap while the guest migrates"
    equal "$old" "$(digest_in source old)" "$1: the frozen bitmap while the guest migrates"
    guest_writes source vda "$2"
}

# hold WHAT GRANULE GRANULE
hold() {
    go "$2"
    wait_for 30 in_log source 'HOLDING -> INSTALLED'
    held "$1" "$3"
}

cancel() {
    qmp source migrate_cancel
    wait_for 30 is cancelled migration source
}

# back WHAT STATE: the move has ended so, and the bitmaps are what they would be without it
back() {
    wait_for 60 ended source "$leaving" "$2"
    wait_for 60 ended dest "$arriving" failed
    clean source
    clean dest
    guest_writes source vda 40
    equal "$(digest_in source witness)" "$(digest_in source new)" "$1: the recording bitmap"
    equal "$old" "$(digest_in source old)" "$1: the frozen bitmap"
    equal "true true $(bitmap source vda witness | jq .count)" \
        "$(bitmap source vda new | jq -r '"\(.persistent) \(.recording) \(.count)"')" "$1: the recording bitmap"
    equal "true false" "$(bitmap source vda old | jq -r '"\(.persistent) \(.recording)"')" "$1: the frozen bitmap"
    qmp source block-dirty-bitmap-remove '{"node":"vda","name":"witness"}'
    ok "$1"
}

# daemon_with POINT kill|stop: the source's, to which that happens there
daemon_with() {
    kill_daemon source
    begin_daemon source "BITFERRY_FAIL_POINT=$1:$2"
}

killed() {
    wait_for 60 dead source
    wait "${daemon[source]}" 2>/dev/null || true
}

# note BITMAP
note() {
    order source status --json "$leaving" |
        jq -r --arg name "$1" '.moves[0].bitmaps[] | select(.bitmap==$name) | .note // "" | split(":")[0]'
}

begin_pair
begin_daemons
way_copy
old=$(digest_in source old)

hold "the migration is cancelled" 10 11
cancel
back "the migration is cancelled" failed

# What a user has removed or changed before is left as it is, and is not put back either.
add_bitmap source vda removed recording persistent
add_bitmap source vda merged recording persistent
: >"$scratch/source.log"
start_move
wait_move source "$leaving" installed
add_witness
qmp source block-dirty-bitmap-remove '{"node":"vda","name":"removed"}'
qmp source block-dirty-bitmap-merge '{"node":"vda","target":"merged","bitmaps":["old"]}'
guest_writes source vda 8
qmp source migrate '{"uri":"exec:cat >/dev/null"}'
wait_for 30 in_log source 'HOLDING -> INSTALLED'
held "two were changed" 9
equal "1 2 3 8 9" "$(dirty_granules source vda merged)" "the one that was changed, while the guest migrates"
cancel
back "two were changed" failed
equal "" "$(bitmap source vda removed)" "the one that was removed"
equal "1 2 3 8 9 40" "$(dirty_granules source vda merged)" "the one that was changed"
qmp source block-dirty-bitmap-remove '{"node":"vda","name":"merged"}'

hold "the move is aborted" 12 13
order source abort --quiet "$leaving"
back "the move is aborted" aborted
cancel

daemon_with source.marked kill
go 14
killed
equal "true $old" "$(bitmap source vda new | jq .recording) $(digest_in source old)" "killed when they were marked"
begin_daemon source BITFERRY_FAIL_POINT=source.held:kill
killed
held "killed when they were taken" 15
begin_daemon source
wait_for 60 in_log source 'HOLDING -> INSTALLED' # put back, carried and taken once more
held "killed when they were taken" 16
cancel
back "killed when they were taken" failed

daemon_with source.put_back kill
hold "killed when they are put back" 17 18
cancel
killed
begin_daemon source
back "killed when they are put back" failed

go 19 --no-hold
wait_for 30 in_log source 'HOLDING -> INSTALLED'
equal 2 "$( (bitmap source vda new && bitmap source vda old) | wc -l)" "bitmaps in QEMU with --no-hold"
guest_writes source vda 20
cancel
back "not taken" failed

end_qemu source
qemu-img check -q "$image_source" || die "the source's image is damaged"
equal "stored: 5 8 9 10 11 12 13 14 15 16 17 18 19 20 40" "$(stored_granules "$image_source" new)" "stored at the end"
equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "stored at the end"

# source_again: another QEMU on its image
source_again() {
    rm -f "$scratch"/source.pipe.*
    way_qemu source "$image_source" qcow2
    guest_disk source vda "$image_source" qcow2
    way_copy
}

# dest_again: another that waits for it, with an empty image
dest_again() {
    rm -f "$scratch"/dest.pipe.* "$scratch/dest.nbd"
    way_images
    way_qemu dest "$image_dest" "$format_dest" -incoming defer
    way_open
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
}

# Nothing can be put back into a QEMU that has ended.
source_again
hold "QEMU ends" 21 22
end_qemu source
wait_for 60 ended source "$leaving" failed
equal "null NOT_STORED" "$(note old) $(note new)" "what is said of the bitmap that is gone"
equal "" "$(stored_granules "$image_source" new)" "the recording bitmap in the image"
equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "the frozen bitmap in the image"
qemu-img check -q "$image_source" || die "the source's image is damaged"
ok "QEMU ends"

# fast: the migration comes to its end
fast() {
    qmp source migrate-set-parameters '{"max-bandwidth":4000000000,"downtime-limit":1000}'
    wait_for 60 is pre-switchover migration source
    way_complete
}

# Two frozen ones; somebody switches one of them on when it has been looked at, and before any is taken.
source_again
add_bitmap source vda new recording persistent
add_bitmap source vda on recording persistent
guest_writes source vda 4
qmp source block-dirty-bitmap-disable '{"node":"vda","name":"on"}'
daemon_with source.marked stop
capabilities source pause-before-switchover
uri="unix:$scratch/ram" go 25
wait_for 30 stopped source
qmp source block-dirty-bitmap-enable '{"node":"vda","name":"on"}'
guest_writes source vda 26
kill -CONT "${daemon[source]}"
wait_for 30 in_log source 'HOLDING -> INSTALLED'
held "switched on behind the look" 27
fast
wait_for 60 ended source "$leaving" committed
wait_for 60 ended dest "$arriving" committed
equal "dropped BITMAP_SWITCHED_ON dropped BITMAP_SWITCHED_ON" "$(row source on) $(row dest on)" "the one that was switched on"
equal "" "$(bitmap dest vda on)" "the one that was switched on"
equal "carried $old false" "$(row dest old) $(digest_in dest old) $(bitmap dest vda old | jq .recording)" "the frozen bitmap"
equal "carried $(digest_in source witness) true" \
    "$(row dest new) $(digest_in dest new) $(bitmap dest vda new | jq .recording)" "the recording bitmap"
equal "4 25 26 27" "$(dirty_granules dest vda new)" "the recording bitmap"
nothing_left "switched on behind the look"
end_qemu source
end_qemu dest
ok "switched on behind the look"

# The guest has left already, and the destination is lost: QEMU has let go of the image.
dest_again
source_again
add_bitmap source vda old recording persistent
guest_writes source vda 1 2 3
qmp source block-dirty-bitmap-disable '{"node":"vda","name":"old"}'
add_bitmap source vda new recording persistent
kill_daemon source
begin_daemon source
kill_daemon dest
begin_daemon dest BITFERRY_FAIL_POINT=dest.committing:stop
capabilities source pause-before-switchover
uri="unix:$scratch/ram" hold "the guest has left" 23 24
fast
wait_for 60 stopped dest
end_qemu dest KILL
kill -CONT "${daemon[dest]}"
wait_for 60 ended source "$leaving" failed
clean source
equal "$(digest_in source witness)" "$(digest_in source new)" "the recording bitmap of the guest that has left"
end_qemu source
equal "stored: 23 24" "$(stored_granules "$image_source" new)" "stored when the guest has left"
equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "stored when the guest has left"
qemu-img check -q "$image_source" || die "the source's image is damaged"
ok "the guest has left"
