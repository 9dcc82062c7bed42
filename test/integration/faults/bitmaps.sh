#!/bin/bash
# What can be wrong with a bitmap, or become of it on the way: it is dropped by name, with the reason, and the
# others arrive whole (FAULTS.md, 33 to 37).
. "$(dirname "$0")/../dest/lib.sh"
each before between merged-and-gone busy busy-for-long taken refused

bitmap_gone() {
    qmp source block-dirty-bitmap-remove "{\"node\":\"vda\",\"name\":\"$1\"}"
}

switch_bitmap() {
    qmp source "block-dirty-bitmap-$2" "{\"node\":\"vda\",\"name\":\"$1\"}"
}

# export_bitmap SIDE NAME: somebody reads it, so it is busy
export_bitmap() {
    qmp "$1" nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$scratch/busy\"}}}"
    qmp "$1" block-export-add "{\"type\":\"nbd\",\"id\":\"busy\",\"node-name\":\"vda\",\"name\":\"busy\",\"bitmaps\":[{\"node\":\"vda\",\"name\":\"$2\"}]}"
}

committed() {
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
}

# dropped BITMAP REASON: both say so, the destination has none of that name
dropped() {
    equal "dropped $2" "$(row dest "$1")" "$1, says the destination"
    equal "dropped $2" "$(row source "$1")" "$1, says the source"
    equal "" "$(bitmap dest vda "$1")" "$1 at the destination"
}

# arrived BITMAP GRANULES
arrived() {
    equal "carried" "$(row dest "$1")" "$1"
    equal "$2" "$(dirty_granules dest vda "$1")" "$1"
}

# An image that the QEMU before did not close.
crashed_image() {
    way_images
    qemu-img bitmap --add -g "$granule" "$image_source" broken
    bash -c 'qemu-io -c "write -P 7 0 64k" -c abort "$0"; true' "$image_source" >/dev/null 2>&1
}

case $BF_CASE in
before) # an inconsistent one; and one of a name that is ours
    crashed_image
    way_images() { :; }
    begin_pair
    equal true "$(bitmap source vda broken | jq .inconsistent)" "is it inconsistent"
    add_bitmap source vda "bitferry-tmp.mine" recording persistent
    begin_daemons
    start_move
    install
    switch_over
    committed
    arrived new "5 6 7 9"
    arrived old "1 2 3"
    dropped broken BITMAP_INCONSISTENT
    dropped bitferry-tmp.mine NAME_RESERVED
    equal 3 "$(order source status --json "$leaving" | jq '.moves[0].exit')" "exit code"
    ;;
between) # the snapshot and the switchover
    begin_pair
    for name in gone cleared rewritten off on changed merged hidden; do
        add_bitmap source vda "$name" recording persistent
    done
    guest_writes source vda 20 21 22 23 24
    switch_bitmap on disable
    switch_bitmap changed disable
    begin_daemons
    start_move
    way_copy
    wait_move source "$leaving" installed
    bitmap_gone gone
    qmp source block-dirty-bitmap-clear '{"node":"vda","name":"cleared"}'
    qmp source block-dirty-bitmap-clear '{"node":"vda","name":"rewritten"}'
    switch_bitmap off disable
    switch_bitmap on enable
    qmp source block-dirty-bitmap-merge '{"node":"vda","target":"changed","bitmaps":["new"]}'
    qmp source block-dirty-bitmap-merge '{"node":"vda","target":"merged","bitmaps":["new"]}'
    qmp source block-dirty-bitmap-merge '{"node":"vda","target":"hidden","bitmaps":["old"]}'
    add_bitmap source vda appeared recording persistent
    # With those that are written a second time "rewritten" has as many as at first, and "hidden" less than what it
    # had and what was written together.
    guest_writes source vda 6 20 21 22 23
    qmp source block-dirty-bitmap-clear '{"node":"vda","name":"cleared"}'
    switch_over
    committed
    arrived new "5 6 9 20 21 22 23 24"
    arrived old "1 2 3"
    dropped gone BITMAP_VANISHED
    dropped cleared BITMAP_CLEARED
    dropped rewritten BITMAP_CLEARED
    dropped off BITMAP_SWITCHED_OFF
    dropped on BITMAP_SWITCHED_ON
    dropped changed BITMAP_CHANGED
    dropped merged BITMAP_CHANGED
    dropped hidden BITMAP_CHANGED
    equal "dropped BITMAP_APPEARED" "$(row source appeared)" "the one that appeared"
    equal "" "$(bitmap dest vda appeared)" "at the destination"
    ;;
merged-and-gone) # what was seen when the others were taken is not forgotten with the QEMU that showed it
    way_qemu() { qemu "$1" -machine pc -m 64 "${@:4}"; } # with memory, which takes its time
    begin_pair
    qmp source migrate-set-parameters '{"max-bandwidth":4096,"downtime-limit":1}'
    capabilities source pause-before-switchover
    add_bitmap source vda hidden recording persistent
    guest_writes source vda 20 21 22 23 24
    configure source
    configure dest
    begin_daemon dest
    begin_daemon source BITFERRY_FAIL_POINT=source.held:stop
    start_move
    way_copy
    wait_move source "$leaving" installed
    qmp source block-dirty-bitmap-merge '{"node":"vda","target":"hidden","bitmaps":["old"]}'
    guest_writes source vda 20 21 22 23
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 30 stopped source
    qmp source migrate-set-parameters '{"max-bandwidth":4000000000,"downtime-limit":1000}'
    wait_for 60 is pre-switchover migration source
    way_complete
    wait_for 60 is running run_state dest
    end_qemu source KILL
    kill -CONT "${daemon[source]}"
    committed
    arrived new "5 20 21 22 23 24"
    arrived old "1 2 3"
    dropped hidden BITMAP_CHANGED
    clean dest
    ok "$BF_CASE"
    exit 0
    ;;
busy) # for a while: it is waited for
    begin_pair
    begin_daemons
    export_bitmap source new
    start_move
    way_copy
    wait_for 30 in_log source '-> SNAPPING$'
    qmp source block-export-del '{"id":"busy"}'
    wait_move source "$leaving" installed
    switch_over
    committed
    arrived new "5 9"
    arrived old "1 2 3"
    ;;
busy-for-long)
    begin_pair
    begin_daemons 'busy_timeout_s = 1'
    export_bitmap source new
    start_move
    way_copy
    wait_move source "$leaving" installed
    qmp source block-export-del '{"id":"busy"}'
    switch_over
    committed
    dropped new BITMAP_BUSY
    arrived old "1 2 3"
    ;;
taken) # a bitmap of that name is made at the destination just before the commit: the transaction is refused
    begin_move BITFERRY_FAIL_POINT=dest.committing:stop
    install
    switch_over
    wait_for 30 stopped dest
    add_bitmap dest vda new recording persistent
    kill -CONT "${daemon[dest]}"
    go_on() {
        kill -CONT "${daemon[dest]}" # it stops there again
        in_log dest 'ended -> committed'
    }
    wait_for 60 go_on
    wait_for 60 ended source "$leaving" committed
    equal "dropped NAME_TAKEN" "$(row dest new)" "what is told of it"
    equal "" "$(dirty_granules dest vda new)" "the one that is not ours"
    arrived old "1 2 3"
    ;;
refused) # a bitmap goes between the look and the transaction, which must leave nothing
    begin_pair
    configure source
    configure dest
    begin_daemon dest
    begin_daemon source BITFERRY_FAIL_POINT=source.begun:stop
    start_move
    wait_for 30 stopped source
    bitmap_gone old
    kill -CONT "${daemon[source]}"
    install
    switch_over
    committed
    dropped old BITMAP_VANISHED
    arrived new "5 6 7 9"
    ;;
esac
nothing_left "$BF_CASE"
ok "$BF_CASE"
