#!/usr/bin/env bash
# A running VM with a Linux guest moves from one QEMU to another and keeps its checkpoints; then what that costs,
# next to a move that loses them and to QEMU's own way.  Run by `./dev demo`.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/move/lib.sh"

if [ -t 1 ]; then
    bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' cyan=$'\033[36m' plain=$'\033[0m'
else
    bold='' dim='' green='' cyan='' plain=''
fi

step() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

note() {
    printf '  %s%s%s\n' "$dim" "$*" "$plain"
}

yes() {
    printf '  %s✔ %s%s\n' "$green" "$*" "$plain"
}

# as_it_goes: the steps of the orchestrator, each with the time since the first, and what it reports
as_it_goes() {
    local line begun=${EPOCHREALTIME/[.,]/} now
    while read -r line; do
        now=${EPOCHREALTIME/[.,]/}
        case $line in
        '-- '*) printf '  %s%5d ms%s  %s\n' "$cyan" $(((now - begun) / 1000)) "$plain" "${line#-- }" ;;
        *carried*) yes "$line" ;;
        esac
    done
}

# as_noted: lines of a program, as notes
as_noted() {
    local line
    while IFS= read -r line; do
        note "$line"
    done
}

digest_of() {
    qmp "$1" x-debug-block-dirty-bitmap-sha256 "{\"node\":\"vda\",\"name\":\"$2\"}" | jq -r .sha256
}

# bitmaps SIDE: what an incremental backup since each would copy
bitmaps() {
    local name
    for name in chk1 chk2; do
        bitmap "$1" vda "$name" | jq -r '"  \(.name)  \(.count / 1024) KiB to back up since then"'
    done
}

build_guest
begin_daemons

step '1. At A: a guest that writes all the while, checkpoints chk1 and chk2, a full backup of each'
note 'Linux boots, without KVM: some seconds'
qemu-img create -q -f qcow2 "$scratch/A.qcow2" 64M
qemu-img create -q -f qcow2 "$scratch/B.qcow2" 64M
begin_guest A "$scratch/A.qcow2"
guest A start 2026 150 24 >/dev/null
for name in chk1 chk2; do
    wrote A 100
    checkpoint A vda "$name" "$scratch/$name.full.qcow2"
    note "$name: full backup made"
done
wrote A 100
bitmaps A

step '2. It moves to B, and writes on: disk by mirror, bitmaps by bitferry at the same time, memory last'
arrive_guest B "$scratch/B.qcow2"
guest A report >/dev/null
move A B 2> >(as_it_goes) >"$scratch/moved"
wait $! || true
note "$(guest B report) through the whole move"
bitmaps B
end_qemu A

step '3. What the pause costs: a disk of 1 TiB with ten bitmaps of 16.7 M bits, moved in four ways'
note 'medians of three moves each; "./dev bench live" is for figures'
bash "$BF_SOURCE/test/bench/live.sh" --rounds 3 --bitmaps 10 --data 512 --links unix --ways none,lost,native,bitferry --json \
    2> >(as_noted) >"$scratch/summary.json"
wait $! || true
yes 'moved twelve times; the figures come last'

step '4. At B: the guest has written on; the incremental backups are made there'
wrote B 100
guest B stop >/dev/null
for name in chk1 chk2; do
    carried B vda "$name"
    printf '  %s  %s\n' "$name" "sha256 by QEMU: $(digest_of B "$name")"
    incremental B vda "$name" "$scratch/$name.full.qcow2" "$scratch/$name.incremental.qcow2"
done
end_qemu B
for name in chk1 chk2; do
    qemu-img compare -q "$scratch/$name.incremental.qcow2" "$scratch/B.qcow2" ||
        die "full + incremental since $name is not the disk"
done
qemu-img check -q "$scratch/B.qcow2" || die "qemu-img check"

step 'The pause, by QEMU, and the longest write, by the guest'
jq -r '
    def left($width): tostring | . + " " * ([$width - length, 0] | max);
    def right($width): tostring | " " * ([$width - length, 0] | max) + .;
    {none: "without bitmaps", lost: "nobody carries them", native: "QEMU'\''s own way", bitferry: "bitferry"} as $names |
    .cases[0].rows | map({key: .way, value: .}) | from_entries | .none, .lost, .native, .bitferry |
    "  \($names[.way] | left(20))\(.downtime_ms | right(5)) ms of downtime   \(if .guest.longest_ms then .guest.longest_ms | round else "-" end | right(5)) ms longest write" +
    if .way == "bitferry" then "   (bitmaps there \(.waited_ms | round) ms after the disk)"
    elif .way == "lost" then "   (QEMU stores them at the source, in the pause)"
    elif .way == "native" then "   (only with a raised limit)" else "" end' "$scratch/summary.json"

step 'And what it is for'
for name in chk1 chk2; do
    yes "$name: full backup from A + incremental backup from B = the disk, byte for byte"
done
yes 'qemu-img check finds nothing wrong'
