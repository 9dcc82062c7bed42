#!/usr/bin/env bash
# doctor at a QEMU that hides something: a migration that is awaited, one that was cancelled, a bitmap that was
# not closed; and at a qemu-storage-daemon.
. "$(dirname "$0")/lib.sh"
mode=nbd layers=one
. "$(dirname "$0")/../../modes/pair.sh"

dirty_image "$scratch/vda.qcow2" 64M chk1 $granule 0 $granule

# start: another QEMU at the source
start() {
    rm -f "$scratch/source.pipe".*
    qemu source -machine none
    guest_disk source vda "$scratch/vda.qcow2" qcow2
}

# --- QEMU waits for a migration: what is in its image is not loaded ---
qemu dest -machine none -incoming defer
guest_disk dest vda "$scratch/vda.qcow2" qcow2
checkpoints nested chk1:vda=chk1 >"$scratch/chain.json"
examine 4 --qmp "$scratch/dest.qmp" --disk vda=vda --checkpoints "$scratch/chain.json"
equal "DISK_INACTIVE 1 of 1" "$(cell vda chk1) $(checked DISK_ACTIVE)" "an image that is not active"
end_qemu dest
ok "a QEMU that waits for its migration has not loaded the bitmaps: ask again when it runs"

# --- a migration with `dirty-bitmaps` that was cancelled: QEMU would not store them ---
cancelled_migration() {
    capabilities source dirty-bitmaps pause-before-switchover
    qmp source migrate '{"uri":"exec:cat >/dev/null"}'
    wait_for 30 is pre-switchover migration source
    qmp source migrate_cancel
    wait_for 30 is cancelled migration source
}

cp "$scratch/vda.qcow2" "$scratch/kept.qcow2"
start
cancelled_migration
end_qemu source
examine 4 vda="$scratch/vda.qcow2"
cp "$scratch/kept.qcow2" "$scratch/vda.qcow2"
start
examine 0 --qmp "$scratch/source.qmp" --disk vda=vda
equal "0 of 1" "$(checked MIGRATION_CLEAN)" "before the migration"
cancelled_migration
examine 0 --qmp "$scratch/source.qmp" --disk vda=vda
equal "incremental warning cancelled" \
    "$(cell vda chk1) $(found MAY_NOT_BE_STORED severity) $(found MAY_NOT_BE_STORED detail)" "after it"
commands=$(remedy MAY_NOT_BE_STORED)
while read -r line; do
    qmp source "$(jq -r .execute <<<"$line")" "$(jq -c .arguments <<<"$line")" >/dev/null
done <<<"$commands"
end_qemu source
examine 0 vda="$scratch/vda.qcow2"
equal "incremental $granule" "$(cell vda chk1) $(jq '.coverage[0].max_dirty_bytes' <<<"$said")" \
    "the image, after the remedy"
ok "a migration that was cancelled: QEMU shows its bitmaps as before; they are stored only after doctor's remedy"

# --- a QEMU that was killed, and its successor ---
start
end_qemu source KILL
examine 4 vda="$scratch/vda.qcow2"
equal "BITMAP_INCONSISTENT" "$(cell vda chk1)" "the image of a killed QEMU"
[[ $(found BITMAP_INCONSISTENT detail) == *"in use"* ]] || die "no word of why: $(found BITMAP_INCONSISTENT detail)"
start
examine 4 --qmp "$scratch/source.qmp" --disk vda=vda
equal "BITMAP_INCONSISTENT 1 of 1" "$(cell vda chk1) $(checked BITMAP_CONSISTENT)" "at the QEMU after it"
line=$(remedy BITMAP_INCONSISTENT)
qmp source "$(jq -r .execute <<<"$line")" "$(jq -c .arguments <<<"$line")"
examine 4 --qmp "$scratch/source.qmp" --disk vda=vda
equal "0" "$(jq '.coverage | length' <<<"$said")" "after the remedy"
end_qemu source
fails_with 4 "There is no checkpoint: the next backup is a full one" "$BITFERRY" doctor "$scratch/vda.qcow2"
ok "a QEMU that was killed leaves an inconsistent bitmap, in the image and at its successor"

# --- a qemu-storage-daemon has no guest, so its disks are named ---
run_child qemu-storage-daemon --chardev "socket,id=m,path=$scratch/qsd,server=on,wait=off" --monitor chardev=m \
    --blockdev "driver=qcow2,node-name=data,file.driver=file,file.filename=$scratch/vda.qcow2"
storage=$child
wait_for 30 test -S "$scratch/qsd"
fails_with 1 "name its nodes" "$BITFERRY" doctor --qmp "$scratch/qsd"
examine 4 --qmp "$scratch/qsd" --disk vdx=data
equal "0 of 1" "$(checked DISK_SEEN)" "the disk of a storage daemon"
kill "$storage"
wait "$storage" 2>/dev/null || true
fails_with 10 "QMP socket" "$BITFERRY" doctor --qmp "$scratch/qsd"
ok "a qemu-storage-daemon"
