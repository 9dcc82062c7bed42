#!/bin/bash
# The folder of moves after a kill at every single system call that changes it, and at every call that fails.
. "$(dirname "$0")/lib.sh"

calls=mkdirat,openat,write,fdatasync,fsync,renameat,renameat2,unlinkat,ftruncate,flock
tool=$BF_BUILD/test/move_folder
one=11111111111111111111111111111111

# judge WHAT: what the next daemon finds: all records that were told durable, at most one more.
judge() {
    local told found records
    told=$(wc -l <"$scratch/told")
    found=$("$tool" read "$scratch/state") || die "$1: cannot be read"
    [ "$(wc -l <<<"$found")" -le 2 ] || die "$1: $found"
    records=$(sed -n "s/^$one //p" <<<"$found")
    records=${records:-0}
    [ "$records" -ge "$told" ] && [ "$records" -le $((told + 1)) ] ||
        die "$1: $told records were durable, $records are found"
    equal "" "$(find "$scratch/state/moves" -name '.*')" "left over after $1"
    rm -rf "$scratch/state"
}

# In a shell of its own, as bash tells of every child that was killed.  Under strace there is no looking for leaks.
run() {
    (ASAN_OPTIONS=detect_leaks=0 strace -qq -o "$scratch/strace" -e trace="$calls" "$@" "$tool" write "$scratch/state" \
        >"$scratch/told") 2>"$scratch/said"
}

run -e signal=none || die "a run by itself: $(cat "$scratch/said")"
total=$(grep -c . "$scratch/strace")
judge "a run to its end"
[ "$total" -gt 40 ] || die "only $total calls were seen"

for call in ${calls//,/ }; do
    n=1
    while :; do
        run -e inject="$call:signal=KILL:when=$n" && break # it got to its end: no such call any more
        judge "a kill at $call number $n"
        n=$((n + 1))
    done
    rm -rf "$scratch/state"
    ok "killed at each of $((n - 1)) calls of $call"
done

for fault in write:ENOSPC write:EIO fdatasync:EIO fsync:EIO renameat2:ENOSPC mkdirat:EDQUOT openat:EMFILE; do
    call=${fault%:*}
    n=1
    n=1
    while :; do
        run -e inject="$call:error=${fault#*:}:when=$n" || true
        grep -q INJECTED "$scratch/strace" || break
        judge "$fault at call number $n"
        n=$((n + 1))
    done
    rm -rf "$scratch/state"
    [ "$n" -gt 1 ] || die "no $call was seen"
    ok "$fault at each of $((n - 1)) calls"
done
