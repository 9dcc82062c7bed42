#!/bin/bash
# Ends other than the good one, and what is told of them: nothing that misses a block is ever published.
. "$(dirname "$0")/lib.sh"
each abort abort-killed qemu-lost late gap damaged bare raw

both_failed() {
    wait_for 60 revived_and ended dest "$arriving" "$1"
    wait_for 60 revived_and ended source "$leaving" failed
}

case $BF_CASE in
abort)
    begin_move
    install
    order dest abort "$arriving" >/dev/null
    both_failed aborted
    source_kept "$BF_CASE"
    ;;
abort-killed) # while it is given up: it is given up after the restart
    revive() {
        dead dest || return 0
        wait "${daemon[dest]}" 2>/dev/null || true
        begin_daemon dest
    }
    begin_move BITFERRY_FAIL_POINT=dest.aborting:kill
    install
    order dest abort "$arriving" >/dev/null 2>&1 || true
    wait_for 30 dead dest
    both_failed aborted
    source_kept "$BF_CASE"
    ;;
qemu-lost)
    begin_move
    install
    way_migrate
    end_qemu dest KILL
    wait_for 60 ended dest "$arriving" failed
    order dest status "$arriving" | grep -q DEST_QEMU_GONE || die "$(order dest status "$arriving")"
    no_carriers || wait_for 30 no_carriers
    ;;
late) # nobody was expecting before the guest ran there: what was written meanwhile nobody has seen
    begin_pair
    begin_daemons
    way_copy
    way_migrate
    way_complete
    wait_for 60 is running run_state dest
    expect_vm
    equal "" "$(bitmap dest vda new)" "a bitmap nobody carried"
    wait_for 30 is 'waiting for the source' phase dest "$arriving"
    order dest abort "$arriving" >/dev/null
    wait_for 30 ended dest "$arriving" aborted
    clean dest
    ;;
gap) # trackers come when the guest has written there already: nobody knows what it wrote before
    begin_move BITFERRY_FAIL_POINT=dest.arming:stop
    way_copy
    wait_for 30 stopped dest
    way_migrate
    way_complete
    wait_for 60 is running run_state dest
    guest_writes dest vda 9
    kill -CONT "${daemon[dest]}"
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal "dropped TRACKER_LATE" "$(row dest new)" "what is told of the recording bitmap"
    equal "" "$(bitmap dest vda new)" "the recording bitmap"
    equal "carried: 1 2 3" "$(row dest old): $(dirty_granules dest vda old)" "the frozen bitmap"
    nothing_left "$BF_CASE"
    ;;
damaged | bare) # a carrier of one bitmap is damaged between the check and the load, or loses its bits: that one is dropped
    begin_move BITFERRY_FAIL_POINT=dest.checked:stop
    wait_for 30 stopped dest
    carrier=$(find "$scratch/carriers/bitferry-$arriving" -name '*.qcow2')
    if [ "$BF_CASE" = damaged ]; then
        reason=LOAD_REFUSED
        truncate -s 0 "$carrier"
    else # as one is that was made without its TRIMs: whole, and clean
        reason=DIGEST_MISMATCH
        name=$(qemu-img info --output=json "$carrier" | jq -r '."format-specific".data.bitmaps[].name')
        qemu-img bitmap --clear "$carrier" "$name"
        qemu-img check -q "$carrier" || die "it is to be without fault"
    fi
    kill -CONT "${daemon[dest]}"
    way_copy
    resume() {
        kill -CONT "${daemon[dest]}" # the next rounds stop there again
        in_log source '-> INSTALLED'
    }
    wait_for 30 resume
    switch_over
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal "" "$(bitmap dest vda old)" "the bitmap of the damaged carrier"
    equal "dropped $reason" "$(row dest old)" "what is told of it"
    equal "5 9" "$(dirty_granules dest vda new)" "the other one"
    ;;
raw) # and the VM is called otherwise there
    layers=raw
    vm=renamed begin_move
    install
    switch_over
    wait_for 60 ended dest "$arriving" committed
    equal "5 6 7 9" "$(dirty_granules dest vda new)" "the bitmap"
    is false jq .persistent <<<"$(bitmap dest vda new)" || die "it cannot be persistent"
    order dest status --json "$arriving" | jq -e '.moves[0].bitmaps[] | select(.bitmap=="new").note |
        test("transient here")' >/dev/null || die "nobody says that it is transient"
    ;;
esac
ok "$BF_CASE"
