# shellcheck shell=bash
# What the tests of bitferry-dest share: a move step by step, through which the daemons may be killed.
#
#     begin_move [VARIABLE=VALUE...]   pair, daemons (bitferry-dest with these variables), a move begun
#     install                          copy until the bitmaps are installed
#     switch_over                      the guest goes to the destination
#     settle WHAT                      both sides have committed, exactly what was written is there
#
# Each step calls `revive` while it waits: a test says there what happens when a daemon is dead.

. "$(dirname "${BASH_SOURCE[0]}")/../faults/lib.sh"

revive() {
    :
}

# dead SIDE: killed, reaped or not
dead() {
    ! readlink -q "/proc/${daemon[$1]}/exe" >/dev/null
}

# stopped SIDE: by a fail point
stopped() {
    grep -q '^State:.*stopped' "/proc/${daemon[$1]}/status"
}

# Can the source's QEMU store bitmaps in a node without closing it?
stores_open() {
    qmp source query-commands | jq -e 'any(.[]; .name == "blockdev-set-active")' >/dev/null
}

# row SIDE BITMAP: what that side tells of it: "carried", "dropped REASON", ...
row() {
    local id=$arriving
    [ "$1" = dest ] || id=$leaving
    order "$1" status --json "$id" | jq -r --arg name "$2" '.moves[0].bitmaps[] | select(.bitmap==$name) |
        [.outcome, (.reason.message // empty | split(":")[0])] | join(" ")'
}

# each CASE...: this script once for each, with a scratch folder of its own.  In one such run: the case.
each() {
    [ -z "${BF_CASE:-}" ] || return 0
    local case
    for case; do
        BF_CASE=$case bash "$0" || die "at $case"
    done
    exit 0
}

# at_once CASE...: the same, side by side: for cases that mostly wait for deadlines
at_once() {
    [ -z "${BF_CASE:-}" ] || return 0
    local case running=()
    for case; do
        BF_CASE=$case bash "$0" &
        running+=("$!")
        bf_children+=("$!")
    done
    for case; do
        wait "${running[0]}" || die "at $case"
        running=("${running[@]:1}")
    done
    exit 0
}

begin_move() {
    begin_pair
    configure source
    configure dest
    begin_daemon source
    begin_daemon dest "$@"
    start_move
}

# reached SIDE ID MILESTONE
reached() {
    order "$1" status --json "$2" |
        jq -e --arg milestone "$3" '.moves[0].milestones | index($milestone)' >/dev/null
}

revived_and() {
    revive
    "$@"
}

# wait_move SIDE ID MILESTONE
wait_move() {
    wait_for 60 revived_and reached "$1" "$2" "$3"
}

install() {
    way_copy
    guest_writes source vda 6
    wait_move source "$leaving" installed
    guest_writes source vda 7
}

switch_over() {
    way_migrate
    way_complete
    wait_for 60 is running run_state dest
    guest_writes dest vda 9
}

# ended SIDE ID STATE
ended() {
    is "$3" state "$1" "$2"
}

# settle WHAT
settle() {
    wait_for 60 revived_and ended dest "$arriving" committed
    wait_for 60 revived_and ended source "$leaving" committed
    equal "5 6 7 9" "$(dirty_granules dest vda new)" "$1: the recording bitmap"
    equal "1 2 3" "$(dirty_granules dest vda old)" "$1: the frozen bitmap"
    equal "" "$(bitmap source vda new)$(bitmap source vda old)" "$1: bitmaps left at the source"
    nothing_left "$1"
}

# nothing_left WHAT
nothing_left() {
    local side
    for side in source dest; do
        clean "$side"
        equal "" "$(pgrep -P "${daemon[$side]}" || true)" "$1: children of bitferry-$side"
    done
    no_carriers || die "$1: carriers are left: $(ls -R "$scratch/carriers")"
}

# source_kept WHAT: its bitmaps are as they were, and record; the destination has none
source_kept() {
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "$1: final names at the destination"
    equal "1 2 3" "$(dirty_granules source vda old)" "$1: the frozen bitmap of the source"
    guest_writes source vda 60
    is "60" grep -ow 60 <<<"$(dirty_granules source vda new)" || die "$1: the source's bitmap does not record"
    nothing_left "$1"
}
