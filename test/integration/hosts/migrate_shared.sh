#!/usr/bin/env bash
# With shared storage the bitmaps travel in the image: live, paused on arrival, offline.
. "$(dirname "$0")/migrate_lib.sh"

live() {
    local disk=$SHARED/shared.qcow2
    begin shared "$disk"
    ferry A 10 migrate shared $b_uri -- --live --persistent
    says 'Unsafe migration'
    nothing_captured A
    ferry A 0 migrate shared $b_uri -- --live --persistent --unsafe
    says 'chk1 .*identical'
    equal "chk1 chk2<chk1" "$(tree B shared)" "checkpoints at the destination"
    equal "" "$(tree A shared)" "checkpoints at the source"
    ok "live: the checkpoints arrive"

    domain_checkpoint B shared chk3
    domain_write B shared vda 0x31 12M 1M
    b checkpoint-delete shared chk2
    # What the first visit to A might have left there
    a checkpoint-create shared /dev/stdin --redefine >/dev/null <<<"<domaincheckpoint><name>chk2</name><creationTime>1700000000</creationTime><disks><disk name='vda'/></disks></domaincheckpoint>"
    ferry B 0 migrate shared $a_uri -- --live --persistent --unsafe --undefinesource
    says 'checkpoint chk2 of a former visit was forgotten'
    equal "chk1 chk3<chk1" "$(tree A shared)" "checkpoints back home"
    hosts_daemons A restart libvirtd
    equal "chk1 chk3<chk1" "$(tree A shared)" "checkpoints after a restart of libvirtd"
    forget shared
    ok "and back again: what a former visit left is forgotten"
}

# libvirt 11.3 activates the disks of a guest that arrives paused, 9.0 leaves that to its resume
shows_paused() {
    [ "$(hosts_run B libvirtd --version | grep -oE '[0-9]+' | head -n 1)" -ge 11 ]
}

paused() {
    local disk=$SHARED/paused.qcow2
    begin paused "$disk"
    if shows_paused; then
        ferry A 0 migrate paused $b_uri -- --live --persistent --unsafe --suspend
        b resume paused >/dev/null
    else
        ferry A 4 migrate paused $b_uri -- --live --persistent --unsafe --suspend
        says 'Not defined yet: chk1, UNPROVEN: disk vda: QEMU does not show what is in its image until the guest runs'
        says "Remedy: bitferry redefine $captured"
        equal "" "$(tree B paused)" "checkpoints of a paused guest"
        equal "chk1 chk2<chk1" "$(tree A paused)" "definitions that are not settled stay at the source"
        ferry A 4 redefine "$captured"
        b resume paused >/dev/null
        ferry A 0 redefine "$captured"
        says 'chk1 .*identical'
        ferry A 0 redefine "$captured"
    fi
    equal "chk1 chk2<chk1" "$(tree B paused)" "checkpoints once it runs"
    proven B paused "$disk"
    forget paused
    ok "--suspend: nothing is taken on trust, redefine finishes, and may be repeated"
}

offline() {
    local disk=$SHARED/offline.qcow2
    begin offline "$disk"
    ferry A 2 migrate offline $b_uri -- --offline --persistent
    says 'runs: shut it down'
    a destroy offline >/dev/null
    ferry A 2 migrate offline $b_uri -- --live
    says 'shut off: start it'
    ferry A 4 migrate offline $b_uri -- --offline --persistent
    says 'UNPROVEN: disk vda: its image is on the other host'
    equal "" "$(tree B offline)" "checkpoints that nobody could prove"
    cp -r "$HOSTS/A/var/lib/bitferry/migrate" "$HOSTS/shared/captured"
    ferry B 0 redefine --connect qemu:///system "$SHARED/captured/$uuid"
    says 'chk2 .*identical'
    equal "chk1 chk2<chk1" "$(tree B offline)" "checkpoints at the destination"
    b start offline >/dev/null
    proven B offline "$disk"
    forget offline
    ok "--offline: the destination itself looks into its images"
}

offline_shared() {
    local disk=$SHARED/both.qcow2
    begin both "$disk"
    a destroy both >/dev/null
    ferry A 0 migrate --shared both $b_uri -- --offline --persistent --undefinesource
    says 'chk1 .*identical'
    equal "chk1 chk2<chk1" "$(tree B both)" "checkpoints at the destination"
    nothing_captured A
    b start both >/dev/null
    proven B both "$disk"
    forget both
    ok "--offline --shared: the shared image is looked at from here"
}

# An image that was copied without its bitmaps, or too early
offline_copied() {
    local disk=$IMAGES/copied.qcow2
    begin copied "$disk"
    a destroy copied >/dev/null
    cp "$HOSTS/A/images/copied.qcow2" "$HOSTS/B/images/"
    hosts_run B qemu-img bitmap --remove "$disk" chk1
    hosts_run B qemu-img bitmap --clear "$disk" chk2
    ferry A 4 migrate --keep "$SHARED/kept" copied $b_uri -- --offline --persistent
    ferry B 4 redefine --connect qemu:///system "$SHARED/kept"
    says 'Dropped: chk1, BITMAP_NOT_FOUND: disk vda: its bitmap is not there'
    says 'Dropped: chk2, DIGEST_MISMATCH'
    equal "" "$(tree B copied)" "checkpoints without their bits"
    ferry B 0 redefine --restore --connect qemu:///system "$SHARED/kept"
    says 'chk1 .*identical'
    b start copied >/dev/null
    proven B copied "$disk"
    forget copied
    ok "--offline with copied images: what lacks bits is dropped by name, or gets them"
}

[ $# -gt 0 ] || set -- live paused offline offline_shared offline_copied
for case in "$@"; do
    "$case"
done
