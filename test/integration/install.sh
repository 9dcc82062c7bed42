#!/usr/bin/env bash
# Bitmaps of a carrier come into an image: all or none, proven by QEMU, in images of every make; and what
# cannot be done is refused with nothing changed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/install_lib.sh"

cp plain.qcow2 image.qcow2
"$install" carrier.qcow2 image.qcow2
complete image.qcow2
qemu-img check -q image.qcow2 || die "check"
nothing_left
ok "bitmaps are installed, their state is kept, other bitmaps and the data stay"

fails_with 4 "already has a bitmap 'chk[12]'.*--replace" "$install" carrier.qcow2 image.qcow2
"$install" --replace carrier.qcow2 image.qcow2
complete image.qcow2
qemu-img check -q image.qcow2 || die "check after --replace"
ok "an existing bitmap is refused, and replaced when that is asked for"

for granularity in 512 4096 1048576 2147483648; do
    cp plain.qcow2 image.qcow2
    "$install" --granularity "$granularity" carrier.qcow2 image.qcow2
    qemu-img check -q image.qcow2 || die "check at $granularity"
done
nothing_left
ok "another granularity, coarser and finer, proven by QEMU's digest of it"

# Images of every make.  The data file and the backing file of the target are not even opened.
printf secret >key
variants=(cluster_size=512 cluster_size=4k cluster_size=2M refcount_bits=1 refcount_bits=8
    refcount_bits=64 'extended_l2=on,cluster_size=128k' lazy_refcounts=on compression_type=zstd
    data_file=external.raw 'data_file=external.raw,data_file_raw=on')
for options in "${variants[@]}"; do
    rm -f made.qcow2 external.raw
    qemu-img create -q -f qcow2 -o "$options" made.qcow2 1G
    qemu-img bitmap --add made.qcow2 other
    qemu-io -c 'write -P 7 0 2M' made.qcow2 >/dev/null
    "$install" carrier.qcow2 made.qcow2
    equal "$chk1" "$(qemu_digest made.qcow2 chk1)" "digest with $options"
    qemu-img check -q made.qcow2 || die "check with $options"
    "$install" --replace carrier.qcow2 made.qcow2
    equal "$chk1" "$(qemu_digest made.qcow2 chk1)" "digest with $options, replaced"
    qemu-img check -q made.qcow2 || die "check with $options, replaced"
    ok "installed in an image with $options"
done

# qemu-img measures its own speed for the key, and gives up where the machine stands still meanwhile.
encrypted() {
    rm -f made.qcow2
    qemu-img create -q -f qcow2 --object secret,id=s,file=key \
        -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 made.qcow2 1G
}
wait_for 30 encrypted
fails_with 2 "encrypted \(luks\).*--key-file" "$install" carrier.qcow2 made.qcow2
"$install" --key-file key carrier.qcow2 made.qcow2
equal "chk1:auto chk2:" "$(names_of made.qcow2)" "bitmaps of the encrypted image"
ok "installed in an encrypted image"

qemu-img create -q -f qcow2 -b missing.qcow2 -F qcow2 -u overlay.qcow2 1G
"$install" carrier.qcow2 overlay.qcow2
ok "installed in an image whose backing file is not there"

# Refused, with nothing changed.
unchanged() {
    local image=$1 before
    before=$(sha256sum "$image")
    shift
    "$@"
    equal "$before" "$(sha256sum "$image")" "contents of $image"
    nothing_left
}
qemu-img create -q -f raw raw.img 1G
unchanged raw.img fails_with 15 "not a qcow2 image|qcow2" "$install" carrier.qcow2 raw.img
qemu-img create -q -f qcow2 -o compat=0.10 v2.qcow2 1G
unchanged v2.qcow2 fails_with 15 "version 2.*amend" "$install" carrier.qcow2 v2.qcow2
qemu-img create -q -f qcow2 small.qcow2 512M
unchanged small.qcow2 fails_with 15 "1073741824.*536870912" "$install" carrier.qcow2 small.qcow2
cp plain.qcow2 read-only.qcow2
chmod 0444 read-only.qcow2
unchanged read-only.qcow2 fails_with 1 "cannot be written" "$install" carrier.qcow2 read-only.qcow2
cp plain.qcow2 image.qcow2
(qemu-io -c 'write 0 64k' -c abort image.qcow2 || true) >/dev/null 2>&1
qemu-img bitmap --add image.qcow2 fresh
dirty_image bad.qcow2 1G other 65536 0 64k
unchanged image.qcow2 fails_with 4 "cannot be overwritten.*qemu-img bitmap --remove" \
    "$install" --replace bad.qcow2 image.qcow2
ok "raw, version 2, another size, read-only, an inconsistent bitmap of the name: refused, unchanged"

cp plain.qcow2 image.qcow2
run_child qemu-storage-daemon --nbd-server "addr.type=unix,addr.path=$scratch/vm.sock" \
    --blockdev driver=qcow2,node-name=n,file.driver=file,file.filename=image.qcow2 \
    --export type=nbd,id=e,node-name=n,writable=on
vm=$child
wait_for 10 test -S vm.sock
fails_with 11 "in use" "$install" carrier.qcow2 image.qcow2
kill "$vm"
wait "$vm" || true
nothing_left
ok "an image that a running VM uses is refused"

# Three hundred bitmaps, each of which takes a table of 2 MiB.
qemu-img create -q -f qcow2 many.qcow2 1G
for i in $(seq 300); do
    printf '{"execute":"block-dirty-bitmap-add","arguments":{"node":"disk","name":"b%s","persistent":true}}\n' "$i"
done >commands
mapfile -t commands <commands
qsd_qmp driver=qcow2,node-name=disk,file.driver=file,file.filename=many.qcow2 "${commands[@]}" >/dev/null
qemu-img create -q -f qcow2 -o cluster_size=2M wide.qcow2 1G
"$install" many.qcow2 wide.qcow2
qemu-img check -q wide.qcow2 || die "check of 300 bitmaps"
equal 300 "$(qemu-img info --output=json wide.qcow2 | jq '."format-specific".data.bitmaps | length')" bitmaps
rm wide.qcow2
ok "300 bitmaps in clusters of 2 MiB"

# The work folder: nobody can put another in its place.
cp plain.qcow2 image.qcow2
mkdir elsewhere
ln -s elsewhere .image.qcow2.bitferry
fails_with 1 "cannot open the work folder" "$install" carrier.qcow2 image.qcow2
rm .image.qcow2.bitferry
mkdir -m 0777 .image.qcow2.bitferry
chmod 0777 .image.qcow2.bitferry
fails_with 1 "not ours alone.*mode 777" "$install" carrier.qcow2 image.qcow2
rmdir .image.qcow2.bitferry elsewhere
ok "a work folder that is a link, or open to others, is refused"

# An image that can be written in a folder that cannot.
mkdir fixed
mount -t tmpfs none fixed
touch fixed/image.qcow2
mount -o remount,ro fixed
mount --bind image.qcow2 fixed/image.qcow2
TMPDIR=$scratch "$install" carrier.qcow2 fixed/image.qcow2
umount fixed/image.qcow2 fixed
complete image.qcow2
equal "" "$(find . -name 'bitferry-*')" "work folders left behind"
ok "an image in a read-only folder: the work is done elsewhere"

# Two at a time: one works, the other is told so.
cp plain.qcow2 image.qcow2
BITFERRY_FAIL_POINT=install.loaded:stop run_child "$install" carrier.qcow2 image.qcow2
first=$child
wait_for 20 grep -q '^State:.*stopped' "/proc/$first/status"
fails_with 11 "another bitferry works on this image" "$install" carrier.qcow2 image.qcow2
fails_with 1 "lock" qemu-io -c 'write 0 64k' image.qcow2
kill -CONT "$first"
wait "$first" || die "the stopped one did not go on"
complete image.qcow2
ok "two runs on one image exclude each other, and QEMU"

# No room: on a file system of 24 MiB that the image nearly fills.
mkdir small
mount -t tmpfs -o size=24m none small
cp plain.qcow2 small/image.qcow2
dd if=/dev/zero of=small/filler bs=64k status=none 2>/dev/null || true
truncate -s -192k small/filler
before=$(sha256sum <small/image.qcow2)
fails_with 1 "No space left" "$install" carrier.qcow2 small/image.qcow2
equal "$before" "$(sha256sum <small/image.qcow2)" "the image after ENOSPC"
rm small/filler
"$install" carrier.qcow2 small/image.qcow2
complete small/image.qcow2
umount small
ok "no space left: named, nothing changed"

# QEMU is killed under us: an error, and not a byte of the image is another.
cp plain.qcow2 image.qcow2
before=$(sha256sum image.qcow2)
BITFERRY_FAIL_POINT=install.loaded:stop run_child "$install" carrier.qcow2 image.qcow2
first=$child
wait_for 20 grep -q '^State:.*stopped' "/proc/$first/status"
daemon=$(pgrep -P "$first" -f qemu-storage-daemon)
kill -KILL "$daemon"
kill -CONT "$first"
status=0
wait "$first" || status=$?
equal 1 "$status" "exit code when the storage daemon was killed"
equal "$before" "$(sha256sum image.qcow2)" "the image after its storage daemon was killed"
nothing_left
ok "the storage daemon is killed: named, nothing changed"
