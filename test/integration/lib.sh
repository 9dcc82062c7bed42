# shellcheck shell=bash
# What every integration test starts with: `. "$(dirname "$0")/lib.sh"`.
#
# $BITFERRY, $PLUGIN   what was built
# $scratch             a folder of this test's own, removed at the end together with its processes; where the
#                      test failed, $BF_KEEP (a folder, if it is set) gets a copy

set -euo pipefail

BF_BUILD=${BF_BUILD:?run this through ctest or set BF_BUILD to the build folder}
BF_SOURCE=${BF_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
export BITFERRY=$BF_BUILD/bitferry
export PLUGIN=$BF_BUILD/nbdkit-bitferry-plugin.so

scratch=$(mktemp -d "${TMPDIR:-/tmp}/bitferry-test.XXXXXX")
bf_children=()

bf_clean_up() {
    local status=$? pid end=$((SECONDS + 10))
    trap - EXIT
    for pid in ${bf_children[@]+"${bf_children[@]}"} $(jobs -p); do
        kill "$pid" 2>/dev/null || true
    done
    while [ -n "$(jobs -pr)" ] && [ "$SECONDS" -lt "$end" ]; do
        sleep 0.05
    done
    for pid in $(jobs -pr); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    awk -v under="$scratch/" 'index($2, under) == 1 { print $2 }' /proc/mounts | xargs -r umount
    [ "$status" = 0 ] || [ -z "${BF_KEEP:-}" ] || cp -R "$scratch" "$BF_KEEP/" 2>/dev/null || true
    rm -rf "$scratch"
    exit "$status"
}
trap bf_clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

die() {
    printf 'FAILED %s:%s: %s\n' "${BASH_SOURCE[1]##*/}" "${BASH_LINENO[0]}" "$*" >&2
    exit 1
}

# ok WHAT: say what was just shown.
ok() {
    printf 'ok: %s\n' "$*"
}

# equal EXPECTED ACTUAL WHAT
equal() {
    [ "$1" = "$2" ] || die "$3: expected '$1', got '$2'"
}

# fails_with CODE TEXT COMMAND...: the command must exit with CODE and say TEXT (an extended regular
# expression) on stdout or stderr.
fails_with() {
    local code=$1 text=$2 status=0
    shift 2
    "$@" >"$scratch/.said" 2>&1 || status=$?
    [ "$status" = "$code" ] || die "exit $status instead of $code from: $* ($(cat "$scratch/.said"))"
    grep -qE -- "$text" "$scratch/.said" || die "'$*' does not say '$text': $(cat "$scratch/.said")"
}

# wait_for SECONDS COMMAND...: until the command succeeds; dies at the deadline.
#
# To look is more work than what is waited for: the longer it takes, the more seldom (a tenth of the time so far).
wait_for() {
    local end=$((SECONDS + $1)) begun_us=${EPOCHREALTIME/[.,]/} pause_us pause
    shift
    until "$@" 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] || die "waited in vain for: $*"
        pause_us=$(((${EPOCHREALTIME/[.,]/} - begun_us) / 10))
        pause_us=$((pause_us < 20000 ? 20000 : pause_us > 250000 ? 250000 : pause_us))
        printf -v pause '0.%06d' "$pause_us"
        sleep "$pause"
    done
}

# run_child COMMAND...: in the background; ended with the test.  Its id is in $child.
run_child() {
    "$@" &
    child=$!
    bf_children+=("$child")
}

# qsd_qmp IMAGE-BLOCKDEV-OPTIONS JSON...: a qemu-storage-daemon with the node "disk", given QMP commands
# one a line; prints the answers one a line.  The daemon is closed cleanly.
qsd_qmp() {
    local blockdev=$1
    shift
    {
        printf '{"execute":"qmp_capabilities"}\n'
        printf '%s\n' "$@"
        printf '{"execute":"quit"}\n'
    } | qemu-storage-daemon --chardev stdio,id=m --monitor chardev=m --blockdev "$blockdev" |
        jq -c 'select(has("return") or has("error"))' | sed 1d
}

# qemu_digest IMAGE BITMAP: QEMU's own SHA-256 of the bitmap.
qemu_digest() {
    qsd_qmp "driver=qcow2,node-name=disk,read-only=on,file.driver=file,file.filename=$1" \
        "$(jq -nc --arg name "$2" \
            '{execute:"x-debug-block-dirty-bitmap-sha256",arguments:{node:"disk",name:$name}}')" |
        jq -r 'select(.return.sha256).return.sha256'
}

# qemu_count IMAGE BITMAP: QEMU's own dirty count, in bytes.
qemu_count() {
    qsd_qmp "driver=qcow2,node-name=disk,read-only=on,file.driver=file,file.filename=$1" \
        '{"execute":"query-named-block-nodes"}' |
        jq -r --arg name "$2" '.return[]? | select(."node-name"=="disk") |
            ."dirty-bitmaps"[]? | select(.name==$name).count'
}

# dirty_image FILE SIZE BITMAP GRANULARITY [OFFSET LENGTH]...: a qcow2 image with one recording bitmap in
# which these ranges are dirty, made by QEMU.
dirty_image() {
    local file=$1 size=$2 bitmap=$3 granularity=$4
    shift 4
    [ -e "$file" ] || qemu-img create -q -f qcow2 "$file" "$size"
    qemu-img bitmap --add -g "$granularity" "$file" "$bitmap"
    local commands=()
    while [ $# -gt 0 ]; do
        commands+=(-c "write -P 0x5a $1 $2")
        shift 2
    done
    [ ${#commands[@]} -eq 0 ] || qemu-io "${commands[@]}" "$file" >/dev/null
}
