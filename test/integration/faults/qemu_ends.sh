#!/bin/bash
# A QEMU that ends in the middle of a move, at either side: nothing half-made is published, the reason is told,
# and what takes over its socket is not touched (FAULTS.md, 16 to 19, 21, 42, 43).
. "$(dirname "$0")/../dest/lib.sh"
each source-killed source-killed-travelling source-quits-early source-quits-waiting source-killed-paused source-left source-left-examined \
    dest-quits dest-killed-catching-up dest-killed-committed dest-killed-unread dest-reopened dest-no-room other-vm

# failed SIDE REASON: that side says so
failed() {
    local id=$arriving
    [ "$1" = dest ] || id=$leaving
    wait_for 60 ended "$1" "$id" failed
    order "$1" status "$id" | grep -qE "$2" || die "$1 does not say $2: $(order "$1" status "$id")"
}

# source_lost: its QEMU is gone; the destination has nothing, and nothing is left
source_lost() {
    # The destination's QEMU may notice first, by its migration that fails
    failed source 'SOURCE_QEMU_GONE|the destination says: the guest stays on the source'
    failed dest 'QEMU on the source ended|DEST_QEMU_GONE|MIGRATION_FAILED'
    [ -z "${qemu_pid[dest]:-}" ] ||
        equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
    [ -z "${qemu_pid[dest]:-}" ] || clean dest
    no_carriers || die "carriers are left"
    equal "" "$(pgrep -P "${daemon[source]}" || true)" "children of bitferry-source"
}

# The source's QEMU is gone, its image can be used: everything is carried, no copy is left.
carried_without_source() {
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal "5 6 7 9" "$(dirty_granules dest vda new)" "the recording bitmap"
    equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
    equal null "$(qemu-img info --output=json "$image_source" | jq -c '."format-specific".data.bitmaps')" \
        "bitmaps left in the source's image"
    qemu-img check -q "$image_source"
}

case $BF_CASE in
source-killed) # before the switchover
    begin_move
    install
    end_qemu source KILL
    source_lost
    # QEMU had it open: nobody may use what is in the image
    qemu-img info --output=json "$image_source" | jq -e '."format-specific".data.bitmaps // [] |
        all(.[]; .flags | index("in-use"))' >/dev/null || die "a bitmap of the killed QEMU looks good"
    ;;
source-killed-travelling) # the destination has one of the snapshots
    snapshots=early
    begin_move BITFERRY_FAIL_POINT=dest.early:stop:2
    wait_for 30 stopped dest
    end_qemu source KILL
    kill -CONT "${daemon[dest]}"
    source_lost
    equal "" "$(stored_granules "$image_source" new)$(stored_granules "$image_source" old)" "usable bitmaps in the image"
    ;;
source-quits-early) # cleanly, while it is waited for the mirror: its image keeps the bitmaps
    begin_move
    wait_for 30 in_log source '-> AWAITING_READY'
    end_qemu source
    source_lost
    equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "the frozen bitmap in the image"
    equal "stored: 5" "$(stored_granules "$image_source" new)" "the recording bitmap in the image"
    ;;
source-quits-waiting) # while everything is installed
    begin_move
    install
    qmp source block-job-cancel '{"device":"copy","force":true}'
    end_qemu source
    source_lost
    equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "the frozen bitmap in the image"
    equal "stored: 5 6 7" "$(stored_granules "$image_source" new)" "the recording bitmap in the image"
    ;;
source-killed-paused)
    begin_move
    install
    way_migrate
    end_qemu source KILL
    wait "${qemu_pid[dest]}" 2>/dev/null || true # the stream has ended in the middle
    unset 'qemu_pid[dest]'
    source_lost
    ;;
source-left) # behind the switchover, before bitferry-source could look: the images hold what it must see
    begin_move
    install
    kill -STOP "${daemon[source]}"
    switch_over
    end_qemu source
    kill -CONT "${daemon[source]}"
    carried_without_source
    ;;
source-left-examined) # the guest is gone and sealed: nothing more is asked of the source's QEMU
    begin_pair
    configure source
    configure dest
    begin_daemon dest
    begin_daemon source BITFERRY_FAIL_POINT=source.sealed:stop
    start_move
    install
    switch_over
    wait_for 30 stopped source
    end_qemu source
    kill -CONT "${daemon[source]}"
    carried_without_source
    ;;
dest-quits)
    begin_move
    install
    end_qemu dest
    failed dest DEST_QEMU_GONE
    wait_for 60 ended source "$leaving" failed
    equal "1 2 3" "$(dirty_granules source vda old)" "the frozen bitmap of the source"
    clean source
    no_carriers || die "carriers are left"
    ;;
dest-killed-catching-up) # it has just loaded what was written meanwhile
    begin_move BITFERRY_FAIL_POINT=dest.early:stop:3
    way_copy
    wait_for 30 stopped dest
    digest=$(digest_in source new)
    end_qemu dest KILL
    kill -CONT "${daemon[dest]}"
    failed dest DEST_QEMU_GONE
    wait_for 60 ended source "$leaving" failed
    equal "$digest" "$(digest_in source new)" "digest of the source's bitmap"
    clean source
    no_carriers || die "carriers are left"
    ;;
dest-killed-committed) # what was carried was never stored: the image shows it, and no word says otherwise
    begin_move
    install
    switch_over
    settle "$BF_CASE"
    end_qemu dest KILL
    equal "" "$(stored_granules "$image_dest" new)$(stored_granules "$image_dest" old)" "usable bitmaps in the image"
    status=0
    "$BITFERRY" doctor "$image_dest" >"$scratch/doctor" 2>&1 || status=$?
    [ "$status" != 0 ] || die "doctor calls the image good: $(cat "$scratch/doctor")"
    ;;
dest-killed-unread) # its QEMU dies with the commit done and not read back: nobody says that it was carried
    begin_move BITFERRY_FAIL_POINT=dest.commit_sent:stop
    install
    switch_over
    wait_for 60 stopped dest
    end_qemu dest KILL
    kill -CONT "${daemon[dest]}"
    failed dest DEST_QEMU_GONE
    wait_for 60 ended source "$leaving" failed
    for side in source dest; do
        equal "" "$(for name in new old; do row "$side" "$name"; done | grep carried)" "what the $side says"
    done
    equal "" "$(stored_granules "$image_dest" new)$(stored_granules "$image_dest" old)" "usable bitmaps in the image"
    end_qemu source
    equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "the frozen bitmap in the source's image"
    equal "stored: 5 6 7" "$(stored_granules "$image_source" new)" "the recording bitmap in the source's image"
    ;;
dest-reopened) # what was carried is stored, and opened by another QEMU, which is killed
    begin_move
    install
    switch_over
    settle "$BF_CASE"
    end_qemu dest
    equal "stored: 5 6 7 9" "$(stored_granules "$image_dest" new)" "the recording bitmap in the image"
    equal "stored: 1 2 3" "$(stored_granules "$image_dest" old)" "the frozen bitmap in the image"
    rm "$scratch"/dest.pipe.*
    qemu dest -machine none
    plain_disk dest vda "$image_dest" qcow2
    guest_writes dest vda 30
    end_qemu dest KILL
    equal "" "$(stored_granules "$image_dest" new)$(stored_granules "$image_dest" old)" "usable bitmaps in the image"
    fails_with 4 'Remedy: take a full backup' "$BITFERRY" doctor "$image_dest"
    fails_with 4 'new +✗ full: BITMAP_INCONSISTENT' "$BITFERRY" doctor "$image_dest"
    ;;
dest-no-room) # QEMU cannot store what was carried, and ends with 0: the image shows it
    mkdir "$scratch/small"
    mount -t tmpfs -o size=8m tmpfs "$scratch/small"
    image_dest=$scratch/small/b.qcow2
    begin_move
    install
    switch_over
    settle "$BF_CASE"
    dd if=/dev/zero of="$scratch/small/filler" bs=4k status=none 2>/dev/null || true
    end_qemu dest
    equal "" "$(stored_granules "$image_dest" new)$(stored_granules "$image_dest" old)" "usable bitmaps in the image"
    fails_with 4 'full' "$BITFERRY" doctor "$image_dest"
    ;;
other-vm) # another VM at the socket: another QEMU, another UUID
    begin_move
    install
    end_qemu source KILL
    rm -f "$scratch/source.qmp" "$scratch"/source.pipe.*
    uuid=5c0ffee0-0000-4000-8000-0000000000ff way_qemu source "$scratch/other.qcow2" qcow2
    qemu-img create -q -f qcow2 "$scratch/other.qcow2" "$disk_size"
    plain_disk source vda "$scratch/other.qcow2" qcow2
    add_bitmap source vda new recording persistent
    add_bitmap source vda bitferry-tmp.theirs recording transient
    source_lost
    equal bitferry-tmp.theirs "$(ours source)" "bitmaps of the other VM"
    [ -n "$(bitmap source vda new)" ] || die "a bitmap of the other VM is gone"
    ;;
esac
ok "$BF_CASE"
