#!/usr/bin/env bash
# An image on a block device (a logical volume, in life): bitmaps come in, and a device that is too small is
# left as it was.
. "$(dirname "$0")/lib.sh"

install=$BF_BUILD/test/install-carrier
cd "$scratch"
dirty_image carrier.qcow2 1G chk1 65536 0 1M 512M 64k
digest=$(qemu_digest carrier.qcow2 chk1)

# on_device SIZE: $device of that size with an image in which 32 clusters are used.
on_device() {
    truncate -s "$1" disk
    device=$(losetup -f --show disk)
    qemu-img create -q -f qcow2 "$device" 1G
    qemu-io -c 'write -P 7 0 2M' "$device" >/dev/null
}
detach() {
    [ -z "${device:-}" ] || losetup -d "$device"
    device=
}
trap 'detach; bf_clean_up' EXIT

on_device 64M
TMPDIR=$scratch "$install" carrier.qcow2 "$device"
qemu-img check -q "$device" || die "check"
"$BF_BUILD/bitferry" inspect --json "$device" |
    jq -e --arg digest "$digest" '.disks[0].bitmaps == [.disks[0].bitmaps[0]] and
        .disks[0].bitmaps[0].sha256 == $digest' >/dev/null || die "the bitmap is not on the device"
equal "" "$(find . -name 'bitferry-*')" "work folders left behind"
detach
ok "installed on a block device"

on_device $((38 * 65536))
before=$(sha256sum <"$device")
TMPDIR=$scratch fails_with 1 "no room.*No space left" "$install" carrier.qcow2 "$device"
equal "$before" "$(sha256sum <"$device")" "the device after it was found too small"
detach
ok "a device that is too small is left as it was"
