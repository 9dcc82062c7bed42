#!/usr/bin/env bash
# What libvirt does by itself with checkpoints and bitmaps when a domain moves: the ground that
# `bitferry migrate` stands on.  Every answer stands in docs/facts.md, "libvirt"; a libvirt that answers
# otherwise fails here.
. "$(dirname "$0")/test_lib.sh"

hosts_up "$scratch/hosts" libvirtd
b_uri=qemu+tcp://host-b/system
a_uri=qemu+tcp://host-a/system
uuid=11111111-2222-3333-4444-555555555555
node=libvirt-1-format

# begin NAME PATH: a domain on A with the checkpoints chk1 (and a full backup at it) and chk2
begin() {
    domain_disk A "$2" 256M
    domain_define A "$1" "$uuid" vda="$2"
    a start "$1" >/dev/null
    domain_write A "$1" vda 0x11 0 3M
    backup_push A "$1" "$SHARED/$1-full" '' chk1 vda
    domain_write A "$1" vda 0x12 4M 1M
    domain_checkpoint A "$1" chk2
    domain_write A "$1" vda 0x13 8M 192k
    remember A "$1"
}

# remember HOST NAME: the bitmaps and the definitions of its checkpoints, before it moves
remember() {
    local checkpoint
    before=$(domain_bitmaps "$1" "$2")
    digest=$(domain_digest "$1" "$2" "$node" chk1)
    for checkpoint in chk1 chk2; do
        hosts_run "$1" virsh -q checkpoint-dumpxml "$2" "$checkpoint" >"$HOSTS/shared/$checkpoint.xml"
    done
}

# arrived HOST NAME: all bits of before are there, under the same names
arrived() {
    equal "$before" "$(domain_bitmaps "$1" "$2")" "bitmaps of $2 on $1"
    equal "$digest" "$(domain_digest "$1" "$2" "$node" chk1)" "digest of chk1 of $2 on $1"
}

# checkpoints HOST NAME
checkpoints() {
    hosts_run "$1" virsh -q checkpoint-list "$2" --topological --name | xargs
}

# redefine HOST NAME [OPTION]
redefine() {
    local checkpoint
    for checkpoint in chk1 chk2; do
        hosts_run "$1" virsh -q checkpoint-create "$2" "$SHARED/$checkpoint.xml" --redefine "${@:3}" >/dev/null
    done
    equal "chk1 chk2" "$(checkpoints "$1" "$2")" "checkpoints of $2 on $1"
}

# proven HOST NAME PATH: the full backup at chk1 and an incremental one since chk1 are the disk, which the
# full one alone is not.  Shuts the domain off.
proven() {
    domain_write "$1" "$2" vda 0x21 16M 1M
    backup_push "$1" "$2" "$SHARED/$2-inc2" chk2 '' vda
    backup_push "$1" "$2" "$SHARED/$2-inc1" chk1 '' vda
    hosts_run "$1" virsh -q destroy "$2" >/dev/null
    ! backup_restores "$1" "$3" "$SHARED/$2-full-vda.qcow2" || die "the full backup of $2 is the disk already"
    backup_restores "$1" "$3" "$SHARED/$2-full-vda.qcow2" "$SHARED/$2-inc1-vda.qcow2" ||
        die "full + incremental since chk1 is not the disk of $2"
}

# forget NAME: the domain and its checkpoints, on both hosts
forget() {
    local host
    for host in A B; do
        hosts_run "$host" virsh -q destroy "$1" >/dev/null 2>&1 || true
        hosts_run "$host" virsh -q undefine "$1" --checkpoints-metadata >/dev/null 2>&1 || true
    done
}

# image_bitmaps HOST PATH: what a shut-off image holds, with QEMU's flags
image_bitmaps() {
    hosts_run "$1" qemu-img info --output json "$2" |
        jq -r '[."format-specific".data.bitmaps[]? | .name + ":" + (.flags | join("+"))] | sort | join(" ")'
}

copied() {
    local disk=$IMAGES/copied.qcow2
    begin copied "$disk"
    domain_disk B "$disk" 256M
    a migrate --live --persistent --copy-storage-all copied $b_uri
    arrived B copied
    equal "" "$(checkpoints B copied)" "checkpoints at the destination"
    equal "chk1 chk2" "$(checkpoints A copied)" "checkpoints at the source"
    equal "" "$(image_bitmaps A "$disk")" "bitmaps in the source's image"
    fails_with 1 'parent chk1 for moment chk2 not found' \
        b checkpoint-create copied "$SHARED/chk2.xml" --redefine --redefine-validate
    redefine B copied --redefine-validate
    proven B copied "$disk"
    equal "chk1:auto chk2:auto" "$(image_bitmaps B "$disk")" "bitmaps in the destination's image"
    ok "--copy-storage-all: bits arrive, definitions do not; redefined they work"

    b start copied >/dev/null
    remember B copied
    b migrate --live --persistent --copy-storage-all --p2p --suspend copied $a_uri
    equal paused "$(a domstate copied)" "state on arrival"
    arrived A copied
    equal "chk1 chk2" "$(checkpoints A copied)" "checkpoints of the first visit"
    redefine A copied --redefine-validate
    a resume copied >/dev/null
    forget copied
    ok "--p2p --suspend, back onto the former image: bits arrive, the former definitions are still there"
}

shared() {
    local disk=$SHARED/shared.qcow2
    begin shared "$disk"
    fails_with 1 'Unsafe migration' a migrate --live --persistent shared $b_uri
    a migrate --live --persistent --unsafe shared $b_uri
    arrived B shared
    equal "" "$(checkpoints B shared)" "checkpoints at the destination"
    redefine B shared --redefine-validate
    domain_write B shared vda 0x31 12M 1M
    domain_checkpoint B shared chk3
    remember B shared
    b checkpoint-dumpxml shared chk3 >"$HOSTS/shared/chk3.xml"
    ok "shared storage: bits arrive in the image"

    b migrate --live --persistent --unsafe --undefinesource shared $a_uri
    arrived A shared
    equal "chk1 chk2" "$(checkpoints A shared)" "chk3 is missing among the checkpoints of the first visit"
    fails_with 1 'failed to get domain' b checkpoint-list shared
    equal "" "$(hosts_run B find /var/lib/libvirt/qemu/checkpoint -type f)" "definitions at the source"
    a checkpoint-create shared "$SHARED/chk3.xml" --redefine --redefine-validate >/dev/null
    hosts_daemons A restart libvirtd
    equal "chk1 chk2 chk3" "$(checkpoints A shared)" "checkpoints after a restart of libvirtd"
    ok "--undefinesource removes the definitions at the source for good"

    remember A shared
    a migrate --live --persistent --unsafe --suspend shared $b_uri
    # libvirt 9.0 leaves the disks to be activated when the guest runs; 11.3 activates them on arrival
    if [ -z "$(domain_bitmaps B shared)" ]; then
        fails_with 1 "missing or broken bitmap 'chk1'" \
            b checkpoint-create shared "$SHARED/chk1.xml" --redefine --redefine-validate
    else
        arrived B shared
    fi
    b resume shared >/dev/null
    arrived B shared
    redefine B shared --redefine-validate
    proven B shared "$disk"
    forget shared
    ok "shared storage with --suspend: with libvirt 9.0 the bitmaps are not there until the guest runs"
}

offline() {
    local disk=$SHARED/offline.qcow2
    begin offline "$disk"
    a destroy offline >/dev/null
    fails_with 1 'offline migration cannot handle non-shared storage' \
        a migrate --offline --persistent --copy-storage-all offline $b_uri
    a migrate --offline --persistent offline $b_uri
    equal "" "$(checkpoints B offline)" "checkpoints at the destination"
    fails_with 1 'domain is not running' \
        b checkpoint-create offline "$SHARED/chk1.xml" --redefine --redefine-validate
    redefine B offline
    b start offline >/dev/null
    arrived B offline
    proven B offline "$disk"
    fails_with 1 'cannot delete inactive domain with 2 checkpoints' b undefine offline
    forget offline
    ok "--offline: definitions only; redefining works shut off, validating does not"
}

failed() {
    local disk=$IMAGES/failed.qcow2
    begin failed "$disk"
    fails_with 1 'no storage pool|no connection driver available for storage' \
        a migrate --live --persistent --copy-storage-all failed $b_uri
    domain_disk B "$disk" 256M
    fails_with 1 "argument key 'host' must not have null value|tunnelled" \
        a migrate --live --persistent --copy-storage-all --p2p --tunnelled failed $b_uri
    a migrate --live --persistent --copy-storage-all --bandwidth 1 failed $b_uri >/dev/null 2>&1 &
    local migration=$!
    wait_for 30 copying A failed
    a domjobabort failed
    ! wait "$migration" || die "the migration was not aborted"
    arrived A failed
    a destroy failed >/dev/null
    equal "chk1:auto chk2:auto" "$(image_bitmaps A "$disk")" "bitmaps in the source's image after an abort"
    a start failed >/dev/null
    ok "aborted while the disk is copied: the source keeps its bitmaps"

    hosts_run B qemu-img bitmap --add "$disk" chk1
    # What virsh says depends on who notices first
    fails_with 1 "Bitmap with the same name|migration out|unexpectedly closed" \
        a migrate --live --persistent --copy-storage-all failed $b_uri
    arrived A failed
    a destroy failed >/dev/null
    # As the shutdown before left them, marked "in use"; had there been none they would not be there at all
    equal "chk1:in-use+auto chk2:in-use+auto" "$(image_bitmaps A "$disk")" \
        "bitmaps in the source's image after a failed migration"
    forget failed
    ok "failed when the state is sent: the source's bitmaps look well, and are lost at its shutdown"
}

copying() {
    domain_bitmaps "$1" "$2" | grep -qP '\t-\t'
}

foreign() {
    local disk=$IMAGES/foreign.qcow2 kind
    begin foreign "$disk"
    for kind in transient:false:false frozen:true:true foreign:true:false; do
        IFS=: read -r name persistent disabled <<<"$kind"
        domain_qmp A foreign "$(jq -nc --arg node "$node" --arg name "$name" \
            --argjson persistent "$persistent" --argjson disabled "$disabled" \
            '{execute:"block-dirty-bitmap-add",arguments:$ARGS.named}')" >/dev/null
    done
    domain_disk B "$disk" 256M
    a migrate --live --persistent --copy-storage-all foreign $b_uri
    equal "chk1 chk2 foreign" "$(domain_bitmaps B foreign | cut -f 2 | xargs)" "what arrives"
    forget foreign
    ok "of the bitmaps of others the persistent recording ones move, transient and frozen ones do not"
}

inconsistent() {
    local disk=$IMAGES/inconsistent.qcow2
    begin inconsistent "$disk"
    a destroy inconsistent >/dev/null
    a start inconsistent >/dev/null
    hosts_run A bash -c 'kill -KILL "$(cat /run/libvirt/qemu/inconsistent.pid)"'
    wait_for 30 shut_off A inconsistent
    a start inconsistent >/dev/null
    equal "inconsistent inconsistent" "$(domain_bitmaps A inconsistent | cut -f 6 | xargs)" "after a crash"
    domain_disk B "$disk" 256M
    domain_checkpoint A inconsistent chk3
    fails_with 1 'Unable to read node alias string|migration out|unexpectedly closed' \
        a migrate --live --persistent --copy-storage-all inconsistent $b_uri
    fails_with 1 'failed to get domain' b domstate inconsistent
    a checkpoint-delete inconsistent chk3
    a migrate --live --persistent --copy-storage-all inconsistent $b_uri
    equal "" "$(domain_bitmaps B inconsistent)" "bitmaps where none is in order"
    forget inconsistent
    ok "one inconsistent bitmap and one in order: the migration fails without a word of why"
}

shut_off() {
    [ "$(hosts_run "$1" virsh -q domstate "$2")" = "shut off" ]
}

plugged() {
    domain_disk A "$IMAGES/plugged.qcow2" 256M
    domain_disk A "$IMAGES/second.qcow2" 128M
    domain_disk B "$IMAGES/plugged.qcow2" 256M
    domain_disk B "$IMAGES/second.qcow2" 128M
    domain_define A plugged "$uuid" vda="$IMAGES/plugged.qcow2"
    a start plugged >/dev/null
    domain_checkpoint A plugged chk1
    domain_disk_xml vdb "$IMAGES/second.qcow2" >"$HOSTS/shared/vdb.xml"
    a attach-device plugged "$SHARED/vdb.xml" --persistent >/dev/null
    domain_checkpoint A plugged chk2
    remember A plugged
    a migrate --live --persistent --copy-storage-all plugged $b_uri
    redefine B plugged --redefine-validate
    fails_with 1 "missing or broken bitmap 'chk1' for disk 'vdb'" \
        backup_push B plugged "$SHARED/plugged" chk1 '' vda vdb
    backup_push B plugged "$SHARED/plugged" chk1 '' vda
    backup_push B plugged "$SHARED/plugged-2" chk2 '' vda vdb
    printf 'nodes at the source: %s\nat the destination: %s\n' "$(xargs <<<"$before")" \
        "$(domain_bitmaps B plugged | xargs)"
    forget plugged
    ok "a disk plugged in between: chk1 has no bitmap of it, and its node has another name on arrival"
}

layers() {
    local disk=$IMAGES/layers.qcow2 over=$IMAGES/over.qcow2
    begin layers "$disk"
    a snapshot-create-as layers --disk-only --no-metadata --diskspec "vda,file=$over" >/dev/null
    domain_write A layers vda 0x55 40M 1M
    equal "libvirt-3-format chk1 libvirt-3-format chk2" \
        "$(domain_bitmaps A layers | grep -v $node | cut -f 1,2 | xargs)" "bitmaps of the new layer"
    a checkpoint-dumpxml layers chk1 >"$HOSTS/shared/chk1.xml"
    cp "$HOSTS/A/images/layers.qcow2" "$HOSTS/B/images/"
    hosts_run B qemu-img create -q -f qcow2 -b "$disk" -F qcow2 "$over"
    remember_layers=$(domain_bitmaps A layers | cut -f 2- | sort)
    a migrate --live --persistent --copy-storage-inc layers $b_uri
    equal "$remember_layers" "$(domain_bitmaps B layers | cut -f 2- | sort)" "bitmaps of both layers"
    redefine B layers --redefine-validate
    proven B layers "$over"
    b start layers >/dev/null
    ok "--copy-storage-inc: the layer's bitmaps arrive, those below must be in the copied base"

    # Back into one file: libvirt wants to be told that the destination has no chain
    rm "$HOSTS/A/images/over.qcow2"
    domain_disk A "$over" 256M
    b dumpxml layers --migratable | sed '/^      <backingStore type/,/^      <\/backingStore>/d' \
        >"$HOSTS/shared/flat.xml"
    b migrate --live --persistent --copy-storage-all --xml "$SHARED/flat.xml" \
        --persistent-xml "$SHARED/flat.xml" layers $a_uri
    equal "chk1 chk2" "$(domain_bitmaps A layers | cut -f 2 | xargs)" "bitmaps of the flat image"
    redefine A layers --redefine-validate
    proven A layers "$over"
    forget layers
    ok "--copy-storage-all of a chain: each checkpoint's bitmap is the union of its layers'"
}

redefined() {
    local disk=$IMAGES/redefined.qcow2
    begin redefined "$disk"
    domain_disk B "$IMAGES/elsewhere.qcow2" 256M
    a dumpxml redefined --migratable | sed 's|/redefined.qcow2|/elsewhere.qcow2|' >"$HOSTS/shared/elsewhere.xml"
    a migrate --live --persistent --copy-storage-all --dname other --xml "$SHARED/elsewhere.xml" \
        --persistent-xml "$SHARED/elsewhere.xml" redefined $b_uri
    redefine B other --redefine-validate
    b checkpoint-dumpxml other chk1 | grep -q "$disk" || die "the path in the definition was adapted"
    sed -i 's|<uuid>1|<uuid>2|' "$HOSTS/shared/chk2.xml"
    fails_with 1 'must use uuid' b checkpoint-create other "$SHARED/chk2.xml" --redefine
    ok "another disk path and name in a definition are taken as they are, another UUID is not"

    domain_qmp B other '{"execute":"block-dirty-bitmap-remove","arguments":{"node":"libvirt-1-format","name":"chk1"}}' \
        >/dev/null
    fails_with 1 "missing or broken bitmap 'chk1' for disk 'vda'" \
        b checkpoint-create other "$SHARED/chk1.xml" --redefine --redefine-validate
    b checkpoint-create other "$SHARED/chk1.xml" --redefine >/dev/null
    fails_with 1 "missing or broken bitmap 'chk1' for disk 'vda'" \
        backup_push B other "$SHARED/redefined" chk1 '' vda
    backup_push B other "$SHARED/redefined" chk2 '' vda
    b checkpoint-delete other chk1 --metadata
    equal chk2 "$(checkpoints B other)" "the child of a deleted checkpoint"
    forget other
    forget redefined
    ok "validation finds a missing bitmap, without it the backup does"
}

restarted() {
    local disk=$IMAGES/restarted.qcow2 host migration
    begin restarted "$disk"
    domain_disk B "$disk" 256M
    for host in A B; do
        a migrate --live --persistent --copy-storage-all --bandwidth 1 restarted $b_uri >/dev/null 2>&1 &
        migration=$!
        wait_for 30 copying A restarted
        hosts_daemons "$host" kill libvirtd
        hosts_daemons "$host" start libvirtd
        ! wait "$migration" || die "the migration went on without the libvirtd of $host"
        wait_for 30 gone B restarted
        arrived A restarted
        equal "chk1 chk2" "$(checkpoints A restarted)" "checkpoints after the libvirtd of $host died"
    done
    a destroy restarted >/dev/null
    equal "chk1:auto chk2:auto" "$(image_bitmaps A "$disk")" "bitmaps in the source's image"
    forget restarted
    ok "either libvirtd dies while the disk is copied: the migration ends, the source keeps all"
}

gone() {
    ! hosts_run "$1" virsh -q domstate "$2"
}

[ $# -gt 0 ] || set -- copied shared offline failed foreign inconsistent plugged layers redefined restarted
for case in "$@"; do
    "$case"
done
