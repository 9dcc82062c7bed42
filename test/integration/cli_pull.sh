#!/bin/bash
# `bitferry pull`: bitmaps of a server come into a copy of the disk, and QEMU says that they are the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_carry_lib.sh"

cd "$scratch"
# counts FILE: of the ten bitmaps.
counts() {
    facts "$1" "${ten_names[@]}" | grep -oE '[0-9]+ [0-9a-f]{64}$' | cut -d ' ' -f 1
}

ten_bitmaps vda.qcow2 1G
plain_copy vda.qcow2 plain.qcow2
nbdkit=(nbdkit --filter=log)
serve "$PLUGIN" vda.qcow2 logfile="$scratch/log"
nbdkit=(nbdkit)
connections() {
    grep -c ' Connect ' log
}

cp plain.qcow2 image.qcow2
unchanged image.qcow2 "$BITFERRY" pull "$uri" --into image.qcow2 --dry-run >said
equal 10 "$(grep -c 'planned$' said)" "bitmaps planned"
nothing_left
ok "a dry run says what would be done and changes nothing"

: >log
"$BITFERRY" pull "$uri" --into image.qcow2 >said
equal 10 "$(grep -c 'installed, proven by QEMU$' said)" "bitmaps installed"
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
qemu-img check -q image.qcow2 || die "check"
qemu-img compare -q vda.qcow2 image.qcow2 || die "the data changed"
nothing_left
ok "ten bitmaps of eight granularities, each with its state"

[ "$(connections)" -eq 2 ] || die "$(connections) connections for the index and ten bitmaps"
ok "all bitmaps come through one connection"

qemu-io -c 'write 900M 64k' image.qcow2 >/dev/null
equal $(($(qemu_count vda.qcow2 b64k) + 65536)) "$(qemu_count image.qcow2 b64k)" "count after a write"
equal "$(qemu_digest vda.qcow2 frozen)" "$(qemu_digest image.qcow2 frozen)" "frozen after a write"
ok "what recorded is recording again, what was frozen stays frozen"

unchanged image.qcow2 fails_with 4 "already has a bitmap 'b512'.*--replace" \
    "$BITFERRY" pull "$uri" --into image.qcow2
unchanged image.qcow2 fails_with 4 "already has a bitmap 'b512'" \
    "$BITFERRY" pull "$uri" --into image.qcow2 --dry-run
"$BITFERRY" pull "$uri" --into image.qcow2 --replace >/dev/null
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
nothing_left
ok "what is there already is refused, and replaced with --replace"

cp plain.qcow2 image.qcow2
"$BITFERRY" pull "$uri" --into image.qcow2 --bitmap b64k -b frozen --json >said
equal "b64k frozen" "$(names_in image.qcow2)" "chosen bitmaps"
same_bitmaps vda.qcow2 image.qcow2 b64k frozen
equal "1 vda image.qcow2 0 2" \
    "$(jq -r '"\(.schema) \(.disk) \(.image) \(.exit) \(.bitmaps|length)"' said)" "JSON"
equal "b64k b64k installed $(qemu_digest vda.qcow2 b64k) $(qemu_count vda.qcow2 b64k)" \
    "$(jq -r '.bitmaps[0]|"\(.name) \(.as) \(.outcome) \(.sha256) \(.dirty_bytes)"' said)" "JSON"
ok "chosen bitmaps, reported as JSON"

# Far apart in the export, and the first and last of it.
cp plain.qcow2 image.qcow2
"$BITFERRY" pull "$uri" --into image.qcow2 -b "${ten_names[9]}" -b b2m -b b512 >/dev/null
same_bitmaps vda.qcow2 image.qcow2 b512 b2m "${ten_names[9]}"
cp plain.qcow2 image.qcow2
"$BITFERRY" pull "${uri/:\/\/\//:///vda}" --into image.qcow2 >/dev/null
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
ok "any choice of bitmaps, and all of a disk by its URI"

cp plain.qcow2 image.qcow2
"$BITFERRY" pull "$uri" --into image.qcow2 --bitmap b64k -b frozen >/dev/null
one=${uri/nbd+unix:\/\/\//nbd+unix:\/\/\/vda/b512}
"$BITFERRY" pull "$one" --into image.qcow2 --as 'other name' >/dev/null
equal "$(qemu_digest vda.qcow2 b512)" "$(qemu_digest image.qcow2 'other name')" "digest of the renamed"
equal "b64k frozen other name" "$(names_in image.qcow2)" "one bitmap by its URI"
fails_with 2 "choose one with --bitmap" "$BITFERRY" pull "$uri" --into image.qcow2 --as x
fails_with 4 "has no bitmap 'nosuch'; it has .*'b4k'" \
    "$BITFERRY" pull "$uri" --into image.qcow2 --bitmap nosuch
fails_with 2 "power of two from 512 to 2G" \
    "$BITFERRY" pull "$uri" --into image.qcow2 --granularity 3000
fails_with 2 "takes the NBD URI" "$BITFERRY" pull vda.qcow2 --into image.qcow2
equal "b64k frozen other name" "$(names_in image.qcow2)" "bitmaps after refusals"
nothing_left
ok "one export under another name; wrong questions are answered"

# The oracle of a changed shape is QEMU's own merge between granularities.
for granularity in 4k 64k 2m; do
    cp plain.qcow2 image.qcow2
    "$BITFERRY" pull "$uri" --into image.qcow2 -b b64k -b b512 -g "$granularity" --json >said
    for name in b64k b512; do
        cp plain.qcow2 oracle.qcow2
        qemu-img bitmap --add --disable -g "$granularity" --merge "$name" -b vda.qcow2 -F qcow2 \
            oracle.qcow2 merged
        equal "$(qemu_digest oracle.qcow2 merged)" "$(qemu_digest image.qcow2 "$name")" \
            "$name at $granularity"
    done
    [ "$granularity" = 64k ] || equal "superset " "$(outcome b64k <said)" "outcome"
done
equal "superset " "$(outcome b512 <said)" "outcome"
ok "another granularity is a superset, as QEMU would have it"

plain_copy vda.qcow2 larger.qcow2
qemu-img resize -q larger.qcow2 1088M
"$BITFERRY" pull "$uri" --into larger.qcow2 --json >said 2>notes
grep -q "larger than disk 'vda'" notes || die "no note"
equal "superset " "$(outcome b64m <said)" "outcome"
while read -r before after; do
    equal $((before + 64 * 1024 * 1024)) "$after" "count in a larger image"
done < <(paste <(counts vda.qcow2) <(counts larger.qcow2))
"$BITFERRY" verify vda.qcow2 larger.qcow2 >/dev/null || die "the bitmaps are not covered"
qemu-img create -q -f qcow2 smaller.qcow2 1023M
unchanged smaller.qcow2 fails_with 15 "smaller image cannot hold" \
    "$BITFERRY" pull "$uri" --into smaller.qcow2
nothing_left
ok "a larger image has its new area dirty, a smaller one is refused"

qemu-img create -q -f raw raw.img 1G
unchanged raw.img fails_with 15 "not .*qcow2" "$BITFERRY" pull "$uri" --into raw.img
qemu-img create -q -f qcow2 -o compat=0.10 v2.qcow2 1G
unchanged v2.qcow2 fails_with 15 "version 2|v2|compat" "$BITFERRY" pull "$uri" --into v2.qcow2
cp plain.qcow2 image.qcow2
chmod 0444 image.qcow2
unchanged image.qcow2 fails_with 1 "image.qcow2.*(read-only|write-protected|[Pp]ermission)" \
    "$BITFERRY" pull "$uri" --into image.qcow2
chmod 0644 image.qcow2
fails_with 1 "nosuch.qcow2" "$BITFERRY" pull "$uri" --into nosuch.qcow2
nothing_left
ok "raw, qcow2 v2, write-protected and missing images are named before anything is changed"

run_child qemu-storage-daemon --pidfile "$scratch/vm.pid" \
    --blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=image.qcow2
wait_for 30 test -s vm.pid
fails_with 11 "in use|used by" "$BITFERRY" pull "$uri" --into image.qcow2
kill "$child"
wait "$child" || true
ok "an image in use is refused"

kill "$server"
dirty_image vdb.qcow2 64M monday 64k 1M 1M
tear vdb.qcow2
qemu-img bitmap --add vdb.qcow2 tuesday
qemu-io -c 'write 5M 300k' vdb.qcow2 >/dev/null
qemu-img bitmap --add -g 4k vdb.qcow2 wednesday
qemu-io -c 'write 9M 100k' vdb.qcow2 >/dev/null
serve "$PLUGIN" vda.qcow2 vdb.qcow2
plain_copy vdb.qcow2 image.qcow2
fails_with 2 "2 disks \('vda', 'vdb'\).*--disk" "$BITFERRY" pull "$uri" --into image.qcow2
fails_with 1 "no disk 'vdc'; it has 'vda', 'vdb'" "$BITFERRY" pull "$uri" --into image.qcow2 -d vdc
fails_with 3 "Dropped: vdb/monday, BITMAP_INCONSISTENT" "$BITFERRY" pull "$uri" --into image.qcow2 -d vdb
grep -q "Consequence: the next backup from it is full" .said || die "no consequence"
grep -q "Remedy: " .said || die "no remedy"
equal "tuesday wednesday" "$(names_in image.qcow2)" "what is left"
same_bitmaps vdb.qcow2 image.qcow2 tuesday wednesday
mkdir named
plain_copy vdb.qcow2 named/vdb.qcow2
fails_with 3 '"exit": 3' "$BITFERRY" pull "$uri" --into named/vdb.qcow2 --json
equal "dropped BITMAP_INCONSISTENT" "$(outcome monday <.said)" "outcome"
equal "the next backup from it is full true" \
    "$(jq -r '.bitmaps[]|select(.name=="monday")|"\(.consequence) \(.remedy|length>0)"' .said)" "drop"
unchanged image.qcow2 fails_with 4 "Dropped: vdb/monday" \
    "$BITFERRY" pull "$uri" --into image.qcow2 -d vdb -b monday
nothing_left
ok "the disk is found by its name; an inconsistent bitmap is dropped aloud"
