#!/bin/bash
# What a client sees: the list, the index, the packed bits and the qcow2 views, all as QEMU has them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
dirty_image vda.qcow2 10G daily 64k 1M 3M
dirty_image vda.qcow2 10G hourly 4k 9G 64k
qemu-img bitmap --disable vda.qcow2 daily
dirty_image vdb.qcow2 100M full 64k 0 100M
qemu-img create -q -f qcow2 none.qcow2 64M
dirty_image tiny.qcow2 512 one 64k 0 512
serve vda.qcow2 vdb.qcow2 none.qcow2 tiny.qcow2

nbdinfo --list --json "$(uri '')" >list.json
equal "vda/daily vda/hourly vdb/full tiny/one" \
    "$(jq -r '[.exports[]."export-name"] | join(" ")' list.json)" "exports that are listed"
ok "one export per bitmap"

# described EXPORT STATE: its line in the list says what QEMU says of it.
described() {
    local image=${1%%/*}.qcow2 bitmap=${1#*/} granularity=$3
    local size
    size=$(qemu-img info --output=json "$image" | jq '."virtual-size"')
    equal "disk ${1%%/*}, size $size, granularity $granularity, state $2, dirty $(
        qemu_count "$image" "$bitmap"
    ), sha256 $(qemu_digest "$image" "$bitmap")" \
        "$(jq -r --arg name "$1" '.exports[] | select(."export-name"==$name).description' list.json |
            sed 's/ (add .*//')" "description of $1"
}
described vda/daily frozen 65536
described vda/hourly recording 4096
described vdb/full recording 65536
described tiny/one recording 65536
ok "the descriptions tell size, granularity, state, count and digest"

for name in vda/daily vda/hourly vdb/full tiny/one; do
    equal "$(qemu_digest "${name%%/*}.qcow2" "${name#*/}")" "$(digest "$name")" "bits of $name"
done
equal 8 "$(nbdinfo --size "$(uri tiny/one)")" "size of the bits of a disk of one sector"
ok "the packed bits have QEMU's digest"

nbdcopy "$(uri '')" index.json
equal "$(tail -c 2 index.json | od -An -tx1)" " 7d 0a" "end of the index"
equal '[1,"vda,vdb,none,tiny"]' "$(jq -c '[.schema, ([.disks[].name] | join(","))]' index.json)" \
    "schema and disks of the index"
jq -r '.disks[] | .name as $disk | .bitmaps[] |
    [$disk, .name, .dirty_bytes, .sha256, .recording, .persistent, .consistent] | @tsv' \
    index.json >index.tsv
while IFS=$'\t' read -r disk bitmap count sha256 recording persistent consistent; do
    equal "$(qemu_count "$disk.qcow2" "$bitmap")" "$count" "count of $disk/$bitmap"
    equal "$(qemu_digest "$disk.qcow2" "$bitmap")" "$sha256" "digest of $disk/$bitmap"
    equal "$([ "$bitmap" = daily ] && echo false || echo true)true""true" \
        "$recording$persistent$consistent" "state of $disk/$bitmap"
done <index.tsv
equal 4 "$(wc -l <index.tsv)" "bitmaps in the index"
ok "the index has QEMU's counts and digests"

# The bits of the consistent bitmaps of a disk one after the other, each from a multiple of 4096 on.
for disk in vda vdb tiny; do
    : >expected
    jq -r --arg disk "$disk" '.disks[] | select(.name==$disk).bitmaps[].name' index.json |
        while read -r bitmap; do
            nbdcopy "$(uri "$disk/$bitmap")" bits
            truncate -s %4096 expected
            cat bits >>expected
        done
    nbdcopy "$(uri "$disk")" together
    cmp expected together || die "the export of all of $disk"
    nbdcopy --no-extents "$(uri "$disk")" together
    cmp expected together || die "the export of all of $disk, read with its holes"
    nbdinfo "$(uri "$disk")" | grep -q 'description: packed bits of all' || die "no description"
done
equal 0 "$(nbdinfo --size "$(uri none)")" "size of all bitmaps of a disk without any"
ok "a disk's name is the export of all its bitmaps"

# map EXPORT: offset, length, type
map() {
    nbdinfo --map "$(uri "$1")" | awk '{print $1 "+" $2 ":" $4}' | paste -sd ' '
}
equal "0+4096:data 4096+12288:hole,zero 16384+4096:data" "$(map vda/daily)" "map of vda/daily"
equal "0+294912:hole,zero 294912+4096:data 299008+28672:hole,zero" "$(map vda/hourly)" \
    "map of vda/hourly"
equal "0+200:data" "$(map vdb/full)" "map of vdb/full"
equal "0:false 294912:true 299008:false" \
    "$(qemu-img map --output=json -f raw "$(uri vda/hourly)" |
        jq -r '[.[] | "\(.start):\(.data)"] | join(" ")')" "map that QEMU makes of vda/hourly"
# 20480 bytes of daily, of which data are 0+4096 and 16384+4096, then hourly from 20480 on
equal "0+4096:data 4096+12288:hole,zero 16384+4096:data 20480+294912:hole,zero 315392+4096:data \
319488+28672:hole,zero" "$(map vda)" "map of vda"
ok "clean stretches are holes"

# merged IMAGE BITMAP GRANULARITY: QEMU merges the view into an image without bitmaps.
merged() {
    local image=$1 bitmap=$2
    cp "$image" copy.qcow2
    qemu-img bitmap --remove copy.qcow2 "$bitmap"
    qemu-img bitmap --add -g "$3" copy.qcow2 "$bitmap"
    qemu-img bitmap --merge "$bitmap" -F qcow2 -b "$(uri "${image%.qcow2}/$bitmap.qcow2")" \
        copy.qcow2 "$bitmap"
    equal "$(qemu_digest "$image" "$bitmap")" "$(qemu_digest copy.qcow2 "$bitmap")" \
        "digest of $bitmap after the merge"
    qemu-img check -q -f qcow2 "$(uri "${image%.qcow2}/$bitmap.qcow2")" || die "$bitmap: not clean"
}
merged vda.qcow2 daily 65536
merged vda.qcow2 hourly 4096
merged vdb.qcow2 full 65536
merged tiny.qcow2 one 65536
equal "$(nbdinfo --size "$(uri vda/daily.qcow2)")" \
    "$(nbdinfo --map --totals "$(uri vda/daily.qcow2)" | awk '{sum += $1} END {print sum}')" \
    "what the map of a view covers"
ok "QEMU merges from the qcow2 views and finds them clean"

stop_serving
