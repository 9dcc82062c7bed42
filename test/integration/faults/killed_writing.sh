#!/bin/bash
# Daemons killed at the system calls that make their moves and the records of their journals durable, one call after
# the other, all the way through a live move, go on after their restart (FAULTS.md, 13).  A case is a call of
# bitferry-source and one of bitferry-dest.  What the source writes from the switchover on, in threads of its own, is
# source_killed.sh's; daemon_crash.sh has each call on the folder of moves by itself.
. "$(dirname "$0")/../dest/lib.sh"
each "fdatasync:1 renameat2:1" "renameat2:1 fsync:2" "fsync:2 fdatasync:2" "fdatasync:2 fdatasync:3" \
    "fdatasync:3 fdatasync:4" "fdatasync:4 fdatasync:5" "fdatasync:5 fdatasync:6" "fdatasync:6 fdatasync:7" \
    "none fdatasync:8" "none fdatasync:9" "none fdatasync:10" "none fdatasync:11"

declare -A call=([source]=${BF_CASE% *} [dest]=${BF_CASE#* }) killed=()
revive() {
    local side
    for side in source dest; do
        [ -z "${killed[$side]:-}" ] && dead $side || continue
        wait "${daemon[$side]}" 2>/dev/null || true
        killed[$side]=yes
        begin_daemon $side
    done
}

begin_traced() {
    local name=${call[$1]%:*}
    if [ "$name" = none ]; then
        killed[$1]=yes
        begin_daemon "$1"
        return
    fi
    : >"$scratch/$1.log"
    run_child strace -f -qq -o "$scratch/calls" -e trace="$name" -e "inject=$name:signal=KILL:when=${call[$1]#*:}" \
        "$BF_BUILD/bitferry-$1" --config "$scratch/$1.conf" 2>>"$scratch/$1.log"
    daemon[$1]=$child
    wait_for 30 grep -q 'ready at' "$scratch/$1.log"
    bf_children+=("$(pgrep -P "$child")") # strace would let go of it
}

# known SIDE: the move that it has noted
known() {
    order "$1" list --json | jq -re '.moves[].id'
}

begin_pair
configure source
configure dest
begin_traced source
begin_traced dest
expect_vm 2>/dev/null || { # it was killed before it could answer; what it has noted is taken up
    wait_for 10 dead dest
    revive
    arriving=$(known dest) || expect_vm
}
start_vm 2>/dev/null || {
    wait_for 10 dead source
    revive
    leaving=$(known source) || start_vm
}
install
switch_over
settle "killed at $BF_CASE"
equal "yes yes" "${killed[source]:-} ${killed[dest]:-}" "were they killed at $BF_CASE"
ok "killed at $BF_CASE: the same end"
