#!/usr/bin/env bash
# doctor at a running QEMU: each check has a case in which it fires, and what it tells to do helps.
. "$(dirname "$0")/lib.sh"
mode=nbd layers=one
. "$(dirname "$0")/../../modes/pair.sh"
qmp_socket=$scratch/source.qmp
chain=$scratch/chain.json

# disk NAME: a qcow2 image, attached as a guest has it, under its own name
disk() {
    qemu-img create -q -f qcow2 "$scratch/$1.qcow2" $disk_size
    guest_disk source "$1" "$scratch/$1.qcow2" qcow2
}

# looked EXIT [OPTION...]: the disks that are there now
looked() {
    local expected=$1
    shift
    examine "$expected" --qmp "$qmp_socket" ${attached[@]+"${attached[@]/#/--disk=}"} "$@"
}

# follow CODE: send the commands that doctor tells
follow() {
    local line commands
    commands=$(remedy "$1")
    [ -n "$commands" ] || die "no remedy for $1"
    while read -r line; do
        qmp source "$(jq -r .execute <<<"$line")" "$(jq -c .arguments <<<"$line")" >/dev/null
    done <<<"$commands"
}

dirty() {
    bitmap source "$1" "$2" | jq .count
}

qemu source -machine none
disk vda
attached=(vda=vda)
add_bitmap source vda chk1 recording persistent
guest_writes source guest-vda 1 2
add_bitmap source vda chk2 recording persistent
guest_writes source guest-vda 5

looked 0
equal "names" "$(jq -r .checkpoints_from <<<"$said")" "where the checkpoints are from"
equal "incremental incremental" "$(cell vda chk1) $(cell vda chk2)" "coverage"
equal "[$((3 * granule)),$granule]" "$(jq -c '[.coverage[].max_dirty_bytes]' <<<"$said")" "what it would copy"
equal "" "$(jq -r '.findings[].code' <<<"$said")" "findings"
before=$(qmp source query-named-block-nodes '{"flat":true}' | jq -S .)
"$BITFERRY" doctor --qmp "$qmp_socket" >"$scratch/text"
grep -q '1 disk, 2 checkpoints' "$scratch/text" || die "the disks of the guest are not found: $(<"$scratch/text")"
equal "$before" "$(qmp source query-named-block-nodes '{"flat":true}' | jq -S .)" "the nodes after doctor"
ok "two checkpoints in order: incremental, and nothing is changed"

checkpoints nested chk1:vda=chk1 chk2:vda=chk2 chk3:vda=chk3 >"$chain"
looked 3 --checkpoints "$chain"
equal "incremental BITMAP_MISSING" "$(cell vda chk1) $(cell vda chk3)" "coverage"
equal "1 of 3" "$(checked BITMAP_THERE)" "checked"
ok "a checkpoint without its bitmap"

checkpoints nested chk1:vda=chk1,vdb=chk1 >"$chain"
looked 0 --checkpoints "$chain"
equal "chk2" "$(found BITMAP_UNKNOWN bitmap)" "the bitmap without its checkpoint"
equal "vdb" "$(found DISK_GONE detail)" "the disk that is gone"
equal "1 of 2, 1 of 2" "$(checked BITMAP_KNOWN), $(checked DISK_STILL_THERE)" "checked"
ok "a bitmap without its checkpoint, a checkpoint without its disk: noted"

disk vdb
attached+=(vdb=vdb)
add_bitmap source vdb chk2 recording persistent
looked 3
equal "DISK_NOT_IN_CHECKPOINT incremental" "$(cell vdb chk1) $(cell vdb chk2)" "coverage of the new disk"
equal "1 of 4" "$(checked DISK_IN_CHECKPOINT)" "checked"
equal "incremental incremental" "$(cell vda chk1) $(cell vda chk2)" "coverage of the old one"
ok "a disk plugged in between: full since the checkpoint before, that disk only"

qmp source nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$scratch/nbd\"}}}" >/dev/null
qmp source block-export-add '{"type":"nbd","id":"backup-1","node-name":"vdb","bitmaps":[{"node":"vdb","name":"chk2"}]}' >/dev/null
looked 3
equal "BITMAP_BUSY wait export 'backup-1'" \
    "$(cell vdb chk2) $(found BITMAP_BUSY severity) $(found BITMAP_BUSY detail)" "a bitmap in use"
equal "1 of 3" "$(checked BITMAP_FREE)" "checked"
qmp source block-export-del '{"id":"backup-1"}' >/dev/null
gone() { [ "$(qmp source query-block-exports)" = '[]' ]; }
wait_for 10 gone
looked 3
equal "incremental" "$(cell vdb chk2)" "when the export has ended"
ok "a bitmap that an export holds: not now, and by what"

qmp source block-dirty-bitmap-disable '{"node":"vda","name":"chk2"}'
looked 3
equal "incremental BITMAP_FROZEN" "$(cell vda chk1) $(cell vda chk2)" "coverage with chk2 frozen"
equal "1 of 3" "$(checked BITMAP_RECORDING)" "checked"
follow BITMAP_FROZEN
looked 3
equal "incremental " "$(cell vda chk1) $(bitmap source vda chk2)" "after the remedy"
ok "a frozen bitmap: full, and it is removed as doctor says"

add_bitmap source vda passing recording transient
guest_writes source guest-vda 9
checkpoints nested chk1:vda=chk1 passing:vda=passing >"$chain"
looked 3 --checkpoints "$chain"
equal "BITMAP_TRANSIENT" "$(cell vda passing)" "coverage by a transient bitmap, nested"
checkpoints links chk1:vda=chk1 passing:vda=passing >"$chain"
looked 3 --checkpoints "$chain"
equal "incremental incremental" "$(cell vda chk1) $(cell vda passing)" "coverage by a transient link"
equal "warning 1 of 2" "$(found BITMAP_TRANSIENT severity) $(checked BITMAP_PERSISTENT)" "what it is called"
follow BITMAP_TRANSIENT
guest_writes source guest-vda 11
looked 3 --checkpoints "$chain"
equal "" "$(found BITMAP_TRANSIENT)" "after the remedy"
equal "true $((2 * granule))" "$(bitmap source vda passing | jq -r .persistent) $(dirty vda passing)" "the renewed bitmap"
equal "chk1 passing" "$(bitmap source vda chk1 | jq -r .name) $(qmp source query-named-block-nodes '{"flat":true}' |
    jq -r '.[] | select(."node-name" == "vda")."dirty-bitmaps"[].name' | grep -v chk1 | xargs)" "bitmaps that are left"
ok "a transient one: a checkpoint of libvirt would be broken; what doctor says makes it persistent"

checkpoints links chk1:vda=chk1 gone:vda=gone passing:vda=passing |
    jq 'del(.checkpoints[1])' >"$chain"
looked 3 --checkpoints "$chain"
equal "CHECKPOINT_GONE incremental" "$(cell vda chk1) $(cell vda passing)" "coverage of a torn chain"
equal "1 of 2" "$(checked CHAIN_WHOLE)" "checked"
ok "a link in the middle is gone"

attached=(vdb=vdb)
checkpoints nested chk2:vdb=chk2 >"$chain"
qmp source blockdev-snapshot-sync "{\"node-name\":\"vdb\",\"snapshot-file\":\"$scratch/over.qcow2\",\"snapshot-node-name\":\"over\"}" >/dev/null
attached=(vdb=over)
looked 4 --checkpoints "$chain"
equal "LAYER_GAP" "$(cell vdb chk2)" "coverage under a snapshot without bitmaps"
equal "1 of 1" "$(checked BITMAP_GAPLESS)" "checked"
add_bitmap source over chk2 recording persistent
looked 0 --checkpoints "$chain"
equal "over vdb" "$(jq -r '[.coverage[0].bitmaps[].node] | join(" ")' <<<"$said")" "the union"
ok "a snapshot: without the bitmap a gap, with it the union of both images"

qemu-img create -q -f qcow2 "$scratch/target.qcow2" $disk_size
plain_disk source target "$scratch/target.qcow2" qcow2
qmp source blockdev-mirror \
    '{"job-id":"m","device":"vda","target":"target","sync":"full","filter-node-name":"filter"}' >/dev/null
attached=(vda=filter)
checkpoints nested chk1:vda=chk1 >"$chain"
looked 0 --checkpoints "$chain"
equal "vda" "$(jq -r '.coverage[0].bitmaps[].node' <<<"$said")" "the node under the filter"
qmp source block-job-cancel '{"device":"m","force":true}'
idle() { [ "$(qmp source query-block-jobs)" = '[]' ]; }
wait_for 30 idle
ok "a mirror's filter stands above the disk: what is below it counts"

qemu-img create -q -f raw "$scratch/raw" $disk_size
guest_disk source raw "$scratch/raw" raw
attached=(raw=raw)
add_bitmap source raw r1 recording transient
checkpoints links r1:raw=r1 >"$chain"
looked 0 --checkpoints "$chain"
equal "raw raw" "$(found IMAGE_CANNOT_STORE) $(found BITMAP_TRANSIENT)" "warnings of a raw image"
equal "1 of 1" "$(checked DISK_STORES)" "checked"
add_bitmap source vda bitferry-tmp.1 recording transient
attached=(vda=vda)
looked 0
equal "bitferry-tmp.1 note" "$(found BITMAP_TEMPORARY bitmap) $(found BITMAP_TEMPORARY severity)" "a leftover"
fails_with 1 "no node for the disk nowhere" "$BITFERRY" doctor --qmp "$qmp_socket" --disk nowhere=nowhere
ok "an image that stores nothing, what a move left, a node that QEMU does not have"
