#!/bin/bash
# An image is never read while QEMU writes to it, and QEMU does not write while it is read; whatever
# changes the file all the same is noticed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/carrier_read_lib.sh"

cd "$scratch"
dirty_image disk.qcow2 64M b 64k 0 1M
"$dump" disk.qcow2 >expected

run_child qemu-storage-daemon --pidfile running \
    --blockdev driver=qcow2,node-name=disk,file.driver=file,file.filename=disk.qcow2
wait_for 10 test -s running
fails_with 11 'IMAGE_IN_USE: disk.qcow2: in use: ' "$dump" disk.qcow2
"$dump" -U disk.qcow2 | grep -q $'\tunusable\t.*in use' || die "-U does not show the bitmap in use"
kill "$child"
wait "$child" || true
diff expected <("$dump" disk.qcow2) || die "not readable after QEMU has closed it"
ok "an image that QEMU has open for writing"

run_child qemu-storage-daemon --pidfile running-too \
    --blockdev driver=qcow2,node-name=disk,read-only=on,file.driver=file,file.filename=disk.qcow2
wait_for 10 test -s running-too
diff expected <("$dump" disk.qcow2) || die "not readable beside a reader"
kill "$child"
wait "$child" || true
ok "an image that QEMU only reads"

# open_dump IMAGE [OPTION]: a reader-dump that has opened the image; close_dump lets it read.
open_dump() {
    mkfifo go
    "$dump" ${2:+"$2"} -w "$1" <go >said 2>&1 &
    child=$!
    bf_children+=("$child")
    exec {go}>go
    rm go
    wait_for 10 grep -q open said
}
close_dump() {
    status=0
    exec {go}>&-
    wait "$child" || status=$?
}

open_dump disk.qcow2
fails_with 1 'Failed to get "write" lock' qemu-io -c 'write 0 64k' disk.qcow2
qemu-img info disk.qcow2 >/dev/null || die "qemu-img cannot read beside us"
close_dump
equal 0 "$status" "exit of the reader that was left alone"
diff expected <(sed 1d said) || die "the reader that was left alone"
qemu-io -c 'write 0 64k' disk.qcow2 >/dev/null || die "the lock is still there"
ok "QEMU may read what we read, but not write"

open_dump disk.qcow2 -U
qemu-io -c 'write 0 64k' disk.qcow2 >/dev/null || die "-U takes locks"
close_dump
ok "no locks with -U"

# changed HOW COMMAND...: the command, done to an open image, is noticed.
changed() {
    local how=$1
    shift
    cp disk.qcow2 victim.qcow2
    open_dump victim.qcow2
    "$@"
    close_dump
    equal 14 "$status" "$how: exit code"
    grep -q '^IMAGE_CHANGED: victim.qcow2: ' said || die "$how: $(cat said)"
    rm -f victim.qcow2
    ok "$how is noticed"
}
replace() {
    cp -p victim.qcow2 other
    mv other victim.qcow2
}
overwrite() {
    printf x | dd of=victim.qcow2 bs=1 seek=500000 conv=notrunc status=none
}
changed "a file in its place" replace
changed "a write" overwrite
changed "a cut" truncate -s -1 victim.qcow2
changed "a removal" rm victim.qcow2
