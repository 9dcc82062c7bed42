# shellcheck shell=bash
# What the carrier_read tests share.  Source it behind lib.sh.

: "${scratch:?}"
dump=$BF_BUILD/test/reader-dump
ulimit -c 0

# image_node IMAGE [MORE]: for --blockdev; MORE is JSON of the format node.
image_node() {
    jq -nc --arg file "$1" "{driver:\"qcow2\", \"node-name\":\"disk\", \"read-only\":true, backing:null,
        file:{driver:\"file\", filename:\$file}} + ${2:-{\}}"
}

# oracle IMAGE [MORE [QSD-OPTION...]]: what QEMU itself says of the bitmaps, in the form of reader-dump,
# sorted by name.
oracle() {
    local blockdev
    blockdev=$(image_node "$1" "${2:-}")
    shift $(($# < 2 ? $# : 2))
    oracle_ask "$blockdev" "$@" < <(echo '{"execute":"query-named-block-nodes"}') |
        jq -c '.return[]? | select(."node-name"=="disk") | ."dirty-bitmaps"[]?' >"$scratch/.bitmaps"
    jq -c '{execute:"x-debug-block-dirty-bitmap-sha256",arguments:{node:"disk",name}}' \
        "$scratch/.bitmaps" >"$scratch/.commands"
    oracle_ask "$blockdev" "$@" <"$scratch/.commands" | jq -r '.return.sha256' >"$scratch/.sha256"
    paste <(jq -r '[.granularity, if .recording then "recording" else "frozen" end, .count]
                | map(tostring) | join("\t")' "$scratch/.bitmaps") \
        "$scratch/.sha256" <(jq -r .name "$scratch/.bitmaps") | LC_ALL=C sort -t$'\t' -k5
}

# oracle_ask BLOCKDEV [QSD-OPTION...]: commands on stdin, answers on stdout, one a line.  The daemon is told
# to quit when all answers are there: it does not wait until long ones are written.
oracle_ask() {
    local blockdev=$1 said=$scratch/.said-by-qsd nr
    shift
    cat >"$scratch/.asked"
    nr=$(wc -l <"$scratch/.asked")
    : >"$said"
    # shellcheck disable=SC2094 # that it is written while it is read is the point
    {
        echo '{"execute":"qmp_capabilities"}'
        cat "$scratch/.asked"
        wait_for 120 oracle_answered "$said" $((nr + 2)) # the greeting comes first
        echo '{"execute":"quit"}'
    } | qemu-storage-daemon "$@" --chardev stdio,id=m --monitor chardev=m --blockdev "$blockdev" >"$said"
    jq -c 'select(has("return") or has("error"))' "$said" | sed '1d;$d'
}
oracle_answered() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}

# same_as_qemu NR IMAGE WHAT [MORE [QSD-OPTION...]]: reader-dump finds NR bitmaps, and in them the same as
# QEMU.
same_as_qemu() {
    local nr=$1 image=$2 what=$3
    shift 3
    oracle "$image" "$@" >"$scratch/.qemu"
    "$dump" "$image" >"$scratch/.ours.raw" || die "$what: reader-dump fails"
    LC_ALL=C sort -t$'\t' -k5 "$scratch/.ours.raw" >"$scratch/.ours"
    equal "$nr" "$(wc -l <"$scratch/.qemu")" "$what: bitmaps that QEMU sees"
    diff "$scratch/.qemu" "$scratch/.ours" >&2 || die "$what: not what QEMU says (<)"
    ok "$what"
}
