#!/bin/bash
# Snapshots travel, the mirror is waited for, what was written meanwhile is read and travels: given up, cancelled or
# killed at each of these steps, the source's bitmaps are as they were, nothing is left anywhere, and the next move
# arrives (FAULTS.md, 1, 4, 20).
. "$(dirname "$0")/../dest/lib.sh"

# reach STEP: a new move that stands there.  What the destination loads first is the frozen bitmap, then the recording
# one, then the delta; what the source serves, likewise.
reach() {
    local at_source=none at_dest=none
    case $1 in
    travelling) at_dest=dest.early:stop:2 ;;
    reading) at_source=source.read:stop:3 ;;
    catching-up) at_dest=dest.early:stop:3 ;;
    esac
    kill_daemon source
    kill_daemon dest
    begin_daemon source BITFERRY_FAIL_POINT=$at_source
    begin_daemon dest BITFERRY_FAIL_POINT=$at_dest
    start_move
    case $1 in
    waiting) wait_for 30 is 'waiting for the mirrors' phase source "$leaving" ;;
    reading) wait_for 30 stopped source ;;
    *) wait_for 30 stopped dest ;;
    esac
    [ -n "$(ours dest)" ] || die "$1: nothing is loaded"
}

go_on() {
    kill -CONT "${daemon[source]}" "${daemon[dest]}"
}

digests() {
    printf '%s %s\n' "$(digest_in source old)" "$(digest_in source new)"
}

# kept STEP WHAT: both have ended, and it was as if nothing had been
kept() {
    local side
    wait_for 60 all_ended
    equal "$before" "$(digests)" "$1, $2: digests of the source's bitmaps"
    equal "true false" "$(for name in new old; do bitmap source vda $name | jq .recording; done | xargs)" \
        "$1, $2: do they record"
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "$1, $2: final names at the destination"
    nothing_left "$1, $2"
    ok "$1: $2"
}

all_ended() {
    local side
    for side in source dest; do
        order "$side" list --json | jq -e 'all(.moves[]; .state != "under-way" and .state != "committed")' \
            >/dev/null || return 1
    done
}

# given_up STEP: by an operator here, there, and with its migration
given_up() {
    reach "$1"
    go_on
    order source abort "$leaving" >/dev/null
    kept "$1" "given up at the source"
    reach "$1"
    go_on
    order dest abort "$arriving" >/dev/null
    kept "$1" "given up at the destination"
    reach "$1"
    qmp source migrate '{"uri":"exec:cat >/dev/null"}'
    wait_for 60 is pre-switchover migration source
    qmp source migrate_cancel
    wait_for 30 is cancelled migration source
    go_on
    kept "$1" "the migration is cancelled"
}

# killed STEP PHASE: it goes on to that phase, with the bitmaps that it had
killed() {
    local side
    for side in source dest; do
        reach "$1"
        kill_daemon "$side"
        begin_daemon "$side"
        go_on
        wait_for 30 is "$2" phase source "$leaving"
        order dest abort "$arriving" >/dev/null
        kept "$1" "bitferry-$side is killed"
    done
}

snapshots=early
begin_pair
configure source
configure dest
begin_daemon source
begin_daemon dest
before=$(digests)
capabilities source pause-before-switchover
qmp source blockdev-add "$(jq -nc --arg path "$scratch/dest.nbd" '{driver:"nbd","node-name":"peer",export:"vda",
    server:{type:"unix",path:$path}}')"
# Held to a byte a second, a mirror copies one buffer.
qmp source blockdev-mirror \
    '{"job-id":"copy","device":"vda","target":"peer","sync":"full","speed":1,"buf-size":65536,"granularity":65536}'
for step in travelling waiting; do
    given_up $step
    killed $step 'waiting for the mirrors'
done
qmp source block-job-set-speed '{"device":"copy","speed":0}'
wait_for 60 job_ready source copy
given_up catching-up
for step in reading catching-up; do
    killed $step 'installed, waiting for the switchover'
done

reach catching-up
kill_daemon dest
begin_daemon dest
wait_move source "$leaving" installed
guest_writes source vda 6 7
switch_over
wait_for 60 ended dest "$arriving" committed
wait_for 60 ended source "$leaving" committed
equal "5 6 7 9" "$(dirty_granules dest vda new)" "the recording bitmap"
equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
nothing_left "the last one"
ok "and the last one arrives"
