#!/usr/bin/env bash
# build.sh FOLDER: make FOLDER/vmlinuz and FOLDER/initrd, a Linux that boots in five seconds without KVM
# and writes to its disks (init.c).  Debian's own kernel for clouds is fetched once; afterwards nothing is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
modules=(virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk)

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
exec 9>"$folder/lock"
flock 9 # two tests may want it at the same time
if [ -e "$folder/initrd" ] && [ "$folder/initrd" -nt "$here/init.c" ] && [ "$folder/initrd" -nt "$0" ]; then
    exit 0
fi

work=$(mktemp -d "$folder/making.XXXXXX")
trap 'rm -rf "$work"' EXIT

fetch_kernel() {
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 |
        sed -n 's/.*Depends: \(linux-image-.*-cloud-amd64\)$/\1/p' | head -n 1)
    [ -n "$package" ] || {
        echo "apt knows no linux-image-cloud-amd64: run apt-get update" >&2
        return 1
    }
    # As root apt would download as a user that may not enter this folder.
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null && dpkg -x ./*.deb kernel)
}

add_module() {
    local path
    path=$(find "$work/kernel" -name "$1.ko" -o -name "$1.ko.xz" | head -n 1)
    case $path in
    *.xz) xz -dc "$path" >"$work/root/modules/$1.ko" ;;
    *.ko) cp "$path" "$work/root/modules/" ;;
    *) rm -f "$work/root/modules/$1.ko" ;; # built in
    esac
}

fetch_kernel
mkdir -p "$work/root/modules" "$work/root/dev"
for module in "${modules[@]}"; do
    add_module "$module"
done
"${CC:-gcc}" -O2 -static -Wall -Wextra -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -pthread \
    -o "$work/root/init" "$here/init.c"
(cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
cp "$work"/kernel/boot/vmlinuz-* "$folder/vmlinuz"
mv "$work/initrd" "$folder/initrd"
