#!/bin/bash
# A daemon killed while it makes a record of its journal durable, all the way through a live move, goes on after
# its restart (FAULTS.md, 13).  daemon_crash.sh has each call on the folder of moves by itself.
. "$(dirname "$0")/../dest/lib.sh"
each source:2 source:3 source:4 source:5 source:6 dest:2 dest:4 dest:6 dest:8 dest:9

victim=${BF_CASE%:*}
killed=no
revive() {
    [ $killed = no ] && dead "$victim" || return 0
    wait "${daemon[$victim]}" 2>/dev/null || true
    killed=yes
    begin_daemon "$victim"
}

begin_traced() {
    : >"$scratch/$1.log"
    run_child strace -f -qq -o "$scratch/calls" -e trace=fdatasync -e "inject=fdatasync:signal=KILL:when=${BF_CASE#*:}" \
        "$BF_BUILD/bitferry-$1" --config "$scratch/$1.conf" 2>>"$scratch/$1.log"
    daemon[$1]=$child
    wait_for 30 grep -q 'ready at' "$scratch/$1.log"
    bf_children+=("$(pgrep -P "$child")") # strace would let go of it
}

begin_pair
configure source
configure dest
for side in source dest; do
    if [ $side = "$victim" ]; then
        begin_traced $side
    else
        begin_daemon $side
    fi
done
expect_vm 2>/dev/null || { # it was killed before it could answer; what it has noted is taken up
    revive
    expect_vm
}
start_vm 2>/dev/null || {
    revive
    start_vm
}
install
switch_over
settle "killed at $BF_CASE"
equal yes $killed "was it killed at $BF_CASE"
ok "killed at its flush $BF_CASE: the same end"
