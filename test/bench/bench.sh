#!/usr/bin/env bash
# bitferry against QEMU's own tool and nbdcopy, in one run: `./dev bench`.
#
# Ten bitmaps of a 1 TiB disk at 64 KiB (16.7 M bits each) in four patterns.  Who competes takes turns,
# round after round, in changing order; only medians and ratios of one run are worth something.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BF_BUILD:-$here/../../build/release}
bitferry=$build/bitferry
plugin=$build/nbdkit-bitferry-plugin.so
tools=$build/test

usage() {
    cat <<'EOT'
usage: ./dev bench [--rounds N] [--quick] [--full] [--json]

  --rounds N   how often each is measured (default: 7)
  --quick      3 rounds, and no measuring of memory
  --full       memory also with 512 MiB of bits of which none can be left out
  --json       print JSON instead of tables
EOT
}

rounds=7 quick='' full='' json=''
while [ $# -gt 0 ]; do
    case $1 in
    --rounds)
        rounds=${2:-}
        [[ $rounds =~ ^[1-9][0-9]*$ ]] || {
            usage >&2
            exit 2
        }
        shift
        ;;
    --quick) quick=1 rounds=3 ;;
    --full) full=1 ;;
    --json) json=1 ;;
    -h | --help)
        usage
        exit
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
    shift
done

patterns=(empty full random alternate)
declare -A drawn=([empty]=clean [full]=dirty [random]=random [alternate]=alternate)
bitmaps=(b0 b1 b2 b3 b4 b5 b6 b7 b8 b9)
size=1T granularity=64k

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/bitferry-bench.XXXXXX")
servers=()
clean_up() {
    [ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap clean_up EXIT
cd "$scratch"

say() {
    printf '%s\n' "$*" >&2
}

# start_server NAME FILE COMMAND...: a server on the socket NAME.sock, which is ready when FILE has text.
start_server() {
    local name=$1 ready=$2 end=$((SECONDS + 30))
    shift 2
    rm -f "$name.sock" "$ready"
    "$@" >"$name.said" &
    servers+=($!)
    until [ -s "$ready" ]; do
        [ "$SECONDS" -lt "$end" ] || {
            say "no server came up: $*"
            exit 1
        }
        sleep 0.02
    done
}

# start_bitferry NAME IMAGE
start_bitferry() {
    start_server "$1" "$1.said" "$bitferry" serve --quiet --socket "$scratch/$1.sock" "$2"
}

# start_nbdkit NAME ARGUMENT...
start_nbdkit() {
    local name=$1
    shift
    start_server "$name" "$name.pid" nbdkit -f -U "$scratch/$name.sock" -P "$scratch/$name.pid" "$@"
}

# uri SERVER [EXPORT]
uri() {
    printf 'nbd+unix:///%s?socket=%s' "${2:-}" "$scratch/$1.sock"
}

# What each pattern needs: a source image, a server of it, the digests of its bits, and an nbdkit that has
# the same bytes in memory.
prepare() {
    local pattern=$1 bitmap arguments=()
    for bitmap in "${bitmaps[@]}"; do
        arguments+=("$bitmap" "$granularity" recording "${drawn[$pattern]}")
    done
    "$tools/carrier-make" carrier "$pattern.qcow2" "$size" "${arguments[@]}" >"$pattern.made"
    awk -v disk="$pattern" 'NF == 3 { print disk "/" $1 "=" $2 }' "$pattern.made" >"$pattern.exports"
    start_bitferry "$pattern" "$pattern.qcow2"
    for bitmap in "${bitmaps[@]}"; do
        nbdcopy "$(uri "$pattern" "$pattern/$bitmap")" - >>"$pattern.packed"
    done
    start_nbdkit "$pattern.memory" memory "$(stat -c %s "$pattern.packed")"
    nbdcopy "$pattern.packed" "$(uri "$pattern.memory")"
    rm "$pattern.packed"
}

# What is measured.  $pattern is the source; "into.qcow2" is a fresh image of its size.

# shellcheck disable=SC2016 # $uri is for the shell that bitferry runs
run_carry() {
    "$@" "$bitferry" serve --quiet "$pattern.qcow2" \
        --run "'$bitferry' pull --quiet \"\$uri\" --into into.qcow2"
}

# One call for each bitmap: qemu-img takes no more.
# shellcheck disable=SC2016 # for the bash that is measured
run_qemu_img() {
    "$@" bash -ec 'for bitmap in "${@:2}"; do
        qemu-img bitmap --add --merge "$bitmap" -b "$1" -F qcow2 into.qcow2 "$bitmap"
    done' - "$pattern.qcow2" "${bitmaps[@]}"
}

# shellcheck disable=SC2016
run_qemu_img_view() {
    "$@" bash -ec 'for bitmap in "${@:2}"; do
        qemu-img bitmap --add --merge "$bitmap" -b "${1/@/$bitmap}" -F qcow2 into.qcow2 "$bitmap"
    done' - "$(uri "$pattern" "$pattern/@.qcow2")" "${bitmaps[@]}"
}

run_read() {
    "$@" "$bitferry" inspect --json "$pattern.qcow2"
}

run_write() {
    "$@" "$bitferry" archive --quiet "$pattern.qcow2" --to archive
}

run_install() {
    "$bitferry" archive --quiet "$pattern.qcow2" --to archive
    sync -f .
    "$@" "$bitferry" restore --quiet archive --into into.qcow2
}

run_bits() {
    local exports
    mapfile -t exports <"$pattern.exports"
    "$@" "$tools/bench-pull-bits" "$(uri "$pattern")" "$size" "$granularity" "${exports[@]}"
}

run_nbdcopy() {
    "$@" nbdcopy "$(uri "$pattern.memory")" null:
}

# shellcheck disable=SC2016
run_nbdcopy_digest() {
    "$@" bash -ec 'nbdcopy "$1" copied.raw && sha256sum copied.raw' - "$(uri "$pattern.memory")"
}

# shellcheck disable=SC2016
run_nbdcopy_exports() {
    "$@" bash -ec 'for bitmap in "${@:2}"; do
        nbdcopy "${1/@/$bitmap}" null:
    done' - "$(uri "$pattern" "$pattern/@")" "${bitmaps[@]}"
}

run_bits_carrier() {
    local exports
    mapfile -t exports <"$pattern.exports"
    "$@" "$tools/bench-pull-bits" "$(uri "$pattern")" "$size" "$granularity" \
        --into carrier.qcow2 "${exports[@]}"
}

run_nbdcopy_file() {
    "$@" nbdcopy --flush "$(uri "$pattern.memory")" copied.raw
}

contestants=(carry qemu_img qemu_img_view read write install bits nbdcopy nbdcopy_digest
    nbdcopy_exports bits_carrier nbdcopy_file)

label() {
    printf '{"pattern":"%s","%s":"%s"}' "$pattern" "$1" "$2"
}

# measure CONTESTANT: on an empty image, with nothing of the contestant before left to be written.
measure() {
    rm -rf archive carrier.qcow2 copied.raw into.qcow2
    qemu-img create -q -f qcow2 into.qcow2 "$size"
    sync -f .
    "run_$1" "$tools/bench-measure" results "$(label who "$1")" >said || {
        cat said >&2
        say "$1 failed with pattern $pattern"
        exit 1
    }
    case $1 in
    carry | install | qemu_img | qemu_img_view) must_be_there "$1" ;;
    esac
}

# must_be_there CONTESTANT: a fast tool that installs the wrong bits has won nothing.
must_be_there() {
    "$bitferry" verify --quiet "$pattern.qcow2" into.qcow2 >said || {
        cat said >&2
        say "$1 did not bring the bitmaps of pattern $pattern"
        exit 1
    }
}

# The largest kind of bitmap that QEMU has: 512 MiB of bits.
# measure_memory PATTERN
measure_memory() {
    local pattern=$1
    say "memory, $pattern"
    rm -rf large.qcow2 archive into.qcow2
    "$tools/carrier-make" carrier large.qcow2 16T b 4k recording "$pattern" >made
    "$tools/bench-measure" results "$(label memory archive)" \
        "$bitferry" archive --quiet large.qcow2 --to archive >said
    rm -r archive
    start_nbdkit large "$plugin" image=large.qcow2
    qemu-img create -q -f qcow2 -o cluster_size=128k into.qcow2 16T
    "$tools/bench-measure" results "$(label memory pull)" \
        "$bitferry" pull --quiet "$(uri large)" --into into.qcow2 >said
    awk -v label="$(label memory serve)" '/^VmHWM:/ {
        printf "{\"label\":%s,\"wall_ns\":0,\"cpu_ns\":0,\"peak_kib\":%d}\n", label, $2
    }' "/proc/$(cat large.pid)/status" >>results
    kill "$(cat large.pid)"
}

say "preparing ${#patterns[@]} images with ${#bitmaps[@]} bitmaps each"
for pattern in "${patterns[@]}"; do
    prepare "$pattern"
done
for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    mapfile -t order < <(printf '%s\n' "${contestants[@]}" | if ((round % 2)); then cat; else tac; fi)
    for pattern in "${patterns[@]}"; do
        for contestant in "${order[@]}"; do
            measure "$contestant"
        done
    done
done
[ -n "$quick" ] || measure_memory sparse
[ -z "$full" ] || measure_memory alternate

machine=$(jq -nc --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    --arg cpus "$(nproc)" --arg kernel "$(uname -r)" --arg load "$(cut -d ' ' -f 1 /proc/loadavg)" \
    --arg qemu "$(qemu-img --version | head -n 1)" --arg nbdkit "$(nbdkit --version)" \
    --arg date "$(date -I)" '$ARGS.named')
jq -s --argjson machine "$machine" --argjson rounds "$rounds" -f "$here/summary.jq" results >summary.json
if [ -n "$json" ]; then
    cat summary.json
else
    jq -r -f "$here/tables.jq" summary.json
fi
