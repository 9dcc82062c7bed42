#!/usr/bin/env bash
# doctor at a domain of libvirt and QEMU: it says what libvirt's backup-begin then does.
. "$(dirname "$0")/../hosts/migrate_lib.sh"

# examine EXIT: the diagnosis of web1, in $said
examine() {
    ferry A "$1" doctor --json --domain web1
}

cell() {
    jq -r --arg disk "$1" --arg since "$2" '.coverage[] | select(.disk == $disk and .since == $since) |
        if .incremental then "incremental" else .reason end' <<<"$said"
}

# follow CODE: run the commands that mend it, word for word
follow() {
    local commands
    commands=$(jq -r --arg code "$1" '.findings[] | select(.code == $code).remedy.commands[]' <<<"$said")
    [ -n "$commands" ] || die "no remedy for $1: $said"
    hosts_run A bash -ec "$commands" >/dev/null
}

# backs_up SINCE TARGET...: does libvirt make an incremental backup?
backs_up() {
    backup_push A web1 "$SHARED/web1" "$1" '' "${@:2}" >/dev/null 2>&1
}

begin web1 "$IMAGES/web1.qcow2"
examine 0
equal "libvirt nested" "$(jq -r '.checkpoints_from + " " + .style' <<<"$said")" "whose checkpoints"
equal "incremental incremental" "$(cell vda chk1) $(cell vda chk2)" "coverage"
backs_up chk1 vda && backs_up chk2 vda || die "libvirt does not say so"
ok "two checkpoints: incremental, and so libvirt's backups are"

domain_disk A "$IMAGES/vdb.qcow2" 64M
domain_disk_xml vdb "$IMAGES/vdb.qcow2" >"$HOSTS/shared/vdb.xml"
a attach-device web1 "$SHARED/vdb.xml" --persistent >/dev/null
domain_checkpoint A web1 chk3
examine 3
equal "DISK_NOT_IN_CHECKPOINT incremental incremental" \
    "$(cell vdb chk2) $(cell vdb chk3) $(cell vda chk2)" "coverage of a new disk"
backs_up chk3 vda vdb || die "libvirt refuses since chk3"
! backs_up chk2 vda vdb || die "libvirt backs the new disk up since chk2"
ok "a disk plugged in between"

a snapshot-create-as web1 --disk-only --no-metadata --diskspec "vda,file=$IMAGES/over.qcow2" \
    --diskspec vdb,snapshot=no >/dev/null
domain_write A web1 vda 0x31 20M 1M
examine 3
equal "incremental 2" \
    "$(cell vda chk1) $(jq '.coverage[] | select(.disk == "vda" and .since == "chk1").bitmaps | length' <<<"$said")" \
    "coverage across a snapshot"
backs_up chk1 vda || die "libvirt refuses across the snapshot"
ok "an external snapshot: the union of both images"

# What other programs do behind libvirt's back
node=$(jq -r '.coverage[] | select(.disk == "vdb" and .since == "chk3").bitmaps[].node' <<<"$said")
on_bitmap() {
    domain_qmp A web1 "{\"execute\":\"block-dirty-bitmap-$1\",\"arguments\":{\"node\":\"$node\",\"name\":\"$2\"}}" >/dev/null
}
on_bitmap disable chk3
examine 3
equal "BITMAP_FROZEN incremental" "$(cell vdb chk3) $(cell vda chk3)" "coverage by a frozen bitmap"
! backs_up chk3 vdb || die "libvirt takes a frozen bitmap"
follow BITMAP_FROZEN
examine 3
equal "chk1 chk2<chk1" "$(tree A web1)" "checkpoints after the remedy"
equal "DISK_NOT_IN_CHECKPOINT" "$(jq -r '[.findings[].code] | unique | join(" ")' <<<"$said")" "findings after it"

domain_checkpoint A web1 chk4 --diskspec vdb --diskspec vda,checkpoint=no
on_bitmap remove chk4
examine 3
equal "BITMAP_MISSING DISK_NOT_IN_CHECKPOINT" "$(cell vdb chk4) $(cell vda chk4)" "coverage without the bitmap"
! backs_up chk4 vdb || die "libvirt finds the bitmap"
follow BITMAP_MISSING
equal "chk1 chk2<chk1" "$(tree A web1)" "checkpoints after the remedy"

a checkpoint-delete web1 chk2 --metadata >/dev/null
examine 3
equal "BITMAP_UNKNOWN" "$(jq -r '[.findings[].code | select(startswith("BITMAP"))] | unique[]' <<<"$said")" \
    "the bitmap that its checkpoint left behind"
follow BITMAP_UNKNOWN
examine 3
equal "$IMAGES/web1.qcow2:0" "$(jq -r '.findings[] | select(.code == "BITMAP_UNKNOWN") |
    "\(.image):\(.remedy.commands | length)"' <<<"$said")" "what is left of chk2, below the top"
ok "a frozen bitmap, one that is gone, one that was left: as libvirt has it, and doctor's commands mend it"

ferry A 0 inspect --timeline --domain web1
says 'chk1 +╞═+▶ +[0-9.]+ MiB on 2 images'
says '^vdb +64 MiB'
a destroy web1 >/dev/null
examine 3
equal "images incremental DISK_NOT_IN_CHECKPOINT" "$(jq -r .kind <<<"$said") $(cell vda chk1) $(cell vdb chk1)" "shut off"
status=0
said=$(hosts_run B bitferry doctor --json --connect $a_uri --domain web1) || status=$?
equal "4 DISK_UNSEEN" "$status $(cell vda chk1)" "shut off, on another host"
a start web1 >/dev/null
status=0
said=$(hosts_run B bitferry doctor --json --connect $a_uri --domain web1) || status=$?
equal "3 incremental" "$status $(cell vda chk1)" "running, on another host"
ok "the timeline; the domain shut off, and from another host"

# shellcheck disable=SC2016 # expanded there
hosts_run A sh -c 'kill -KILL "$(cat /run/libvirt/qemu/web1.pid)"'
off() { [ "$(a domstate web1)" = "shut off" ]; }
wait_for 30 off
a start web1 >/dev/null
examine 4
equal "BITMAP_INCONSISTENT" "$(cell vda chk1)" "after QEMU was killed"
! backs_up chk1 vda || die "libvirt takes an inconsistent bitmap"
follow BITMAP_INCONSISTENT
examine 4
equal " 0" "$(tree A web1) $(jq '.coverage | length' <<<"$said")" "checkpoints after the remedy"
a destroy web1 >/dev/null
ok "a QEMU that was killed: full, and the checkpoint can be deleted"
