#!/usr/bin/env bash
# With copied storage: there, and back again onto what the first visit left.
. "$(dirname "$0")/migrate_lib.sh"

there_and_back() {
    local disk=$IMAGES/web1.qcow2
    begin web1 "$disk"
    # So that the image has bitmaps, as that of every machine that was ever shut down
    a destroy web1 >/dev/null
    a start web1 >/dev/null
    domain_disk B "$disk" 256M

    ferry A 0 migrate --json web1 $b_uri -- --live --persistent --copy-storage-all
    equal "REDEFINED REDEFINED" "$(jq -r '[.checkpoints[].status] | join(" ")' <<<"$said")" "status"
    equal "identical identical" "$(jq -r '[.checkpoints[].disks[].proof] | join(" ")' <<<"$said")" "proofs"
    equal "chk1 chk2<chk1" "$(tree B web1)" "checkpoints at the destination"
    equal "" "$(tree A web1)" "checkpoints at the source"
    equal "" "$(image_bitmaps A "$disk")" "stale bitmaps in the source's image"
    nothing_captured A
    ok "--copy-storage-all: both checkpoints arrive, nothing stale stays"

    b checkpoint-create-as web1 chk3 >/dev/null
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree B web1)" "a new checkpoint follows the newest"
    domain_write B web1 vda 0x14 12M 1M
    ferry B 0 migrate web1 $a_uri -- --live --persistent --copy-storage-all --p2p --undefinesource
    says 'chk3 +vda +there, identical +1 MiB'
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree A web1)" "checkpoints back home"
    gone B web1 || die "--undefinesource left the domain at the source"
    equal "" "$(image_bitmaps B "$disk")" "stale bitmaps in the source's image"
    proven A web1 "$disk"
    equal "chk1:auto chk2:auto chk3:auto" "$(image_bitmaps A "$disk")" "bitmaps after a shutdown"
    forget web1
    ok "back again, peer to peer, onto the former image"
}

# The guest writes while its disk is copied, and after.
writing() {
    local disk=$IMAGES/writing.qcow2 i migration
    begin writing "$disk" 32M
    domain_disk B "$disk" 32M
    hosts_run A bitferry migrate --json writing $b_uri -- --live --persistent --copy-storage-all --bandwidth 8 \
        >"$scratch/said" 2>&1 &
    migration=$!
    wait_for 30 copying A writing
    for i in 1 2 3; do
        domain_write A writing vda 0x6$i $((20 + i))M 512k
    done
    wait "$migration" || die "it failed: $(<"$scratch/said")"
    equal "REDEFINED:covers REDEFINED:covers" \
        "$(jq -r '[.checkpoints[] | .status + ":" + .disks[0].proof] | join(" ")' "$scratch/said")" "proofs"
    proven B writing "$disk"
    forget writing
    ok "a guest that writes: no digest can be equal, nothing is lost"
}

stopped() {
    hosts_run A bash -c 'grep -q "^State:.T" "/proc/$(pgrep -x bitferry)/status"' 2>/dev/null
}

# As if QEMU had lost what the guest wrote while its disk was copied: what was captured before does not show it.
short() {
    local disk=$IMAGES/short.qcow2 migration
    begin short "$disk" 32M
    domain_disk B "$disk" 32M
    BITFERRY_FAIL_POINT=migrate.finished:stop hosts_run A bitferry migrate --json short $b_uri -- \
        --live --persistent --copy-storage-all --bandwidth 8 >"$scratch/said" 2>"$scratch/notes" &
    migration=$!
    wait_for 30 copying A short
    domain_write A short vda 0x61 20M 2M
    wait_for 60 stopped
    domain_qmp B short '{"execute":"block-dirty-bitmap-remove","arguments":{"node":"libvirt-1-format","name":"chk2"}}' >/dev/null
    domain_qmp B short '{"execute":"block-dirty-bitmap-add","arguments":{"node":"libvirt-1-format","name":"chk2","persistent":true}}' >/dev/null
    domain_write B short vda 0x62 28M 1M # more than chk2 had when it was captured, but less than in the end
    # nsenter stops with the program that it runs
    kill -CONT "$migration" $(pgrep -P "$migration")
    hosts_run A bash -c 'kill -CONT "$(pgrep -x bitferry)"'
    wait "$migration" && die "a short bitmap was not found out: $(<"$scratch/said")"
    equal "REDEFINED:count DROPPED:COVERAGE_MISSING" \
        "$(jq -r '[.checkpoints[] | .status + ":" + (.disks[0] | .by // .reason)] | join(" ")' "$scratch/said")" "proofs"
    equal "chk1" "$(tree B short)" "checkpoints at the destination"
    b destroy short >/dev/null
    forget short
    ok "a bitmap that lost what was written while its disk was copied is found out by its count"
}

# A disk plugged in between the checkpoints; at the destination a third one takes no bitmaps.
several_disks() {
    local target
    for target in vda vdb vdc; do
        domain_disk A "$IMAGES/$target.qcow2" 64M
    done
    domain_define A disks "$uuid" vda="$IMAGES/vda.qcow2" vdc="$IMAGES/vdc.qcow2"
    a start disks >/dev/null
    domain_write A disks vda 0x11 0 3M
    domain_checkpoint A disks chk1
    domain_disk_xml vdb "$IMAGES/vdb.qcow2" >"$HOSTS/shared/vdb.xml"
    a attach-device disks "$SHARED/vdb.xml" --persistent >/dev/null
    domain_checkpoint A disks chk2
    domain_write A disks vdb 0x12 1M 1M
    domain_disk B "$IMAGES/vda.qcow2" 64M
    domain_disk B "$IMAGES/vdb.qcow2" 64M
    domain_disk B "$IMAGES/vdc.qcow2" 64M -o compat=0.10
    ferry A 3 migrate disks $b_uri -- --live --persistent --copy-storage-all
    says 'Defined in part: chk2, BITMAP_NOT_FOUND: disk vdc: its bitmap is not there'
    says 'Consequence: the next backup of that disk from it is full'
    equal "chk1 chk2<chk1" "$(tree B disks)" "checkpoints at the destination"
    equal "vda" "$(disks_of chk1)" "disks of chk1"
    equal "vda vdb" "$(disks_of chk2)" "disks of chk2"
    backup_push B disks "$SHARED/disks" chk2 '' vda vdb
    fails_with 1 "missing or broken bitmap 'chk1'|no bitmap|not in checkpoint" \
        backup_push B disks "$SHARED/disks" chk1 '' vda vdc
    forget disks
    ok "a disk that could not take its bitmaps is left out of the checkpoints, the others stay"
}

disks_of() {
    b checkpoint-dumpxml disks "$1" --no-domain | sed -n "s/.*<disk name='\([^']*\)' checkpoint='bitmap'.*/\1/p" | xargs
}

# An external snapshot between the checkpoints: two layers, then one.
layers() {
    local disk=$IMAGES/base.qcow2 over=$IMAGES/over.qcow2
    begin layers "$disk"
    a snapshot-create-as layers --disk-only --no-metadata --diskspec "vda,file=$over" >/dev/null
    domain_write A layers vda 0x55 40M 1M
    domain_checkpoint A layers chk3
    domain_write A layers vda 0x56 42M 1M
    cp "$HOSTS/A/images/base.qcow2" "$HOSTS/B/images/"
    hosts_run B qemu-img create -q -f qcow2 -b "$disk" -F qcow2 "$over"
    ferry A 0 migrate layers $b_uri -- --live --persistent --copy-storage-inc
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree B layers)" "checkpoints at the destination"
    proven B layers "$over"
    ok "--copy-storage-inc: the layer's bitmaps arrive, and the base's are those of the copied base"

    # Back into one file: libvirt wants to be told that the destination has no chain
    b start layers >/dev/null
    rm "$HOSTS/A/images/over.qcow2"
    domain_disk A "$over" 256M
    b dumpxml layers --migratable | sed '/^      <backingStore type/,/^      <\/backingStore>/d' >"$HOSTS/shared/flat.xml"
    ferry B 0 migrate layers $a_uri -- --live --persistent --copy-storage-all --xml "$SHARED/flat.xml" \
        --persistent-xml "$SHARED/flat.xml"
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree A layers)" "checkpoints of the flat image"
    proven A layers "$over"
    ok "--copy-storage-all of a chain into one image: the union of the layers' bitmaps is proven"
    forget layers

    a define /dev/stdin <<<"$(domain_xml layers "$uuid" vda="$over")" >/dev/null
    rm -f "$HOSTS"/?/images/{base,over}.qcow2
    begin layers "$disk"
    a snapshot-create-as layers --disk-only --no-metadata --diskspec "vda,file=$over" >/dev/null
    hosts_run B qemu-img create -q -f qcow2 "$disk" 256M
    hosts_run B qemu-img create -q -f qcow2 -b "$disk" -F qcow2 "$over"
    ferry A 4 migrate layers $b_uri -- --live --persistent --copy-storage-inc
    says "Dropped: chk1, COVERAGE_MISSING: disk vda: what was recorded in the layer $disk is not there"
    equal "" "$(tree B layers)" "checkpoints without what their base recorded"
    forget layers
    ok "--copy-storage-inc onto a base without bitmaps, which libvirt takes for valid: the checkpoints are dropped"
}

[ $# -gt 0 ] || set -- there_and_back writing short several_disks layers
for case in "$@"; do
    "$case"
done
