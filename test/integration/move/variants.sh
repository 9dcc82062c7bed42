#!/usr/bin/env bash
# The hand-over in every form that an orchestrator may give it, with a guest that writes all the while.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_guest
begin_daemons

# begin NAME IMAGES-AT-ARRIVAL [FORMAT]: new images, a guest with one checkpoint on each disk, and a place to
# go to
begin() {
    local disk i=0 images=() image
    printf 'case: %s\n' "$1"
    for disk in "${disks[@]}"; do
        qemu-img create -q -f qcow2 "$scratch/a$i.qcow2" 64M
        images+=("$scratch/a$i.qcow2")
        i=$((i + 1))
    done
    image=$(IFS=,; printf '%s' "${images[*]}")
    begin_guest A "$image"
    guest A start "$RANDOM" 150 24 >/dev/null
    wrote A 50
    for disk in "${disks[@]}"; do
        checkpoint A "$disk" chk "$scratch/$disk.full.qcow2"
    done
    wrote A 50
    arrive_guest B "$2" "${3:-qcow2}"
}

# go [OPTION...]: by the orchestrator
go() {
    move A B "$@" >/dev/null 2>"$scratch/said" || die "$(cat "$scratch/said")"
}

# prove IMAGE...: of each disk
prove() {
    local disk image format
    wrote B 50
    guest B stop >/dev/null
    for disk in "${disks[@]}"; do
        carried B "$disk" chk
        incremental B "$disk" chk "$scratch/$disk.full.qcow2" "$scratch/$disk.incremental.qcow2"
    done
    clean A
    clean B
    no_carriers || die "carriers are left"
    end_qemu A
    end_qemu B
    for disk in "${disks[@]}"; do
        image=$1
        shift
        format=$(qemu-img info --output=json "$image" | jq -r .format)
        qemu-img compare -q -f qcow2 -F "$format" "$scratch/$disk.incremental.qcow2" "$image" ||
            die "full + incremental is not the disk $disk"
        [ "$format" = raw ] || qemu-img check -q "$image"
    done
    rm -f "$scratch"/*.qcow2 "$scratch"/*.raw
    ok "full + incremental = the disk"
}

image=$scratch/b.qcow2
new_image() {
    qemu-img create -q -f qcow2 "$image" "${1:-64M}"
}

new_image
begin "mirror in write-blocking mode" "$image"
go --copy-mode write-blocking
prove "$image"

new_image
begin "postcopy: the guest runs there before its memory has come" "$image"
go --postcopy
prove "$image"

new_image
begin "an orchestrator that says nothing after the start" "$image"
move A B --silent >/dev/null 2>"$scratch/said" || die "$(cat "$scratch/said")"
there() {
    [ -n "$(bitmap B vda chk)" ]
}
# What was not installed in time is reported, never half there; what was is committed without a word.
wait_for 60 all_moves_ended
if there; then
    prove "$image"
else
    order dest list --json | jq -e '.moves[-1].state != "under-way"' >/dev/null
    end_qemu A
    end_qemu B
    ok "the switchover came too early: dropped, and said so"
fi

new_image 96M
begin "a larger disk at the destination: QEMU's mirror refuses it" "$image"
fails_with 1 'a mirror of a disk has failed' move A B
wait_for 60 all_moves_ended
carried A vda chk
clean A
clean B
end_qemu A
end_qemu B
rm -f "$scratch"/*.qcow2
ok "the orchestrator says so, and the source has its checkpoint"

image=$scratch/b.raw
qemu-img create -q -f raw "$image" 64M
begin "a raw image at the destination: transient there, and said so" "$image" raw
go
last=$(order dest list --json | jq -r '.moves[-1].id')
order dest status --json "$last" >"$scratch/status"
jq -e '[.. | .note? // empty | select(startswith("transient here"))] | length == 1' "$scratch/status" >/dev/null ||
    die "nobody says that it is transient: $(cat "$scratch/status")"
equal false "$(bitmap B vda chk | jq .persistent)" persistent
prove "$image"
image=$scratch/b.qcow2

new_image
begin "thirty bitmaps: recording, frozen, transient, of four granularities" "$image"
for i in $(seq 10); do
    qmp A block-dirty-bitmap-add "{\"node\":\"vda\",\"name\":\"fine-$i\",\"granularity\":$((4096 << i % 4)),\"persistent\":true}"
    qmp A block-dirty-bitmap-add "{\"node\":\"vda\",\"name\":\"transient-$i\"}"
    qmp A block-dirty-bitmap-add "{\"node\":\"vda\",\"name\":\"frozen-$i\",\"persistent\":true}"
    wrote A 3
    qmp A block-dirty-bitmap-disable "{\"node\":\"vda\",\"name\":\"frozen-$i\"}"
done
frozen=$(for i in $(seq 10); do digest_in A "frozen-$i"; done)
go
for i in $(seq 10); do
    carried B vda "fine-$i"
    carried B vda "transient-$i"
    carried B vda "frozen-$i"
    equal "[true,true,$((4096 << i % 4))]" "$(bitmap B vda "fine-$i" | jq -c '[.recording,.persistent,.granularity]')" "fine-$i"
    equal '[true,false]' "$(bitmap B vda "transient-$i" | jq -c '[.recording,.persistent]')" "transient-$i"
    equal '[false,true]' "$(bitmap B vda "frozen-$i" | jq -c '[.recording,.persistent]')" "frozen-$i"
done
equal "$frozen" "$(for i in $(seq 10); do digest_in B "frozen-$i"; done)" "digests of the frozen ones"
prove "$image"

disks=(vda vdb)
new_image
qemu-img create -q -f qcow2 "$scratch/b1.qcow2" 64M
begin "two disks" "$image,$scratch/b1.qcow2"
qmp A block-dirty-bitmap-add '{"node":"vdb","name":"coarse","granularity":1048576,"persistent":true}'
go
equal 1048576 "$(bitmap B vdb coarse | jq .granularity)" granularity
prove "$image" "$scratch/b1.qcow2"
