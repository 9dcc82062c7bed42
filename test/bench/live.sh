#!/usr/bin/env bash
# The live hand-over against a move without bitmaps and against QEMU's own ways: `./dev bench live`.
#
# One Linux guest, which writes all the while, goes to and fro between two QEMUs, each time in another way.
# Ways take turns, round after round, in changing order; only medians and ratios of one run are worth
# something.  Images and carriers are in memory, so that no disk is measured.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BF_BUILD=${BF_BUILD:-$here/../../build/release}

usage() {
    cat <<'EOT'
usage: ./dev bench live [--rounds N] [--bitmaps N,...] [--links unix,veth] [--ways WAY,...] [--data SIZE]
                        [--json] [--lines FILE] [--trace FOLDER]

  --rounds N       how often each is measured (default: 5)
  --bitmaps N,...  with how many bitmaps (default: 1,10,50)
  --links L,...    over Unix sockets, and over a link of 1 Gbit/s between two network namespaces (root)
  --ways WAY,...   none: no bitmaps, the yardstick; lost: bitmaps that nobody carries; bitferry;
                   bitferry-status: with --read block-status;
                   native: QEMU's dirty-bitmaps capability, its downtime limit raised; native-postcopy;
                   native-idle, bitferry-idle: an idle guest, and QEMU's default downtime limit
  --data SIZE      what the disk holds, in MiB, and the mirror has to copy (default: 512); 0: nothing
  --quick          one round, one bitmap, 64 MiB
  --json           print JSON instead of tables
  --lines FILE     keep a line of JSON for each move there
  --trace FOLDER   keep there what the daemons say at log_level = debug: each change of state, each QMP command and
                   how long it took, with the time of day; the bench's own moments too
EOT
}

rounds=5 numbers=(1 10 50) links=(unix veth) json='' lines='' trace='' data_mib=512
ways=(none bitferry lost bitferry-status native native-postcopy bitferry-idle native-idle)

# list NAME TEXT PATTERN: split at commas, each of the pattern
list() {
    local -n ret_list=$1
    local item
    IFS=, read -r -a ret_list <<<"$2"
    for item in "${ret_list[@]}"; do
        [[ $item =~ ^($3)$ ]] || {
            usage >&2
            exit 2
        }
    done
}

while [ $# -gt 0 ]; do
    case $1 in
    --rounds)
        list rounds "${2:-}" '[1-9][0-9]*'
        shift
        ;;
    --bitmaps)
        list numbers "${2:-}" '[1-9][0-9]*'
        shift
        ;;
    --links)
        list links "${2:-}" 'unix|veth'
        shift
        ;;
    --ways)
        list ways "${2:-}" 'none|lost|bitferry|bitferry-status|native|native-postcopy|native-idle|bitferry-idle'
        shift
        ;;
    --data)
        list data_mib "${2:-}" '[0-9]+'
        shift
        ;;
    --quick) rounds=1 numbers=(1) data_mib=64 ;;
    --full) ;; # the offline bench's; here all is measured unless less is asked for
    --json) json=1 ;;
    --lines)
        lines=$(realpath "${2:?}")
        shift
        ;;
    --trace)
        trace=$(realpath "${2:?}")
        mkdir -p "$trace"
        shift
        ;;
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

[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$here/../integration/move/lib.sh"
. "$here/live/hosts.sh"
. "$here/live/move.sh"

disk=1T rate=200
disk_bytes=$((1 << 40))
results=${lines:-$scratch/results}
: >"$results"
export disk rate disk_bytes data_mib results

say() {
    printf '%s\n' "$*" >&2
}

# begin_there LINK: the guest boots, once
begin_there() {
    say "$1: a guest boots"
    hosts_begin "$1"
    at=A other=B
    make_disk "$scratch/A.qcow2"
    begin_guest A "$scratch/A.qcow2"
}

# go WAY NUMBER
go() {
    patience=60
    [[ $1 != native-idle ]] || patience=10
    if bench_move "$1" "$at" "$other" "$2"; then
        local was=$at
        at=$other other=$was
    fi
}

# in_turn LIST...: forwards in odd rounds, backwards in even ones
in_turn() {
    printf '%s\n' "$@" | if ((round % 2)); then cat; else tac; fi
}

# An idle guest is looked at once: it says whether there is an end, not how long it takes.
one_round() {
    local number way
    for number in "${numbers[@]}"; do
        say "$link, round $round of $rounds, bitmaps: $number"
        for way in $(in_turn "${ways[@]}"); do
            [[ $way != *-idle ]] || [ "$round" = 1 ] || continue
            go "$way" "$number"
        done
    done
}

build_guest
for link in "${links[@]}"; do
    begin_there "$link"
    for ((round = 1; round <= rounds; round++)); do
        one_round
    done
    end_qemu "$at"
    hosts_end
    [ -z "$trace" ] || cat "$scratch"/{source,dest}-?.log "$scratch/moments" 2>/dev/null | sort >"$trace/$link.log"
done

machine=$(jq -nc --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    --arg cpus "$(nproc)" --arg kernel "$(uname -r)" --arg load "$(cut -d ' ' -f 1 /proc/loadavg)" \
    --argjson data_mib "$data_mib" --arg qemu "$(qemu-system-x86_64 --version | head -n 1)" --arg date "$(date -I)" '$ARGS.named')
jq -s --argjson machine "$machine" --argjson rounds "$rounds" -f "$here/live/summary.jq" "$results" \
    >"$scratch/summary.json"
if [ -n "$json" ]; then
    cat "$scratch/summary.json"
else
    jq -r -f "$here/live/tables.jq" "$scratch/summary.json"
fi
