#!/bin/bash
# Ends other than the good one: the source keeps its bitmaps, the copies are as they were, and it is said why.
. "$(dirname "$0")/lib.sh"
begin_daemons
a=$scratch/a.qcow2 b=$scratch/b.qcow2

begin() {
    find "$scratch" -maxdepth 1 -name '*.qcow2' -delete
    make_image "$a"
    qemu-img convert -O qcow2 "$a" "$b"
}

# hold FILE COMMAND...: while a machine has it open
hold() {
    local file=$1 holder
    shift
    run_child qemu-nbd -t -f qcow2 -k "$scratch/holder" "$file"
    holder=$child
    wait_for 30 [ -S "$scratch/holder" ]
    "$@"
    kill "$holder"
    wait "$holder" 2>/dev/null || true
}

# kept CODE TEXT: both have failed, wait tells why, nothing has changed
kept() {
    both_end "${3:-failed}" "${4:-failed}"
    fails_with "$1" "$2" order dest wait --for committed "$arriving"
    carried "$a"
    equal "" "$(bitmaps "$b")" "bitmaps in the copy"
}

begin
hold "$a" fails_with 11 'in use' order source start --vm ferry --uuid "$uuid" --peer "127.0.0.1:$port" \
    --image "vda=$a"
hold "$b" fails_with 11 'in use' order dest expect --vm ferry --uuid "$uuid" --image "vda=$b"
fails_with 1 'No such file' order dest expect --vm ferry --uuid "$uuid" --image "vda=$scratch/none"
fails_with 2 'give --qmp .* or --image' order dest expect --vm ferry --uuid "$uuid" --qmp /q --image "vda=$b"
ok "images that a machine has open are refused"

begin
start_off "vda=$a"
wait_for 30 is 'waiting for the destination' phase source "$leaving"
order source abort "$leaving" >/dev/null
wait_for 30 ended source "$leaving" aborted
put "$a" 9 # nothing holds it any more
expect_off "vda=$b"
order dest abort "$arriving" >/dev/null
wait_for 30 ended dest "$arriving" aborted
nothing_left
ok "given up before the other side was there"

begin # the copy is started before its bitmaps are there, however shortly
expect_off "vda=$b"
put "$b" 40
start_off "vda=$a"
kept 14 'written to since'
ok "a machine has run from the copy: it gets nothing"

begin # while the commit is under way
kill "${daemon[dest]}"
wait "${daemon[dest]}"
begin_daemon dest BITFERRY_FAIL_POINT=dest.loaded:stop
expect_off "vda=$b"
start_off "vda=$a"
wait_for 30 in_log dest 'PULLING -> LOADING' # its log is new
wait_for 30 grep -q '^State:.*stopped' "/proc/${daemon[dest]}/status"
put "$b" 40
kill -CONT "${daemon[dest]}"
kept 14 'written to since'
ok "a machine has run from the copy in the middle of the move: it gets nothing"

begin # the machine is started at the source while nobody holds the image
kill "${daemon[dest]}"
wait "${daemon[dest]}"
start_off "vda=$a"
wait_for 30 is 'waiting for the destination' phase source "$leaving"
kill_daemon source
put "$a" 5
begin_daemon source
begin_daemon dest
wait_for 30 ended source "$leaving" failed
fails_with 14 'written to while' order source wait --for committed "$leaving"
carried "$a"
ok "the machine has run at the source meanwhile: its move is over"

begin # no room beside the copy
mkdir "$scratch/small"
mount -t tmpfs -o size=1m none "$scratch/small"
qemu-img create -q -f qcow2 "$scratch/small/b.qcow2" "$disk_size"
dd if=/dev/zero "of=$scratch/small/full" bs=4k status=none 2>/dev/null || true
expect_off "vda=$scratch/small/b.qcow2"
start_off "vda=$a"
both_end failed failed
fails_with 1 'No space left' order dest wait --for committed "$arriving"
carried "$a"
equal "" "$(bitmaps "$scratch/small/b.qcow2")" "bitmaps in the copy"
equal "" "$(find "$scratch/small" -name '.*.bitferry')" "work folders"
ok "no room beside the copy: the source keeps its bitmaps"

begin # no room for what travels
mount -t tmpfs -o size=64k none "$scratch/carriers"
expect_off "vda=$b"
start_off "vda=$a"
both_end failed failed
carried "$a"
umount "$scratch/carriers"
ok "no room for the carriers: the source keeps its bitmaps"

begin # a QEMU waits where images are wanted
qemu dest -machine none -incoming defer
order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=none >"$scratch/id"
arriving=$(cat "$scratch/id")
start_off "vda=$a"
wait_for 30 ended dest "$arriving" failed
fails_with 15 'shut off' order dest wait --for committed "$arriving"
order source abort "$leaving" >/dev/null
carried "$a"
ok "a machine that is shut off does not go to a QEMU"

begin # on shared storage, nothing has to move, and nothing may be removed
start_off "vda=$a"
expect_off "vda=$a"
both_end failed failed
fails_with 1 'the same image on both sides' order dest wait --for committed "$arriving"
carried "$a"
ok "one image on both sides is left alone"
