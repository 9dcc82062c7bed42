#!/usr/bin/env bash
# doctor at what is at rest: images and their chains, archives, a server of bitferry; and its words.
. "$(dirname "$0")/lib.sh"
granule=65536

dirty_image "$scratch/vda.qcow2" 64M chk1 $granule 0 $granule
dirty_image "$scratch/vda.qcow2" 64M chk2 $granule 1M $granule
sum=$(sha256sum <"$scratch/vda.qcow2")
examine 0 "$scratch/vda.qcow2"
equal "vda vda" "$(jq -r '[.coverage[].disk] | join(" ")' <<<"$said")" "a disk named by its file"
equal "[$((2 * granule)),$granule]" "$(jq -c '[.coverage[].max_dirty_bytes]' <<<"$said")" "what it would copy"
equal "$sum" "$(sha256sum <"$scratch/vda.qcow2")" "the image after doctor"
ok "an image: both checkpoints, and not a byte is changed"

# --- two images of one disk ---
overlay() {
    rm -f "$scratch/over.qcow2"
    qemu-img create -q -f qcow2 -b "$scratch/vda.qcow2" -F qcow2 "$scratch/over.qcow2"
}
overlay
examine 4 vda="$scratch/over.qcow2"
equal "LAYER_GAP LAYER_GAP" "$(cell vda chk1) $(cell vda chk2)" "an overlay without bitmaps"
qemu-img bitmap --add -g $granule "$scratch/over.qcow2" chk2
qemu-io -c "write 3M $granule" "$scratch/over.qcow2" >/dev/null
examine 3 vda="$scratch/over.qcow2"
equal "LAYER_GAP incremental" "$(cell vda chk1) $(cell vda chk2)" "an overlay with one of them"
equal "[$((2 * granule))]" "$(jq -c '[.coverage[] | select(.incremental).max_dirty_bytes]' <<<"$said")" "the union"
ok "a backing chain: the union of both images, and a gap where the upper one has no bitmap"

# --- a chain of links, from a file ---
checkpoints links chk1:disk=chk1 chk2:disk=chk2 >"$scratch/chain.json"
qemu-img bitmap --disable "$scratch/vda.qcow2" chk1
examine 0 --checkpoints "$scratch/chain.json" disk="$scratch/vda.qcow2"
equal "links file" "$(jq -r '.style + " " + .checkpoints_from' <<<"$said")" "style and origin"
equal "chk1 chk2" "$(jq -r '[.coverage[0].bitmaps[].bitmap] | join(" ")' <<<"$said")" "the union since chk1"
examine 3 disk="$scratch/vda.qcow2"
equal "BITMAP_FROZEN" "$(cell disk chk1)" "the same, taken for nested"
qemu-img bitmap --disable "$scratch/vda.qcow2" chk2
examine 4 --checkpoints "$scratch/chain.json" disk="$scratch/vda.qcow2"
equal "1" "$(found BITMAP_FROZEN | wc -l)" "one cause is one finding"
"$BITFERRY" doctor --checkpoints "$scratch/chain.json" disk="$scratch/vda.qcow2" >"$scratch/text" || true
grep -q 'disk since chk1 ... chk2, bitmap chk2: full, BITMAP_FROZEN' "$scratch/text" || die "$(<"$scratch/text")"
ok "a chain of links: a backup since chk1 needs both, and the newest must record"

# --- what cannot store bitmaps, or cannot be looked at ---
qemu-img create -q -f qcow2 -o compat=0.10 "$scratch/old.qcow2" 1M
examine 4 old="$scratch/old.qcow2"
equal "old qemu-img amend" "$(found IMAGE_CANNOT_STORE) $(remedy IMAGE_CANNOT_STORE | cut -d' ' -f1,2)" "version 2"
eval "$(remedy IMAGE_CANNOT_STORE)"
examine 4 old="$scratch/old.qcow2"
equal "" "$(found IMAGE_CANNOT_STORE)" "after the remedy"
run_child qemu-storage-daemon --chardev "socket,id=m,path=$scratch/qsd,server=on,wait=off" --monitor chardev=m \
    --blockdev "driver=qcow2,node-name=d,file.driver=file,file.filename=$scratch/old.qcow2"
wait_for 30 test -S "$scratch/qsd"
fails_with 11 "in use" "$BITFERRY" doctor "$scratch/old.qcow2"
kill "$child"
wait "$child" 2>/dev/null || true
ok "an image of version 2, and one that is in use"

# --- an archive, and a server ---
qemu-img bitmap --enable "$scratch/vda.qcow2" chk2
"$BITFERRY" archive --quiet --to "$scratch/archive" "$scratch/vda.qcow2" >/dev/null
checkpoints links chk1:vda=chk1 chk2:vda=chk2 >"$scratch/chain.json"
examine 0 --checkpoints "$scratch/chain.json" "$scratch/archive"
equal "archive incremental incremental" "$(jq -r .kind <<<"$said") $(cell vda chk1) $(cell vda chk2)" "an archive"
"$BITFERRY" archive --quiet --to "$scratch/described" --checkpoints "$scratch/chain.json" "$scratch/vda.qcow2" >/dev/null
examine 0 "$scratch/described"
equal "links 2" "$(jq -r '.style + " \(.coverage[0].bitmaps | length)"' <<<"$said")" "the archive's own checkpoints"
serve_bitmaps "$scratch/vda.qcow2"
examine 0 --checkpoints "$scratch/chain.json" "$uri"
stop_serving
ok "an archive, and what a server offers"

# --- words ---
fails_with 2 "give one of --domain NAME, --qmp SOCKET, or images" "$BITFERRY" doctor
fails_with 2 "give one of" "$BITFERRY" doctor --qmp x "$scratch/vda.qcow2"
fails_with 2 "goes with --domain" "$BITFERRY" doctor --connect x "$scratch/vda.qcow2"
fails_with 2 "goes with --qmp" "$BITFERRY" doctor --disk a=b "$scratch/vda.qcow2"
fails_with 2 "takes NAME=NODE" "$BITFERRY" doctor --disk ab --qmp "$scratch/qsd"
fails_with 1 "two disks named 'vda'" "$BITFERRY" doctor "$scratch/vda.qcow2" vda="$scratch/over.qcow2"
fails_with 1 "no-such" "$BITFERRY" doctor --checkpoints "$scratch/no-such" "$scratch/vda.qcow2"
echo '{"schema": 1, "style": "tree"}' >"$scratch/chain.json"
fails_with 10 'chain.json.*"style"' "$BITFERRY" doctor --checkpoints "$scratch/chain.json" "$scratch/vda.qcow2"
name="it's \$(a) \"name\""
qemu-img create -q -f qcow2 "$scratch/$name.qcow2" 1M
qemu-img bitmap --add "$scratch/$name.qcow2" "$name"
qemu-img bitmap --disable "$scratch/$name.qcow2" "$name"
examine 4 vda="$scratch/$name.qcow2"
eval "$(remedy BITMAP_FROZEN)"
equal "" "$(qemu-img info "$scratch/$name.qcow2" | grep bitmaps || true)" "bitmaps after the remedy"
qemu-img bitmap --add -- "$scratch/$name.qcow2" -x
qemu-img bitmap --disable -- "$scratch/$name.qcow2" -x
examine 4 vda="$scratch/$name.qcow2"
eval "$(remedy BITMAP_FROZEN)"
equal "" "$(qemu-img info "$scratch/$name.qcow2" | grep bitmaps || true)" "bitmaps after the remedy"
clean_temp
ok "what is refused, and names that a shell would read"
