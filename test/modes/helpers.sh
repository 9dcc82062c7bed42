# shellcheck shell=bash
# What bitferry does in a case; with $by = qemu nothing at all, which shows what QEMU does alone.

: "${by:?}" "${scratch:?}" "${BF_BUILD:?}" "${BITFERRY:?}" "${uuid:?}" "${child=}"
declare -A helper
declare -a wish # options for `bitferry start`; case.sh
declare -A move
lost=''

# start_helper source|dest PORT: until it is ready; fails if the port is taken
start_helper() {
    local role=$1
    mkdir -p "$scratch/$role"
    printf '%s\n' "[$role]" "state_dir = $scratch/$role/state" "run_dir = $scratch/$role/run" \
        'plain_on_loopback = yes' 'address = 127.0.0.1' 'host = 127.0.0.1' "port = $2" \
        'expect_timeout_s = 30' "peer_timeout_s = ${peer_patience:-5}" >"$scratch/$role/conf"
    run_child "$BF_BUILD/bitferry-$role" --config "$scratch/$role/conf" 2>>"$scratch/$role/log"
    helper[$role]=$child
    wait_for 30 grep -qE 'ready at|cannot call' "$scratch/$role/log"
}

start_helpers() {
    local port try
    for try in {1..20}; do
        port=$((30000 + (RANDOM + try * 2) % 2700))
        start_helper dest "$port"
        if ! grep -q 'cannot call' "$scratch/dest/log"; then
            start_helper source $((port + 1))
            peer=127.0.0.1:$port
            return
        fi
        kill "${helper[dest]}"
        wait "${helper[dest]}" || true
        rm "$scratch/dest/log"
    done
    die "no port is free"
}

# order ROLE COMMAND ARGUMENT...
order() {
    local role=$1 command=$2
    shift 2
    "$BITFERRY" "$command" --socket "$scratch/$role/run/control.sock" "$@"
}

helpers_begin() {
    [ "$by" = bitferry ] || return 0
    start_helpers
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" \
        --disk vda=vda)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --disk vda=vda ${wish[@]+"${wish[@]}"})
}

# An orchestrator that cares waits until everything is over there, or nothing will be.
helpers_copied() {
    [ "$by" = bitferry ] || return 0
    order source wait --quiet --for installed --timeout 60 "${move[source]}" >"$scratch/installed" 2>&1 ||
        true
}

helpers_paused() {
    [ "$by" = bitferry ] && [ -n "${helper[source]:-}" ] && [ -n "${helper[dest]:-}" ] || return 0
    order source wait --quiet --for frozen --timeout 60 "${move[source]}" >"$scratch/frozen" 2>&1 || true
}

# helper_lost source|dest
helper_lost() {
    [ "$by" = bitferry ] || return 0
    kill -KILL "${helper[$1]}"
    wait "${helper[$1]}" 2>/dev/null || true
    unset "helper[$1]"
    lost=$1
}

# As systemd does it.
helper_returns() {
    [ -n "$lost" ] || return 0
    mv "$scratch/$lost/log" "$scratch/$lost/log.before"
    run_child "$BF_BUILD/bitferry-$lost" --config "$scratch/$lost/conf" 2>>"$scratch/$lost/log"
    helper[$lost]=$child
    wait_for 30 grep -q 'ready at' "$scratch/$lost/log"
}

helpers_end() {
    [ "$by" = bitferry ] || return 0
    local role
    helper_returns
    for role in "${!helper[@]}"; do
        order "$role" wait --quiet --for committed --timeout 60 "${move[$role]}" \
            >"$scratch/$role/ended" 2>&1 || true
    done
    check_leftovers
}

# row ROLE: what that helper says of the bitmap, in JSON
row() {
    order "$1" status --json "${move[$1]}" | jq -c '.moves[0].disks[]?.bitmaps[]? // .moves[0].bitmaps[]? |
        select(.bitmap == "c" and (.disk // "vda") == "vda")'
}

# migrate_and_end: with a pause before the switchover, to the end, whatever comes of it
migrate_and_end() {
    local side
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
    order source wait --quiet --for frozen --timeout 60 "${move[source]}" >/dev/null 2>&1 || true
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is completed migration source
    wait_for 60 is running run_state dest
    for side in source dest; do
        order $side wait --quiet --for committed --timeout 60 "${move[$side]}" >/dev/null 2>&1 || true
    done
}

# said SIDE DISK: what that side says of its bitmap c: outcome, and the reason of a drop
said() {
    order "$1" status --json "${move[$1]}" | jq -r --arg disk "$2" '.moves[0].bitmaps[] |
        select(.disk==$disk and .bitmap=="c") | "\(.outcome) \(.reason.message // "" | sub(":.*"; ""))"' | sed 's/ $//'
}

# Nothing of ours is left in a QEMU that lives.
check_leftovers() {
    local side
    for side in source dest; do
        [ -n "${qemu_pid[$side]:-}" ] || continue
        if qmp "$side" query-named-block-nodes | grep -q 'bitferry-tmp\.'; then
            die "something of bitferry's is left in the $side's QEMU"
        fi
    done
}

# helpers_report FOUND: the word for the table.  A report that differs from what is there is no good word.
helpers_report() {
    local said reason
    if [ "$by" = qemu ]; then
        case $1 in
        exact) echo native ;;
        *) echo "$1" ;;
        esac
        return
    fi
    said=$(row dest)
    reason=$(jq -r '.reason.message // ""' <<<"$said")
    case $(jq -r '.outcome' <<<"$said"),$1 in
    carried,exact | widened,exact) echo carried ;;
    carried,superset | widened,superset) echo superset ;;
    carried,exact,now-transient) echo carried,now-transient ;;
    native,exact,now-transient) echo native,now-transient ;;
    native,exact) echo native ;;
    native,*) echo "native,$1" ;;
    dropped,exact) [ "${reason%%:*}" = NATIVE_UNPROVEN ] && echo unproven || echo "exact,reported-dropped-${reason%%:*}" ;;
    dropped,lost) echo "dropped-${reason%%:*}" ;;
    dropped,source-kept | ,source-kept) echo source-kept ;;
    *) echo "$1,reported-$(jq -r '.outcome' <<<"$said")-${reason%%:*}" ;;
    esac
}
