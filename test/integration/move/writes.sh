#!/usr/bin/env bash
# The promise, as people feel it: full backup here + incremental backup there = the disk, byte for byte,
# with a guest that writes all the while, for several seeds, and for a journey A to B to A onto old files.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_guest
qemu-img create -q -f qcow2 "$scratch/A.qcow2" 64M
qemu-img create -q -f qcow2 "$scratch/B.qcow2" 64M
begin_daemons
begin_guest A "$scratch/A.qcow2"

# journey FROM TO SEED: what is proven on arrival
journey() {
    local from=$1 to=$2 seed=$3 name
    guest "$from" start "$seed" 150 24 >/dev/null
    wrote "$from" 100
    for name in "one-$seed" "two-$seed"; do
        checkpoint "$from" vda "$name" "$scratch/$name.full.qcow2"
        wrote "$from" 50
    done
    arrive_guest "$to" "$scratch/$to.qcow2"
    jq -n '{schema:1, style:"nested", checkpoints:[$ARGS.positional[] | {name:., disks:[{disk:"vda"}]}]}' \
        --args "one-$seed" "two-$seed" never >"$scratch/checkpoints.json"
    move "$from" "$to" --checkpoints "$scratch/checkpoints.json" >/dev/null 2>"$scratch/said" ||
        die "$(cat "$scratch/said")"
    equal "one-$seed carried two-$seed carried" \
        "$(jq -r '.checkpoints[] | .name, .status' "$scratch/checkpoints.json" | xargs)" "checkpoints on arrival"
    wrote "$to" 100
    guest "$to" stop >/dev/null
    for name in "one-$seed" "two-$seed"; do
        carried "$to" vda "$name"
        incremental "$to" vda "$name" "$scratch/$name.full.qcow2" "$scratch/$name.incremental.qcow2"
    done
    clean "$from"
    clean "$to"
    end_qemu "$from"
    equal '' "$(qemu-img info --output=json "$scratch/$from.qcow2" |
        jq -r '."format-specific".data.bitmaps[]?.name')" "bitmaps left in the source's image"
}

# compare SIDE SEED: when nobody has the image open any more
compare() {
    local name
    for name in "one-$2" "two-$2"; do
        qemu-img compare -q "$scratch/$name.incremental.qcow2" "$scratch/$1.qcow2" ||
            die "full + incremental since $name is not the disk of $1"
    done
    qemu-img check -q "$scratch/$1.qcow2" || die "qemu-img check of $1"
    ok "since one-$2 and two-$2: full here + incremental there = the disk, byte for byte"
}

# The image is open in the QEMU that has the guest: it is looked at where nobody writes to it.
pause_and_compare() {
    qmp "$1" stop
    cp "$scratch/$1.qcow2" "$scratch/copy.qcow2"
    local name
    for name in "one-$2" "two-$2"; do
        qemu-img compare -q "$scratch/$name.incremental.qcow2" "$scratch/copy.qcow2" ||
            die "full + incremental since $name is not the disk of $1"
    done
    rm "$scratch/copy.qcow2"
    qmp "$1" cont
    ok "since one-$2 and two-$2: full here + incremental there = the disk, byte for byte"
}

journey A B 1
pause_and_compare B 1
journey B A 2
ok "the old file of A had bitmaps of the first visit: they are not there any more"
pause_and_compare A 2
journey A B 3
end_qemu B
compare B 3
for name in one-1 two-1 one-2 two-2 one-3 two-3; do
    qemu-img info --output=json "$scratch/B.qcow2" | jq -e --arg name "$name" \
        '."format-specific".data.bitmaps[] | select(.name==$name) | .flags | index("auto")' >/dev/null ||
        die "$name is not stored in B's image"
done
ok "after three journeys all six checkpoints are stored in the image"
