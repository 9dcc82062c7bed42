#!/bin/bash
# Memory stays bounded: the largest bitmap that QEMU stores, and thousands of bitmaps in one image.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/carrier_read_lib.sh"

cd "$scratch"

# below_64_mib IMAGE WHAT: a sanitizer's own memory is not counted.
below_64_mib() {
    local kib
    kib=$("$dump" -m "$1" | tail -n 1)
    ok "$2: $kib KiB resident at most"
    if ! grep -q __asan_init "$dump"; then
        [ "$kib" -lt 65536 ] || die "$2: $kib KiB resident"
    fi
}

qemu-img create -q -f qcow2 -o cluster_size=2M largest.qcow2 16T
qemu-img bitmap --add -g 4k largest.qcow2 b
qemu-io -c 'write 0 4k' -c 'write 5T 3M' -c 'write 17592186040320 4k' largest.qcow2 >/dev/null
same_as_qemu 1 largest.qcow2 "512 MiB of bits: 16 TiB at 4 KiB"
below_64_mib largest.qcow2 "512 MiB of bits"
rm largest.qcow2

qemu-img create -q -f qcow2 many.qcow2 1G
seq 1 3000 | jq -c '{execute:"block-dirty-bitmap-add",arguments:{node:"disk",persistent:true,
    granularity:65536,name:"checkpoint-\(.)"}}' >commands
oracle_ask driver=qcow2,node-name=disk,file.driver=file,file.filename=many.qcow2 <commands >answers
equal 3000 "$(grep -c '"return"' answers)" "bitmaps that QEMU added"
qemu-io -c 'write 0 4k' -c 'write 1020M 2M' many.qcow2 >/dev/null
same_as_qemu 3000 many.qcow2 "3,000 bitmaps in one image"
below_64_mib many.qcow2 "3,000 bitmaps"
