#!/usr/bin/env bash
# Migrations that fail, are cancelled, are killed: the source keeps all, or what was captured finishes it.
. "$(dirname "$0")/migrate_lib.sh"

# still_home NAME PATH: the source has its checkpoints, and QEMU stores their bitmaps
still_home() {
    equal "chk1 chk2<chk1" "$(tree A "$1")" "checkpoints at the source"
    nothing_captured A
    a destroy "$1" >/dev/null
    equal "chk1:auto chk2:auto" "$(image_bitmaps A "$2")" "bitmaps in the source's image"
    a start "$1" >/dev/null
}

refused() {
    local disk=$IMAGES/refused.qcow2 before
    begin refused "$disk"
    before=$(domain_bitmaps A refused)
    ferry A 10 migrate refused $b_uri -- --live --persistent --copy-storage-all
    says 'no storage pool|no connection driver available for storage'
    ferry A 10 migrate refused qemu+tcp://host-b:1/system -- --live
    says 'cannot connect to libvirt'
    ferry A 1 migrate nobody $b_uri -- --live
    says "no domain 'nobody'"
    ferry A 2 migrate refused $b_uri -- --live --copy-storage-everything
    says "'--copy-storage-everything' is no option"
    equal "$before" "$(domain_bitmaps A refused)" "bitmaps of the source"
    still_home refused "$disk"
    forget refused
    ok "a refusal of libvirt is passed on, and nothing is changed"
}

# libvirt fails when the state is sent: a bitmap of the name is in the destination's image
collided() {
    local disk=$IMAGES/collided.qcow2 before
    begin collided "$disk"
    a destroy collided >/dev/null
    a start collided >/dev/null
    domain_disk B "$disk" 256M
    hosts_run B qemu-img bitmap --add "$disk" chk1
    before=$(domain_bitmaps A collided)
    ferry A 10 migrate collided $b_uri -- --live --persistent --copy-storage-all
    says '2 bitmaps of the source were made anew'
    equal "$before" "$(domain_bitmaps A collided)" "bitmaps of the source"
    still_home collided "$disk"
    ferry A 10 migrate --no-repair collided $b_uri -- --live --persistent --copy-storage-all
    a destroy collided >/dev/null
    equal "chk1:in-use+auto chk2:in-use+auto" "$(image_bitmaps A "$disk")" "without the repair"
    ok "a migration that fails late: the source's bitmaps are repaired, and without that they would be lost"

    a start collided >/dev/null
    domain_checkpoint A collided chk3
    ferry A 4 migrate collided $b_uri -- --live --persistent --copy-storage-all
    says 'BITMAP_INCONSISTENT|inconsistent bitmaps .*vda/chk1, vda/chk2'
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree A collided)" "checkpoints at the source"
    rm "$HOSTS/B/images/collided.qcow2"
    domain_disk B "$disk" 256M
    ferry A 0 migrate --drop-inconsistent collided $b_uri -- --live --persistent --copy-storage-all
    equal "chk3" "$(tree B collided)" "checkpoints at the destination"
    forget collided
    ok "inconsistent bitmaps are named and refused, or removed if that is wanted"
}

cancelled() {
    local disk=$IMAGES/cancelled.qcow2
    begin cancelled "$disk"
    domain_disk B "$disk" 256M
    run_ferry --live --persistent --copy-storage-all --bandwidth 1
    wait_for 30 copying A cancelled
    # shellcheck disable=SC2016 # for the host's shell
    hosts_run A bash -c 'kill -INT $(pidof bitferry)'
    ends_with 1
    wait_for 30 gone B cancelled
    still_home cancelled "$disk"
    run_ferry --live --persistent --copy-storage-all --bandwidth 1
    wait_for 30 copying A cancelled
    a domjobabort cancelled
    ends_with 10 1
    still_home cancelled "$disk"
    forget cancelled
    ok "cancelled half-way, by bitferry's user or by libvirt's: the source keeps all"
}

# run_ferry OPTION...: `bitferry migrate` on A in the background
run_ferry() {
    hosts_run A env --default-signal=INT bitferry migrate cancelled $b_uri -- "$@" >"$scratch/ferry" 2>&1 &
    ferry_pid=$!
}

# ends_with EXIT...: one of them
ends_with() {
    local status=0 wanted
    wait "$ferry_pid" || status=$?
    for wanted in "$@"; do
        [ "$wanted" != "$status" ] || return 0
    done
    die "exit $status instead of $*: $(cat "$scratch/ferry")"
}

restarted() {
    local disk=$IMAGES/cancelled.qcow2 host
    rm -f "$HOSTS"/?/images/cancelled.qcow2
    begin cancelled "$disk"
    domain_disk B "$disk" 256M
    for host in B A; do
        # Peer to peer the source's libvirtd sees the other one go; else it finds out after half a minute
        run_ferry --live --persistent --copy-storage-all --bandwidth 1 --p2p
        wait_for 30 copying A cancelled
        hosts_daemons "$host" kill libvirtd
        hosts_daemons "$host" start libvirtd
        ends_with 10 1
        wait_for 30 gone B cancelled
        equal "chk1 chk2<chk1" "$(tree A cancelled)" "checkpoints after the libvirtd of $host died"
    done
    hosts_run A rm -rf "$captured"
    still_home cancelled "$disk"
    forget cancelled
    ok "either libvirtd dies half-way: the source keeps all"
}

killed() {
    local disk=$IMAGES/killed.qcow2 point
    for point in started finished; do
        rm -f "$HOSTS"/?/images/killed.qcow2
        begin killed "$disk"
        domain_disk B "$disk" 256M
        hosts_run A env BITFERRY_FAIL_POINT=migrate.$point:kill \
            bitferry migrate killed $b_uri -- --live --persistent --copy-storage-all \
            >"$scratch/ferry" 2>&1 && die "it was not killed"
        if [ "$point" = finished ]; then
            equal "" "$(tree B killed)" "checkpoints of a migration that nobody finished"
            ferry A 0 redefine "$captured"
            equal "chk1 chk2<chk1" "$(tree B killed)" "checkpoints at the destination"
            proven B killed "$disk"
        else
            wait_for 60 gone B killed
            ferry A 0 migrate killed $b_uri -- --live --persistent --copy-storage-all
            equal "chk1 chk2<chk1" "$(tree B killed)" "checkpoints at the destination"
        fi
        hosts_run A rm -rf "$captured"
        forget killed
    done
    ok "bitferry killed: what was captured finishes the migration, or it begins again"
}

[ $# -gt 0 ] || set -- refused collided cancelled restarted killed
for case in "$@"; do
    "$case"
done
