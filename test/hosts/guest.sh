#!/usr/bin/env bash
# `bitferry migrate` of one Linux guest that never stops writing, through every storage mode: there with a copy
# of its disk, back again peer to peer onto shared storage, there on shared storage, back shut off, and there
# with a layer of its own on the shared base.  After each way incremental backups since every checkpoint, pushed
# and pulled, restore the disk.
. "$(dirname "$0")/test_lib.sh"

guest_linux
hosts_up "$scratch/hosts" libvirtd
uuid=11111111-2222-3333-4444-555555555555
name=guest file=$SHARED/guest disk=$IMAGES/guest.qcow2
at=A to_uri=qemu+tcp://host-b/system
checkpoints="chk1 chk2"

begin() {
    domain_disk A "$disk" 64M
    domain_define A $name $uuid vda="$disk"
    a start $name >/dev/null
    writes
    backup_push A $name "$file-full" '' chk1 vda
    wait_for 30 guest_wrote A $name
    backup_push A $name "$file-to2" chk1 chk2 vda
    wait_for 30 guest_wrote A $name
}

# It begins to write, as soon as it can
writes() {
    wait_for 90 guest $at $name start "$RANDOM" 100 48 >/dev/null
    wait_for 30 guest_wrote $at $name
}

here() {
    hosts_run $at virsh -q "$@"
}

# migrates [OPTION-OF-BITFERRY...] -- OPTION...: to the other host
migrates() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    hosts_run $at bitferry migrate --json "${options[@]}" $name $to_uri "$@" --persistent >"$scratch/said" 2>&1 ||
        die "bitferry migrate ended with $?: $(cat "$scratch/said")"
    if [ $at = A ]; then
        at=B to_uri=qemu+tcp://host-a/system
    else
        at=A to_uri=qemu+tcp://host-b/system
    fi
}

# proven WHAT: with the guest quiet for it
proven() {
    local tree
    guest $at $name stop >/dev/null
    tree=$(here checkpoint-list $name --topological --name | xargs)
    equal "$checkpoints" "$tree" "checkpoints"
    equal chk1 "$(here checkpoint-parent $name chk2)" "parent of chk2"
    backup_push $at $name "$file-since1" chk1 '' vda
    backup_push $at $name "$file-since2" chk2 '' vda
    cp "$HOSTS/shared/guest-full-vda.qcow2" "$HOSTS/shared/guest-pulled.qcow2"
    backup_pull $at $name "$file-pulled.qcow2" chk1 vda
    here suspend $name >/dev/null # QEMU writes out all that it has
    backup_restores $at "$disk" "$file-full-vda.qcow2" "$file-since1-vda.qcow2" || die "$1: full + since chk1 is not the disk"
    backup_restores $at "$disk" "$file-full-vda.qcow2" "$file-to2-vda.qcow2" "$file-since2-vda.qcow2" ||
        die "$1: full + to chk2 + since chk2 is not the disk"
    backup_restores $at "$disk" "$file-pulled.qcow2" || die "$1: full + what was pulled since chk1 is not the disk"
    ! backup_restores $at "$disk" "$file-full-vda.qcow2" "$file-to2-vda.qcow2" ||
        die "$1: nothing was written since chk2: this shows nothing"
    here resume $name >/dev/null
    writes
    ok "$1"
}

begin
domain_disk B "$disk" 64M
migrates -- --live --copy-storage-all
wait_for 30 guest_wrote $at $name
proven "--copy-storage-all, with a guest that writes all the while"

disk=$SHARED/guest-disk.qcow2
domain_disk A "$disk" 64M
here dumpxml $name --migratable | sed "s|$IMAGES/guest.qcow2|$disk|" >"$HOSTS/shared/moved.xml"
migrates -- --live --copy-storage-all --p2p --xml "$SHARED/moved.xml" --persistent-xml "$SHARED/moved.xml"
wait_for 30 guest_wrote $at $name
proven "and back, peer to peer, onto shared storage"

migrates -- --live --unsafe
wait_for 30 guest_wrote $at $name
proven "shared storage"

here destroy $name >/dev/null
migrates --shared -- --offline
here start $name >/dev/null
writes
proven "and back, shut off"

here snapshot-create-as $name --disk-only --no-metadata --diskspec "vda,file=$IMAGES/layer.qcow2" >/dev/null
wait_for 30 guest_wrote $at $name
domain_checkpoint $at $name chk3
checkpoints="chk1 chk2 chk3"
wait_for 30 guest_wrote $at $name
hosts_run B qemu-img create -q -f qcow2 -b "$disk" -F qcow2 "$IMAGES/layer.qcow2"
disk=$IMAGES/layer.qcow2
migrates -- --live --copy-storage-inc --unsafe
wait_for 30 guest_wrote $at $name
proven "--copy-storage-inc: a layer of its own, with a checkpoint since, on a base that both hosts have"
