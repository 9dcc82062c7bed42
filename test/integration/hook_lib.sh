# shellcheck shell=bash
# What the tests of bitferry-hook share.  Source it behind lib.sh.

: "${scratch:?}" "${BF_BUILD:?}"
export LC_ALL=C.UTF-8
hook=$BF_BUILD/bitferry-hook
uuid=11111111-2222-3333-4444-555555555555
export BITFERRY_RUN_DIR=$scratch/run
domain="<domain type='kvm' id='1'><name>web</name><uuid>$uuid</uuid><memory>1</memory></domain>"

# called OPERATION SUB-OPERATION [VM]: run it as libvirt does, with the XML on stdin.  It must end with 0
# and print nothing; what it says is in $scratch/said.
called() {
    "$hook" "${3:-web}" "$1" "$2" - >"$scratch/printed" 2>"$scratch/said" ||
        die "$1 $2: exit status $?"
    equal 0 "$(stat -c %s "$scratch/printed")" "bytes that $1 $2 printed"
}

# traced CALLS OPERATION SUB-OPERATION: run it under strace, into $scratch/trace.  Where it is built with a
# sanitizer, that cannot look for leaks then.
traced() {
    ASAN_OPTIONS=detect_leaks=0 strace -f -o "$scratch/trace" -e trace="$1" "$hook" web "$2" "$3" -
}

# quick COMMAND...: it takes less than 100 ms.  The machine may be busy with other things: the best of
# five counts.
quick() {
    local begin end best=1000000 attempt
    for attempt in 1 2 3 4 5; do
        begin=${EPOCHREALTIME/./}
        "$@"
        end=${EPOCHREALTIME/./}
        [ $((end - begin)) -ge "$best" ] || best=$((end - begin))
        [ "$best" -ge 100000 ] || return 0
    done
    die "attempt $attempt: '$*' takes $best us"
}
