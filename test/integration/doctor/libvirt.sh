#!/usr/bin/env bash
# doctor at libvirt's own test driver: a domain that is shut off, one whose QEMU cannot be asked, none.
. "$(dirname "$0")/lib.sh"

dirty_image "$scratch/vda.qcow2" 64M chk1 65536 0 1M
domain() {
    cat <<EOT
  <domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
    <name>$1</name><memory>1024</memory><os><type>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='$3'/><target dev='vda'/></disk>
      <disk type='network' device='disk'><source protocol='nbd' name='x'><host name='far'/></source><target dev='vdb'/></disk>
      <disk type='file' device='cdrom'><source file='/nowhere'/><target dev='hda'/><readonly/></disk></devices>
    <test:runstate>$2</test:runstate>
  </domain>
EOT
}
{
    echo '<node>'
    domain off 5 "$scratch/vda.qcow2"
    domain on 1 "$scratch/vda.qcow2"
    domain lost 5 "$scratch/no-such.qcow2"
    echo '</node>'
} >"$scratch/node.xml"
uri=test://$scratch/node.xml
checkpoints nested chk1:vda=chk1,vdb=chk1 >"$scratch/chain.json"

examine 3 --connect "$uri" --domain off --checkpoints "$scratch/chain.json"
equal "off images" "$(jq -r '.subject + " " + .kind' <<<"$said")" "what was looked at"
equal "incremental DISK_UNSEEN" "$(cell vda chk1) $(cell vdb chk1)" "coverage"
equal "1 of 2" "$(checked DISK_SEEN)" "checked"
examine 4 --connect "$uri" --domain lost --checkpoints "$scratch/chain.json"
[[ $(found DISK_UNSEEN detail) == *no-such.qcow2* ]] || die "no word of why: $said"
ok "a domain that is shut off: its images are read; one that is not there is said"

examine 4 --connect "$uri" --domain on --checkpoints "$scratch/chain.json"
equal "DISK_UNSEEN DISK_UNSEEN" "$(cell vda chk1) $(cell vdb chk1)" "coverage of a domain without QEMU"
examine 4 --connect "$uri" --domain on
equal "libvirt 0" "$(jq -r '.checkpoints_from + " \(.coverage | length)"' <<<"$said")" "without any checkpoint"
fails_with 1 "no-such-domain" "$BITFERRY" doctor --connect "$uri" --domain no-such-domain
ok "a domain whose QEMU cannot be asked, and one that is not there"
