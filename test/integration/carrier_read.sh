#!/bin/bash
# The bitmaps of every kind of qcow2 image that QEMU makes: name, granularity, state, count and digest as
# QEMU itself has them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/carrier_read_lib.sh"

# fill IMAGE: write some places, the last sector of a disk of 40 MiB and three sectors among them.
fill() {
    qemu-io -c 'write 0 512' -c 'write 70k 300k' -c 'write 12M 5M' -c 'write 41944064 512' "$1" \
        >/dev/null
}
size=41944576 # ends within a granule, a byte and a word of bits

# two_bitmaps IMAGE: one that records everything, one that is frozen after a part of it.
two_bitmaps() {
    qemu-img bitmap --add -g 512 "$1" fine
    qemu-img bitmap --add -g 64k "$1" coarse
    qemu-io -c 'write 1M 64k' "$1" >/dev/null
    qemu-img bitmap --disable "$1" coarse
    fill "$1"
}

cd "$scratch"
for cluster in 512 4k 64k 2M; do
    for refcount in 1 16 64; do
        qemu-img create -q -f qcow2 -o "cluster_size=$cluster,refcount_bits=$refcount" i.qcow2 $size
        two_bitmaps i.qcow2
        same_as_qemu 2 i.qcow2 "clusters of $cluster, refcounts of $refcount bits"
        rm i.qcow2
    done
done

for raw in off on; do
    qemu-img create -q -f qcow2 -o "data_file=d.raw,data_file_raw=$raw" external.qcow2 $size
    two_bitmaps external.qcow2
    same_as_qemu 2 external.qcow2 "external data file, raw $raw"
    rm external.qcow2 d.raw
done

qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=128k subclusters.qcow2 $size
two_bitmaps subclusters.qcow2
same_as_qemu 2 subclusters.qcow2 "extended L2 entries"

qemu-img create -q -f qcow2 base.qcow2 $size
fill base.qcow2
for type in zlib zstd; do
    qemu-img convert -q -c -O qcow2 -o compression_type=$type base.qcow2 compressed.qcow2
    two_bitmaps compressed.qcow2
    same_as_qemu 2 compressed.qcow2 "data compressed with $type"
    rm compressed.qcow2
done

qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2
two_bitmaps overlay.qcow2
same_as_qemu 2 overlay.qcow2 "a backing file"
rm base.qcow2
"$dump" overlay.qcow2 >/dev/null || die "the backing file is not needed"
ok "a backing file that is gone"

secret=(--object 'secret,id=s,data=sesame')
qemu-img create -q -f qcow2 "${secret[@]}" \
    -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 luks.qcow2 $size
for bitmap in one two; do
    qemu-img bitmap "${secret[@]}" --image-opts --add \
        driver=qcow2,encrypt.key-secret=s,file.filename=luks.qcow2 $bitmap
    qemu-io "${secret[@]}" --image-opts -c 'write 3M 1M' -c 'write 0 512' \
        driver=qcow2,encrypt.key-secret=s,file.filename=luks.qcow2 >/dev/null
done
same_as_qemu 2 luks.qcow2 "encrypted data" '{encrypt:{format:"luks","key-secret":"s"}}' "${secret[@]}"

qemu-img create -q -f qcow2 snapshots.qcow2 $size
two_bitmaps snapshots.qcow2
qemu-img snapshot -c before snapshots.qcow2
fill snapshots.qcow2
qemu-img snapshot -c after snapshots.qcow2
same_as_qemu 2 snapshots.qcow2 "internal snapshots"

qemu-img create -q -f qcow2 -o cluster_size=512 names.qcow2 $size
long=$(printf '%01023d' 0)
for name in "$long" 'Prüfpunkt 🐧 日本' 'with spaces' 'a/b/../c' 'x.qcow2' '%41' '"quoted\"'; do
    qemu-img bitmap --add -g 4k names.qcow2 "$name"
    qemu-io -c "write 0 $((${#name} * 4096))" names.qcow2 >/dev/null
done
same_as_qemu 7 names.qcow2 "names: 1,023 bytes, UTF-8, spaces, slashes"

qemu-img create -q -f qcow2 -o cluster_size=512 full.qcow2 8M
qemu-img bitmap --add -g 512 full.qcow2 all-one
qemu-io -c 'write 0 8M' full.qcow2 >/dev/null
qemu-img bitmap --add -g 512 full.qcow2 all-zero
qemu-img bitmap --add -g 512 full.qcow2 last-only
qemu-img bitmap --disable full.qcow2 all-zero
qemu-io -c 'write 8388096 512' full.qcow2 >/dev/null
same_as_qemu 3 full.qcow2 "all bits set, none, only the last"

qemu-img create -q -f qcow2 granularities.qcow2 $((5 * 1024 * 1024 * 1024 + 512))
for bits in $(seq 9 31); do
    qemu-img bitmap --add -g $((1 << bits)) granularities.qcow2 "2^$bits"
done
qemu-io -c 'write 0 1M' -c 'write 3G 70k' -c 'write 5G 512' granularities.qcow2 >/dev/null
same_as_qemu 23 granularities.qcow2 "every granularity from 512 bytes to 2 GiB"

qemu-img create -q -f qcow2 none.qcow2 $size
equal "" "$("$dump" none.qcow2)" "an image without bitmaps"
qemu-img create -q -f qcow2 empty.qcow2 0
equal "" "$("$dump" empty.qcow2)" "an image of no size"
ok "no bitmaps"
