#!/bin/bash
# A machine that is shut off moves: its bitmaps come into the copies, proven, and go from where they were.
. "$(dirname "$0")/lib.sh"
begin_daemons
a=$scratch/a.qcow2 b=$scratch/b.qcow2

# A flat copy by qemu-img, made after `start`: reading is allowed, starting the machine is not.
make_image "$a"
new=$(qemu_digest "$a" new) old=$(qemu_digest "$a" old)
start_off "vda=$a"
wait_for 30 is 'waiting for the destination' phase source "$leaving"
qemu-io -c "write 0 512" "$a" >/dev/null 2>&1 && die "the image can be written to during the move"
qemu-img convert -O qcow2 "$a" "$b"
expect_off "vda=$b"
settle
carried "$b"
equal "$new $old" "$(qemu_digest "$b" new) $(qemu_digest "$b" old)" "QEMU's digests"
equal "" "$(bitmaps "$a")" "bitmaps left at the source"
equal "carried carried" "$(row dest vda new) $(row source vda old)" "what is told"
order dest wait --quiet --for committed "$arriving" || die "wait ends with $?"
ok "a flat copy"

# What the bitmaps are for: a full backup from before the move and an increment from after it are the disk.
begin_again() {
    rm -f "$a" "$b"
    qemu-img create -q -f qcow2 "$a" "$disk_size"
    put "$a" 0 1 2 3
    checkpoint "$a" cp
    qemu-img convert -O raw "$a" "$scratch/full.raw"
    qemu-io -c "write -P 0x11 $granule $granule" -c "write -z $((2 * granule)) $granule" \
        -c "write -P 0x12 $((700 * granule + 512)) 512" "$a" >/dev/null
}
begin_again
start_off "vda=$a"
qemu-img convert -O qcow2 -o cluster_size=16k "$a" "$b"
expect_off "vda=$b"
settle
qemu-io -c "write -P 0x13 $((900 * granule)) 4k" -c "discard $((3 * granule)) $granule" "$b" >/dev/null
dirty=$(stored_granules "$b" cp)
qemu-img convert -O raw "$b" "$scratch/now.raw"
for at in ${dirty#stored:}; do
    dd if="$scratch/now.raw" of="$scratch/full.raw" bs="$granule" skip="$at" seek="$at" count=1 conv=notrunc status=none
done
cmp "$scratch/full.raw" "$scratch/now.raw" || die "full and increment are not the disk"
ok "a full backup of the source and an increment of the copy are the disk, byte for byte"

# The same order again, while it is under way and when it has ended.
begin_again
start_off "vda=$a"
first=$leaving
start_off "vda=$a"
equal "$first" "$leaving" "the id of the same order"
fails_with 11 'under way already' order source start --vm ferry --uuid "$uuid" --peer "127.0.0.1:$port" \
    --image "vda=$b"
order source abort "$leaving" >/dev/null
ok "an order that is repeated is one"
