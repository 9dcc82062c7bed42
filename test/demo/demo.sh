#!/usr/bin/env bash
# The main job, shown on real images: a shut-off VM's disk is copied to another place, its bitmaps follow
# over NBD, and the next backup there is an incremental one.  Run by `./dev demo`.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
bitferry=$top/build/bitferry
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bitferry-demo.XXXXXX")
server=

clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap clean_up EXIT

if [ -t 1 ]; then
    bold=$'\033[1m' dim=$'\033[2m' green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

step() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# shown COMMAND...: the command, then what it says.
shown() {
    printf '%s$ %s%s\n' "$dim" "${*/#$bitferry/bitferry}" "$plain"
    "$@"
}

verdict() {
    local what=$1
    shift
    if "$@"; then
        printf '%s✔ %s%s\n' "$green" "$what" "$plain"
    else
        printf '%s✘ %s%s\n' "$red" "$what" "$plain"
        exit 1
    fi
}

# digest IMAGE BITMAP: as QEMU computes it, without bitferry.
digest() {
    {
        printf '{"execute":"qmp_capabilities"}\n'
        printf '{"execute":"x-debug-block-dirty-bitmap-sha256","arguments":{"node":"disk","name":"%s"}}\n' "$2"
        printf '{"execute":"quit"}\n'
    } | qemu-storage-daemon --chardev stdio,id=m --monitor chardev=m --blockdev \
        "driver=qcow2,node-name=disk,read-only=on,file.driver=file,file.filename=$1" |
        jq -r 'select(.return.sha256).return.sha256'
}

cd "$scratch"
mkdir source destination backup

step '1. A VM on the source host: written, backed up in full at checkpoint chk1, written again, chk2, again'
qemu-img create -q -f qcow2 source/vda.qcow2 8G
qemu-io -c 'write -P 1 0 24M' -c 'write -P 2 4G 16M' source/vda.qcow2 >/dev/null
qemu-img bitmap --add source/vda.qcow2 chk1
qemu-img convert -O qcow2 source/vda.qcow2 backup/full.qcow2
qemu-io -c 'write -P 3 1G 3M' -c 'write -P 4 6G 1M' source/vda.qcow2 >/dev/null
qemu-img bitmap --add -g 32k source/vda.qcow2 chk2
qemu-io -c 'write -P 5 1026M 512k' -c 'write -P 6 7G 2M' source/vda.qcow2 >/dev/null
shown "$bitferry" inspect source/vda.qcow2

step '2. The VM is shut off and its disk copied to the destination.  The copy has no bitmaps'
shown qemu-img convert -O qcow2 source/vda.qcow2 destination/vda.qcow2
shown "$bitferry" inspect destination/vda.qcow2

step '3. Source: serve the bitmaps over NBD.  Any NBD client can look at them'
uri="nbd+unix:///?socket=$scratch/bitferry.sock"
shown "$bitferry" serve source/vda.qcow2 --socket "$scratch/bitferry.sock" >serve.log 2>&1 &
server=$!
until [ -S "$scratch/bitferry.sock" ]; do
    kill -0 "$server" || { cat serve.log; exit 1; }
    sleep 0.05
done
shown nbdinfo --list "$uri" | grep -E 'export=|description:' | cut -c1-150

step '4. Destination: pull them, prove them, install them'
shown "$bitferry" pull "$uri" --into destination/vda.qcow2
shown "$bitferry" inspect destination/vda.qcow2
shown "$bitferry" verify source/vda.qcow2 destination/vda.qcow2

step '5. The proof does not rest on bitferry: the digests that QEMU itself computes'
for bitmap in chk1 chk2; do
    there=$(digest source/vda.qcow2 "$bitmap")
    here=$(digest destination/vda.qcow2 "$bitmap")
    printf '  %s  source       %s\n        destination  %s\n' "$bitmap" "$there" "$here"
    verdict "$bitmap: equal" [ -n "$there" -a "$there" = "$here" ]
done
verdict 'qemu-img check finds nothing wrong' qemu-img check -q destination/vda.qcow2

step '6. And the one that users feel: the VM runs on, and full backup + incremental from here = the disk'
qemu-io -c 'write -P 7 5G 1M' destination/vda.qcow2 >/dev/null
cp backup/full.qcow2 backup/restored.qcow2
qemu-nbd --read-only --persistent --fork --pid-file=nbd.pid -k "$scratch/incremental.sock" \
    -B chk1 destination/vda.qcow2
copied=0
while read -r offset length; do
    qemu-img dd -U if=destination/vda.qcow2 of=piece.raw -f qcow2 -O raw bs=32768 \
        skip=$((offset / 32768)) count=$(((offset + length) / 32768)) 2>/dev/null
    qemu-io -c "write -s piece.raw $offset $length" backup/restored.qcow2 >/dev/null
    copied=$((copied + length))
done < <(nbdinfo --json --map=qemu:dirty-bitmap:chk1 "nbd+unix:///?socket=$scratch/incremental.sock" |
    jq -r '.[] | select(.type != 0) | "\(.offset) \(.length)"')
kill "$(cat nbd.pid)"
printf '  the incremental backup since chk1 copied %s of 8 GiB\n' "$(numfmt --to=iec-i --suffix=B "$copied")"
verdict 'full backup + incremental = the disk, byte for byte' \
    qemu-img compare -q backup/restored.qcow2 destination/vda.qcow2
