#!/bin/bash
# No room for carriers or for the journal, no file descriptors: bitmaps are dropped or the move is given up, the
# guest and its bitmaps are as they were (FAULTS.md, 12, 39).
. "$(dirname "$0")/../dest/lib.sh"
each source-carriers dest-carriers source-journal dest-journal descriptors

# small FOLDER: a file system of its own
small() {
    mkdir -p "$1"
    mount -t tmpfs -o size=256k,mode=0700 tmpfs "$1"
}

# fill FOLDER
fill() {
    dd if=/dev/zero of="$1/filler" bs=4k status=none 2>/dev/null || true
}

# set_key SIDE KEY VALUE
set_key() {
    sed -i "s|^$2 = .*|$2 = $3|" "$scratch/$1.conf"
}

begin_both() {
    begin_daemon source
    begin_daemon dest
    start_move
}

begin_pair
configure source
configure dest
case $BF_CASE in
source-carriers) # neither QEMU nor bitferry can write one
    small "$scratch/small"
    set_key source carrier_dir "$scratch/small"
    fill "$scratch/small"
    begin_both
    install
    switch_over
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    for bitmap in new old; do
        equal "dropped SERVE_FAILED" "$(row source "$bitmap")" "$bitmap"
        equal "" "$(bitmap dest vda "$bitmap")" "$bitmap at the destination"
    done
    equal 4 "$(order source status --json "$leaving" | jq '.moves[0].exit')" "exit code"
    nothing_left "$BF_CASE"
    equal filler "$(ls -A "$scratch/small")" "what is left in the full folder"
    ;;
dest-carriers)
    small "$scratch/small"
    set_key dest carrier_dir "$scratch/small"
    fill "$scratch/small"
    begin_both
    install
    switch_over
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    for bitmap in new old; do
        equal "dropped PULL_FAILED" "$(row dest "$bitmap")" "$bitmap"
        equal "" "$(bitmap dest vda "$bitmap")" "$bitmap at the destination"
    done
    nothing_left "$BF_CASE"
    equal filler "$(ls -A "$scratch/small")" "what is left in the full folder"
    ;;
source-journal | dest-journal) # what it says cannot be made durable: it cannot be trusted any more
    side=${BF_CASE%-journal}
    begin_both
    install
    run_child strace -f -p "${daemon[$side]}" -o "$scratch/calls" -e trace=fdatasync \
        -e inject=fdatasync:error=ENOSPC 2>"$scratch/strace"
    tracer=$child
    wait_for 30 grep -q attached "$scratch/strace"
    switch_over
    given_up=$arriving
    [ "$side" = dest ] || given_up=$leaving
    wait_for 60 ended dest "$arriving" failed
    wait_for 60 ended source "$leaving" failed
    order "$side" status "$given_up" | grep -q JOURNAL_FAILED || die "$(order "$side" status "$given_up")"
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
    nothing_left "$BF_CASE"
    kill "$tracer"
    wait "$tracer" || true
    kill_daemon "$side"
    begin_daemon "$side" # nothing is taken up from what could not be written
    in_log "$side" ', 0 moves taken up again' || die "$(cat "$scratch/$side.log")"
    equal '[]' "$(order "$side" list --json | jq -c '[.moves[] | select(.state != "failed")]')" "moves"
    clean "$side"
    ;;
descriptors) # the move that is under way goes on, a new one is refused
    begin_both
    install
    for side in source dest; do
        prlimit --pid "${daemon[$side]}" --nofile="$(($(find "/proc/${daemon[$side]}/fd" -mindepth 1 | wc -l) + 2)):"
    done
    status=0
    order source start --quiet --vm other --uuid 5c0ffee0-0000-4000-8000-0000000000aa \
        --qmp "$scratch/source.qmp" --peer "127.0.0.1:$port" --disk vda=vda >"$scratch/said" 2>&1 || status=$?
    [ $status != 0 ] || die "a move was begun without file descriptors: $(cat "$scratch/said")"
    switch_over
    for side in source dest; do
        prlimit --pid "${daemon[$side]}" --nofile=1024:
    done
    settle "$BF_CASE"
    ;;
esac
ok "$BF_CASE"
