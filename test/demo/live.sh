#!/usr/bin/env bash
# A running VM with a Linux guest moves from one QEMU to another, twice: without bitferry, and with it.
# Run by `./dev demo`.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/move/lib.sh"

if [ -t 1 ]; then
    bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' plain=$'\033[0m'
else
    bold='' dim='' green='' plain=''
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

digest_of() {
    qmp "$1" x-debug-block-dirty-bitmap-sha256 "{\"node\":\"vda\",\"name\":\"$2\"}" | jq -r .sha256
}

bitmaps() {
    local name
    for name in chk1 chk2; do
        bitmap "$1" vda "$name" | jq -r '"  \(.name)  \(.count / 1024) KiB to back up, granularity \(.granularity / 1024) KiB"'
    done
}

# begin_story: a guest at A that writes, two checkpoints with full backups, and B waits
begin_story() {
    qemu-img create -q -f qcow2 "$scratch/A.qcow2" 64M
    qemu-img create -q -f qcow2 "$scratch/B.qcow2" 64M
    note "a Linux guest boots at A, without KVM: some seconds"
    begin_guest A "$scratch/A.qcow2"
    guest A start 2026 150 24 >/dev/null
    wrote A 100
    checkpoint A vda chk1 "$scratch/chk1.full.qcow2"
    wrote A 100
    checkpoint A vda chk2 "$scratch/chk2.full.qcow2"
    wrote A 100
    arrive_guest B "$scratch/B.qcow2"
    bitmaps A
}

# figures TITLE REPORT SIDE: QEMU's own, and the guest's
figures() {
    printf '  %-18s %4s ms of downtime, %5s ms in all;  %s\n' "$1" "$(jq .downtime_ms <<<"$2")" \
        "$(jq .total_ms <<<"$2")" "$(guest "$3" report)"
}

build_guest

step '1. A guest that writes all the while; checkpoints chk1 and chk2, each with a full backup'
begin_story

step '2. It moves without bitferry: disk by mirror, then memory, while it writes'
guest A report >/dev/null
without=$(move A B --without-bitferry)
without_figures=$(figures 'without bitferry' "$without" B)
[ -z "$(bitmap B vda chk1)" ] || die "chk1 is there although nobody carried it"
note "no checkpoint has arrived: the next backup would be a full one"
end_qemu A
end_qemu B

step '3. The same once more, now with bitferry-source and bitferry-dest'
begin_daemons
begin_story
guest A report >/dev/null
with=$(move A B)
with_figures=$(figures 'with bitferry' "$with" B)
bitmaps B

step '4. Downtime by QEMU, writes as the guest has measured them through the whole move'
printf '%s\n%s\n' "$without_figures" "$with_figures"
note "one move each, on a machine that does all else too: a single pair of figures proves nothing"

step '5. It writes on at B, and the incremental backup is made there'
wrote B 100
guest B stop >/dev/null
for name in chk1 chk2; do
    carried B vda "$name"
    printf '  %s  QEMU at B: sha256 %s\n' "$name" "$(digest_of B "$name")"
    incremental B vda "$name" "$scratch/$name.full.qcow2" "$scratch/$name.incremental.qcow2"
done
end_qemu A
end_qemu B
for name in chk1 chk2; do
    qemu-img compare -q "$scratch/$name.incremental.qcow2" "$scratch/B.qcow2" ||
        die "full + incremental since $name is not the disk"
    yes "$name: full backup from A + incremental backup from B = the disk, byte for byte"
done
qemu-img check -q "$scratch/B.qcow2" || die "qemu-img check"
yes 'qemu-img check finds nothing wrong'
