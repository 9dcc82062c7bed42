#!/bin/bash
# What cannot be carried is refused by name: wrong formats, bitmaps that were not closed cleanly, images
# that were cut or changed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/carrier_read_lib.sh"

cd "$scratch"

# poke FILE OFFSET ESCAPES: overwrite bytes.
poke() {
    printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

truncate -s 1M disk.raw
fails_with 15 'NOT_QCOW2: disk.raw: not a qcow2 image' "$dump" disk.raw
: >empty
fails_with 15 'NOT_QCOW2: empty' "$dump" empty
qemu-img create -q -f qcow2 -o compat=0.10 v2.qcow2 1M
fails_with 15 'QCOW2_V2: v2.qcow2: .*qemu-img amend' "$dump" v2.qcow2
fails_with 1 'INVALID: \.: a folder' "$dump" .
fails_with 1 'NOT_FOUND: cannot open nowhere.qcow2' "$dump" nowhere.qcow2
mkfifo fifo
fails_with 1 'INVALID: fifo: not a regular file' timeout 10 "$dump" fifo
fails_with 1 'INVALID: /dev/null: not a regular file' "$dump" /dev/null
ok "what is no qcow2 image of version 3"

dirty_image good.qcow2 64M b 64k 0 1M 32M 3M
cp good.qcow2 feature.qcow2
poke feature.qcow2 79 '\x20' # incompatible bit 5
poke feature.qcow2 $((0x78)) '\x00\x05beyond our time\x00'
fails_with 15 'QCOW2_FEATURE: feature.qcow2: .*"beyond our time" \(bit 5\)' "$dump" feature.qcow2
poke feature.qcow2 79 '\x00'
poke feature.qcow2 72 '\x80'
fails_with 15 'QCOW2_FEATURE: feature.qcow2: .*"without a name" \(bit 63\)' "$dump" feature.qcow2
ok "an unknown incompatible feature, by its name"

cp good.qcow2 in-use.qcow2
{ qemu-io -c 'write 5M 64k' -c abort in-use.qcow2 || true; } >/dev/null 2>&1
qemu-img info --output=json in-use.qcow2 | jq -e '."format-specific".data.bitmaps[0].flags
    | index("in-use")' >/dev/null || die "QEMU does not call it in use"
"$dump" in-use.qcow2 | grep -q $'^65536\tunusable\t-\t-\tb\tin use: ' || die "not called in use"
ok "a bitmap that QEMU did not close"

cp good.qcow2 corrupt.qcow2
poke corrupt.qcow2 79 '\x02'
"$dump" corrupt.qcow2 | grep -q 'unusable.*marked as corrupt' || die "not called corrupt"
cp good.qcow2 stale.qcow2
poke stale.qcow2 95 '\x00' # autoclear features
"$dump" stale.qcow2 | grep -q '^note.*a program that does not know bitmaps' || die "not called stale"
equal 1 "$("$dump" stale.qcow2 | wc -l)" "lines for stale bitmaps"
ok "an image marked as corrupt, and stale bitmaps"

# An image that was cut anywhere within what is needed is refused, and quickly.
"$dump" good.qcow2 >expected
end=$(stat -c %s good.qcow2)
cuts=0
for length in 1 3 4 50 103 104 111 200 512 4096 65535 65536 70000 131072 196607 262144 327680 \
    $((end - 65536)) $((end - 33)) $((end - 32)) $((end - 1)); do
    head -c "$length" good.qcow2 >cut.qcow2
    status=0
    timeout 10 "$dump" cut.qcow2 >said 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        die "an image cut to $length of $end bytes is read: $(cat said)"
    fi
    grep -qE '^(IMAGE_CORRUPT|NOT_QCOW2): cut.qcow2: ' said || die "cut at $length: $(cat said)"
    cuts=$((cuts + 1))
done
ok "$cuts images that were cut short"
