# shellcheck shell=bash
# What the tests of the installation share.  Source it behind lib.sh.

: "${scratch:?}"
install=$BF_BUILD/test/install-carrier
cd "$scratch"

# carrier.qcow2: what is to be installed.  plain.qcow2: an image with data and a bitmap of its own.
dirty_image carrier.qcow2 1G chk1 65536 0 1M 512M 64k 1073676288 65536
dirty_image carrier.qcow2 1G chk2 131072 100M 1M
qemu-img bitmap --disable carrier.qcow2 chk2
qemu-img create -q -f qcow2 plain.qcow2 1G
qemu-img bitmap --add plain.qcow2 other
qemu-io -c 'write -P 7 0 20M' -c 'write -P 8 512M 1M' plain.qcow2 >/dev/null
chk1=$(qemu_digest carrier.qcow2 chk1)
chk2=$(qemu_digest carrier.qcow2 chk2)
other=$(qemu_digest plain.qcow2 other)

names_of() {
    qemu-img info --output=json "$1" |
        jq -r '[."format-specific".data.bitmaps[]? | "\(.name):\(.flags|join("+"))"] | sort | join(" ")'
}

nothing_left() {
    equal "" "$(find . -name '.*.bitferry')" "work folders left behind"
}

# complete IMAGE: it has all three bitmaps, right in every respect, and its data.
complete() {
    equal "chk1:auto chk2: other:auto" "$(names_of "$1")" "bitmaps of $1"
    equal "$chk1" "$(qemu_digest "$1" chk1)" "digest of chk1 in $1"
    equal "$chk2" "$(qemu_digest "$1" chk2)" "digest of chk2 in $1"
    as_before_at_least "$1"
}

as_before_at_least() {
    equal "$other" "$(qemu_digest "$1" other)" "digest of other in $1"
    qemu-img compare -q "$1" plain.qcow2 || die "the data of $1 changed"
}
