#!/usr/bin/env bash
# `bitferry redefine` against libvirt's own test driver: real images, no QEMU, no daemon.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

uuid=11111111-2222-3333-4444-555555555555
image=$scratch/vda.qcow2
dirty_image "$image" 64M chk1 64k 0 1M
qemu-img bitmap --add "$image" chk2
qemu-io -c 'write -P 0x5b 4M 128k' "$image" >/dev/null

cat >"$scratch/node.xml" <<EOT
<node>
  <domain type='test'>
    <name>web1</name><uuid>$uuid</uuid><memory>1024</memory><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='$image'/><target dev='vda'/></disk></devices>
  </domain>
  <domain type='test'>
    <name>web2</name><uuid>22222222-2222-3333-4444-555555555555</uuid><memory>1024</memory>
    <os><type>hvm</type></os>
  </domain>
</node>
EOT
uri=test://$scratch/node.xml

# definition NAME [PARENT]
definition() {
    cat <<EOT
<domaincheckpoint><name>$1</name>${2:+<parent><name>$2</name></parent>}
  <creationTime>1700000000</creationTime>
  <disks><disk name='vda' checkpoint='bitmap' bitmap='$1'/></disks>
  <domain type='test'><name>web1</name><uuid>$uuid</uuid><memory>1024</memory><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='/where/it/was/vda.qcow2'/><target dev='vda'/></disk></devices></domain>
</domaincheckpoint>
EOT
}

# captured NAME: as JSON, with what QEMU says of it
captured() {
    jq -nc --arg name "$1" --arg sha256 "$(qemu_digest "$image" "$1")" \
        --argjson dirty_bytes "$(qemu_count "$image" "$1")" \
        '$ARGS.named + {granularity_bytes:65536, recording:true, persistent:true, consistent:true}'
}

folder=$scratch/captured
mkdir "$folder"
definition chk1 >"$folder/chk1.xml"
definition chk2 chk1 >"$folder/chk2.xml"
jq -n --arg uuid $uuid --arg path "$image" --argjson chk1 "$(captured chk1)" --argjson chk2 "$(captured chk2)" \
    --argjson size 67108864 '{schema:1, domain:"web1", $uuid, source:"qemu:///system",
        destination:"qemu+tls://host-b/system", offline:true, quiet:true, checkpoints:["chk2", "chk1"],
        disks:[{target:"vda", seen:true, layers:[{node:"", $path, size_bytes:$size,
            bitmaps:[$chk1, $chk2]}]}]}' >"$folder/capture.json"
cp -r "$folder" "$scratch/sound"

redefine() {
    "$BITFERRY" redefine --connect "$uri" "$@" "$folder"
}

statuses() {
    jq -r '[.checkpoints[] | .name + ":" + .status] | join(" ")'
}

equal "chk1:REDEFINED chk2:REDEFINED" "$(redefine --json | statuses)" "sound checkpoints"
redefine | grep -q 'chk2 .*identical' || die "the table does not say what is there"
ok "what the images hold is defined, parents first"

# Only libvirt knows that a definition without a time cannot be
sed -i '/creationTime/d' "$folder/chk2.xml"
status=0
redefine --json >"$scratch/said" || status=$?
equal 3 "$status" "exit status"
equal "chk1:REDEFINED chk2:METADATA_MISSING" "$(statuses <"$scratch/said")" "a definition that libvirt refuses"
equal identical "$(jq -r '.checkpoints[1].disks[0].proof' "$scratch/said")" "its bitmap"
equal "bitferry redefine $folder" "$(jq -r '.checkpoints[1].remedy' "$scratch/said")" "the command to try again"
equal "chk1 chk2" "$("$BITFERRY" inspect --json "$image" | jq -r '[.disks[0].bitmaps[].name] | sort | join(" ")')" \
    "bitmaps of the image"
fails_with 3 'Not defined, its bitmaps are kept: chk2, [A-Z]+: .*creationTime' redefine
ok "a definition that libvirt refuses costs no bitmap, and can be tried again"

rm -rf "$folder" && cp -r "$scratch/sound" "$folder"
fails_with 1 "domain 'web2' is another one" redefine --domain web2
sed -i "s/$uuid/33333333-2222-3333-4444-555555555555/" "$folder/capture.json"
fails_with 1 "has no domain '33333333" redefine
ok "checkpoints of another domain are refused"

rm -rf "$folder" && cp -r "$scratch/sound" "$folder"
printf '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><domaincheckpoint><name>&e;</name></domaincheckpoint>' \
    >"$folder/chk2.xml"
fails_with 1 'document type|no XML' redefine
head -c 2M /dev/zero | tr '\0' ' ' >"$folder/chk2.xml"
fails_with 15 'longer than 1048576 bytes' redefine
rm "$folder/chk2.xml"
fails_with 1 "chk2.xml" redefine
ok "hostile definitions are refused"

rm -rf "$folder" && cp -r "$scratch/sound" "$folder"
qemu-img bitmap --remove "$image" chk1
qemu-io -c 'write -P 0x5c 8M 64k' "$image" >/dev/null
status=0
redefine --json >"$scratch/said" || status=$?
equal 4 "$status" "exit status"
equal "chk1:DROPPED chk2:DROPPED" "$(statuses <"$scratch/said")" "bitmaps that are gone or changed"
equal "BITMAP_NOT_FOUND DIGEST_MISMATCH" "$(jq -r '[.checkpoints[].reason] | join(" ")' "$scratch/said")" "reasons"
equal "chk1:UNPROVEN chk2:UNPROVEN" "$(redefine --json --images-elsewhere | statuses)" "images of another host"
ok "what the images do not hold is not defined"

inconsistent "$image"
equal BITMAP_INCONSISTENT "$(redefine --json | jq -r '.checkpoints[1].reason')" "a bitmap of a crash"
fails_with 15 'no QEMU monitor|monitor' "$BITFERRY" migrate --connect test:///default test test:///default -- --live
fails_with 2 "exclude each other" "$BITFERRY" migrate --connect test:///default test test:///default -- --live --offline
ok "migrate needs a QEMU"
clean_temp
