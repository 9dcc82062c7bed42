#!/bin/bash
# An allocation fails in one of the daemons, early or late in a move: an error that is told, or an end that the
# next start mends; never half a bitmap (FAULTS.md, 11).
. "$(dirname "$0")/../dest/lib.sh"

tries=${BF_TRIES:-4}
configure_both() {
    configure source 'peer_timeout_s = 2' 'expect_timeout_s = 5'
    configure dest 'peer_timeout_s = 2' 'expect_timeout_s = 5' 'pull_timeout_s = 2'
}

# launch SIDE VARIABLE=VALUE...: it may end at once
launch() {
    local side=$1
    shift
    : >"$scratch/$side.log"
    run_child env LD_PRELOAD="$BF_BUILD/test/malloc_fails.so" "$@" "$BF_BUILD/bitferry-$side" \
        --config "$scratch/$side.conf" 2>>"$scratch/$side.log"
    daemon[$side]=$child
    wait_for 30 ready_or_dead "$side"
}

ready_or_dead() {
    in_log "$1" 'ready at' || dead "$1"
}

# all_ended SIDE: no move is under way there
all_ended() {
    order "$1" list --json | jq -e 'all(.moves[]; .state != "under-way")' >/dev/null
}

# far_enough: as far as the move comes
far_enough() {
    dead source || dead dest || reached source "$leaving" installed ||
        all_ended source || [ "$SECONDS" -ge "$patience" ]
}

# round SIDE VARIABLE=VALUE...: a move in which this daemon has these variables, until it is installed or not
round() {
    local side=$1 other=source id
    [ "$side" = dest ] || other=dest
    begin_daemon "$other"
    launch "$@"
    leaving='' arriving=''
    expect_vm 2>/dev/null || true
    start_vm 2>/dev/null || true
    patience=$((SECONDS + 8))
    [ -z "$leaving" ] || wait_for 30 far_enough
}

# mend: whoever has died comes back; all is given up, and nothing may be left
mend() {
    local side id
    for side in source dest; do
        dead "$side" || continue
        wait "${daemon[$side]}" 2>/dev/null || true
        begin_daemon "$side"
    done
    for side in source dest; do
        for id in $(order "$side" list --json | jq -r '.moves[] | select(.state=="under-way").id'); do
            order "$side" abort "$id" >/dev/null || true
        done
    done
    wait_for 30 all_ended source
    wait_for 30 all_ended dest
    equal "1 2 3" "$(dirty_granules source vda old)" "$1: the frozen bitmap of the source"
    equal "5" "$(dirty_granules source vda new)" "$1: the recording bitmap of the source"
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "$1: final names at the destination"
    clean source
    clean dest
    no_carriers || die "$1: carriers are left: $(ls -R "$scratch/carriers")"
}

stop_both() {
    local side
    for side in source dest; do
        kill "${daemon[$side]}"
        wait "${daemon[$side]}" || die "exit $? of bitferry-$side: $(tail -n 5 "$scratch/$side.log")"
    done
}

begin_pair
configure_both
way_copy
for side in source dest; do
    round "$side" BITFERRY_MALLOC_COUNT="$scratch/count"
    reached source "$leaving" installed || die "not installed"
    mend "without a fault"
    stop_both
    total=$(cat "$scratch/count")
    [ "$total" -gt 1000 ] || die "$total allocations are too few"
    for at in $(seq "$tries"); do
        number=$((total * at / (tries + 1) + RANDOM % 100))
        round "$side" BITFERRY_MALLOC_FAILS="$number"
        mend "bitferry-$side, allocation $number of $total"
        stop_both
    done
    ok "bitferry-$side lives or is mended: $tries of $total allocations"
done
