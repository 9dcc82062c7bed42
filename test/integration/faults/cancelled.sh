#!/bin/bash
# The migration is cancelled or fails: the guest stays, so do its bitmaps, and nothing is left at either side
# (FAULTS.md, 20, 26, 27).  Before all is installed: faults/steps.
. "$(dirname "$0")/../dest/lib.sh"
each installed paused twice failed postcopy resumed

# kept REASON: both gave up because of that
kept() {
    wait_for 60 ended source "$leaving" failed
    order source status "$leaving" | grep -q MIGRATION_FAILED || die "$(order source status "$leaving")"
    wait_for 60 ended dest "$arriving" failed
    no_carriers || die "carriers are left"
    clean source
    equal "" "$(pgrep -P "${daemon[source]}" || true)" "children of bitferry-source"
    equal "1 2 3" "$(dirty_granules source vda old)" "the frozen bitmap of the source"
    guest_writes source vda 60
    is "60" grep -ow 60 <<<"$(dirty_granules source vda new)" || die "the source's bitmap does not record"
}

# stored WHAT-NEW: a clean end of the source's QEMU still stores them
stored() {
    end_qemu source
    equal "stored: 1 2 3" "$(stored_granules "$image_source" old)" "the frozen bitmap in the image"
    equal "stored: $1" "$(stored_granules "$image_source" new)" "the recording bitmap in the image"
}

cancel() {
    qmp source migrate_cancel
    wait_for 30 is cancelled migration source
    wait_for 30 is running run_state source
}

# A stream that goes nowhere: the guest is not at the destination when it is cancelled.
begin_stream() {
    capabilities source pause-before-switchover
    qmp source migrate '{"uri":"exec:cat >/dev/null"}'
    wait_for 60 is pre-switchover migration source
}

# Machines with memory, which comes behind the guest, and slowly.
with_postcopy() {
    way_qemu() {
        qemu "$1" -machine pc -m 64 "${@:4}"
        capabilities "$1" postcopy-ram
    }
    way_migrate() {
        capabilities source pause-before-switchover
        # Slow before, too: else it may be over before postcopy is asked for
        qmp source migrate-set-parameters '{"max-bandwidth":4096,"max-postcopy-bandwidth":4096}'
        qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
        qmp source migrate-start-postcopy
        wait_for 60 is pre-switchover migration source
    }
}

case $BF_CASE in
installed) # and the copying goes on
    begin_move
    install
    begin_stream
    wait_for 30 in_log source 'INSTALLED -> EXAMINING'
    cancel
    kept
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
    clean dest
    stored "5 6 7 60"
    ;;
paused) # the mirror was ended already
    begin_move
    install
    way_migrate
    qmp source block-job-cancel '{"device":"copy"}'
    wait_for 60 no_job source
    cancel
    kept
    stored "5 6 7 60"
    ;;
twice) # and the next try arrives
    begin_move
    install
    begin_stream
    cancel
    kept
    qmp source block-job-cancel '{"device":"copy"}'
    wait_for 60 no_job source
    qmp source blockdev-del '{"node-name":"peer"}'
    start_move
    install
    switch_over
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal "5 6 7 9 60" "$(dirty_granules dest vda new)" "the recording bitmap"
    equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
    nothing_left "$BF_CASE"
    ;;
failed) # the destination's QEMU dies while it takes the guest over: it goes on at the source
    begin_move
    install
    way_migrate
    qmp source block-job-cancel '{"device":"copy"}'
    wait_for 60 no_job source
    end_qemu dest KILL
    qmp source migrate-continue '{"state":"pre-switchover"}' || true
    wait_for 60 is failed migration source
    wait_for 30 is running run_state source
    kept
    stored "5 6 7 60"
    ;;
postcopy) # the guest runs there, but its memory will never come: it is lost, and no bitmap of it is left
    with_postcopy
    begin_move BITFERRY_FAIL_POINT=dest.committing:stop
    install
    way_migrate
    qmp source block-job-cancel '{"device":"copy"}'
    wait_for 60 no_job source
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is postcopy-active migration source
    wait_for 60 stopped dest
    end_qemu dest KILL
    kill -CONT "${daemon[dest]}"
    wait_for 60 ended dest "$arriving" failed
    order dest status "$arriving" | grep -q DEST_QEMU_GONE || die "$(order dest status "$arriving")"
    wait_for 60 ended source "$leaving" failed
    equal "" "$(stored_granules "$image_dest" new)$(stored_granules "$image_dest" old)" \
        "usable bitmaps in the destination's image"
    no_carriers || die "carriers are left"
    equal "" "$(ours source)" "temporaries at the source"
    ;;
resumed) # the destination has committed, and then somebody lets the guest go on at the source after all
    begin_move BITFERRY_FAIL_POINT=dest.committed:stop
    install
    switch_over
    wait_for 60 stopped dest
    [ -n "$(bitmap dest vda new)" ] || die "nothing was published"
    qmp dest stop
    qmp source cont
    wait_for 30 is running run_state source
    kill -CONT "${daemon[dest]}"
    wait_for 60 ended source "$leaving" failed
    wait_for 60 ended dest "$arriving" failed
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
    clean dest
    clean source
    equal "1 2 3" "$(dirty_granules source vda old)" "the frozen bitmap of the source"
    guest_writes source vda 60
    stored "5 6 7 60"
    ;;
esac
ok "$BF_CASE"
