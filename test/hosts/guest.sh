#!/usr/bin/env bash
# `bitferry migrate` of a Linux guest that never stops writing: there with a copy of its disk, back again,
# there with shared storage.  After each way incremental backups since every checkpoint, pushed and pulled,
# restore the disk.
. "$(dirname "$0")/test_lib.sh"

guest_linux
hosts_up "$scratch/hosts" libvirtd
b_uri=qemu+tcp://host-b/system
a_uri=qemu+tcp://host-a/system
uuid=11111111-2222-3333-4444-555555555555

# begin NAME DISK: a domain on A that writes; a full backup at chk1, an incremental one at chk2
begin() {
    domain_disk A "$2" 64M
    domain_define A "$1" $uuid vda="$2"
    a start "$1" >/dev/null
    wait_for 90 guest A "$1" start 1 100 48 >/dev/null
    wait_for 30 guest_wrote A "$1"
    backup_push A "$1" "$SHARED/$1-full" '' chk1 vda
    wait_for 30 guest_wrote A "$1"
    backup_push A "$1" "$SHARED/$1-to2" chk1 chk2 vda
    wait_for 30 guest_wrote A "$1"
}

# moves FROM TO NAME OPTION...: while the guest writes
moves() {
    local uri=$b_uri
    [ "$2" = B ] || uri=$a_uri
    hosts_run "$1" bitferry migrate --json "$3" "$uri" -- --live --persistent "${@:4}" >"$scratch/said" 2>&1 ||
        die "bitferry migrate ended with $?: $(cat "$scratch/said")"
    wait_for 30 guest_wrote "$2" "$3"
}

# proven HOST NAME DISK: with the guest quiet for it.  The domain is shut off and started again.
proven() {
    local host=$1 name=$2 file=$SHARED/$2
    guest "$host" "$name" stop >/dev/null
    equal "chk1 chk2" "$(hosts_run "$host" virsh -q checkpoint-list "$name" --topological --name | xargs)" "checkpoints"
    backup_push "$host" "$name" "$file-since1" chk1 '' vda
    backup_push "$host" "$name" "$file-since2" chk2 '' vda
    cp "$HOSTS/shared/$name-full-vda.qcow2" "$HOSTS/shared/$name-pulled.qcow2"
    backup_pull "$host" "$name" "$file-pulled.qcow2" chk1 vda
    hosts_run "$host" virsh -q destroy "$name" >/dev/null
    backup_restores "$host" "$3" "$file-full-vda.qcow2" "$file-since1-vda.qcow2" || die "full + since chk1 is not the disk"
    backup_restores "$host" "$3" "$file-full-vda.qcow2" "$file-to2-vda.qcow2" "$file-since2-vda.qcow2" ||
        die "full + to chk2 + since chk2 is not the disk"
    backup_restores "$host" "$3" "$file-pulled.qcow2" || die "full + what was pulled since chk1 is not the disk"
    ! backup_restores "$host" "$3" "$file-full-vda.qcow2" "$file-to2-vda.qcow2" ||
        die "nothing was written since chk2: this shows nothing"
    hosts_run "$host" virsh -q start "$name" >/dev/null
    wait_for 90 guest "$host" "$name" start "$RANDOM" 100 48 >/dev/null
}

begin copied "$IMAGES/copied.qcow2"
domain_disk B "$IMAGES/copied.qcow2" 64M
moves A B copied --copy-storage-all
proven B copied "$IMAGES/copied.qcow2"
ok "--copy-storage-all, with a guest that writes all the while"
moves B A copied --copy-storage-all --p2p
proven A copied "$IMAGES/copied.qcow2"
a destroy copied >/dev/null
a undefine copied --checkpoints-metadata >/dev/null
b undefine copied --checkpoints-metadata >/dev/null
ok "and back, peer to peer"

begin shared "$SHARED/shared.qcow2"
moves A B shared --unsafe
proven B shared "$SHARED/shared.qcow2"
ok "shared storage, with a guest that writes all the while"
