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
