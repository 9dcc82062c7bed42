#!/bin/bash
# Bits that cannot be trusted are not served: inconsistent ones, those of a running VM, and those of an
# image that is no longer what was opened.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
dirty_image disk.qcow2 64M b 64k 0 1M
expected=$(qemu_digest disk.qcow2 b)

# hold IMAGE: a process of QEMU's that has the image open for writing, in $holder.
hold() {
    rm -f held
    run_child qemu-storage-daemon --pidfile held \
        --blockdev "driver=qcow2,node-name=disk,file.driver=file,file.filename=$1"
    holder=$child
    wait_for 10 test -s held
}

cp disk.qcow2 running.qcow2
hold running.qcow2
fails_with 1 'error: .*running.qcow2: in use: a running VM' \
    nbdkit -U - "$PLUGIN" disk.qcow2 running.qcow2 --run true
kill -9 "$holder"
wait "$holder" 2>/dev/null || true
ok "the image of a running VM is not opened"

serve disk.qcow2 running.qcow2
nbdinfo --list --json "$(uri '')" |
    jq -r '.exports[] | select(."export-name"=="running/b").description' |
    grep -q 'state inconsistent, problem in use: ' || die "the list does not say that it is inconsistent"
equal '[false,true,null]' "$(nbdcopy "$(uri '')" - | jq -c '.disks[1].bitmaps[0] |
    [.consistent, (.problem | startswith("in use")), .sha256]')" "the inconsistent bitmap in the index"
reason="bitmap 'b' of disk 'running' is inconsistent and must not be used: in use"
read_all() {
    nbdcopy --no-extents "$1" "$scratch/read"
}
refused running/b "$reason" read_all
refused running/b "$reason" nbdinfo --map
refused running/b.qcow2 "$reason"
equal "$expected" "$(digest disk/b)" "the good bitmap beside it"
equal 0 "$(nbdinfo --size "$(uri running)")" "size of all bitmaps that can be used"
equal "$expected" "$(digest disk)" "all bitmaps of the disk beside it"
ok "an inconsistent bitmap is listed with the reason, and not read"

fails_with 1 'Failed to get "write" lock' qemu-io -c 'write 0 64k' disk.qcow2
qemu-img info disk.qcow2 >/dev/null
ok "QEMU cannot write to an image that is served, but read it"
stop_serving
qemu-io -c 'write 0 64k' disk.qcow2 >/dev/null
ok "it can afterwards"

# open_reader EXPORT: a client that has the export open; questions go to $go, answers to the file said.
open_reader() {
    rm -f go said
    mkfifo go
    qemu-io -r -f raw "$(uri "$1")" <go >said 2>&1 &
    reader=$!
    bf_children+=("$reader")
    exec {go}>go
    echo 'read 0 128' >&"$go"
    wait_for 10 grep -q 'read 128/128' said
}
close_reader() {
    echo quit >&"$go"
    exec {go}>&-
    wait "$reader" || true
}

# changed HOW COMMAND...: everything is served; then the command; then nothing of that image is, not even
# to a client that has it open.
changed() {
    local how=$1 reason='victim.qcow2: .*(changed|replaced|gone|removed)'
    shift
    for name in victim/b victim/b.qcow2 victim; do
        cp disk.qcow2 victim.qcow2
        serve victim.qcow2 disk.qcow2
        equal "$expected" "$(digest victim/b)" "bits before $how"
        nbdcopy "$(uri '')" index.json
        open_reader "$name"
        "$@"
        echo 'read 0 128' >&"$go"
        wait_for 10 grep -q 'read failed: Input/output error' said
        close_reader
        refused victim/b "$reason"
        refused victim/b.qcow2 "$reason"
        refused victim "$reason"
        refused '' "$reason"
        refused '' "$reason" nbdinfo --list
        equal "$expected" "$(digest disk/b)" "the other image after $how"
        stop_serving
        rm -f victim.qcow2
    done
    ok "$how is noticed"
}
replace() {
    cp -p victim.qcow2 other.qcow2
    mv other.qcow2 victim.qcow2
}
overwrite() {
    printf x | dd of=victim.qcow2 bs=1 seek=500000 conv=notrunc status=none
}
changed "a file in its place" replace
changed "a write" overwrite
changed "a cut" truncate -s -65536 victim.qcow2
changed "a removal" rm victim.qcow2

qemu-img create -q -f qcow2 victim.qcow2 64M
serve victim.qcow2
nbdcopy "$(uri '')" index.json
replace
refused '' 'victim.qcow2: '
stop_serving
ok "a change of an image without bitmaps is noticed"
