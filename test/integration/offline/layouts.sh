#!/bin/bash
# Images that are not what they were: copies of any shape, chains, what an earlier visit left.  No bitmap
# ever misses a block, and what cannot be carried is named.
. "$(dirname "$0")/lib.sh"
begin_daemons
a=$scratch/a.qcow2 b=$scratch/b.qcow2

begin() {
    find "$scratch" -maxdepth 1 \( -name '*.qcow2' -o -name '*.raw' \) -delete
    make_image "$a"
}

# move SOURCE-IMAGES... -- DEST-IMAGES...
move() {
    local from=()
    while [ "$1" != -- ]; do
        from+=("$1")
        shift
    done
    shift
    start_off "${from[@]}"
    expect_off "$@"
}

# kept FILE: nothing could be carried, so the source has what it had
kept() {
    both_end failed failed
    carried "$1"
}

# --- one image ---

begin # a copy of the file has copies of the bitmaps too, which may be anything
cp "$a" "$b"
qemu-io -c 'write 2M 64k' "$b" >/dev/null
qemu-img bitmap --clear "$b" new
move "vda=$a" -- "vda=$b"
settle
carried "$b"
ok "a copy of the file: its own bitmaps are replaced"

begin # of a former visit: one with another granularity, one that was not closed, one that is none of ours
qemu-img convert -O qcow2 "$a" "$b"
qemu-img bitmap --add -g 1M "$b" new
checkpoint "$b" other
checkpoint "$b" old
{ qemu-io -c 'write 0 64k' -c 'sigraise 9' "$b" || true; } >"$scratch/killed" 2>&1
equal "in-use auto" "$(flags "$b" old)" "what the former visit left"
move "vda=$a" -- "vda=$b"
settle
carried "$b"
equal "new old other" "$(bitmaps "$b")" "bitmaps after the visit"
ok "bitmaps of an earlier visit are replaced, whatever they were"

begin
qemu-img convert -O qcow2 -o cluster_size=4k "$a" "$b"
move "vda=$a" -- "vda=$b"
settle
carried "$b"
ok "another cluster size"

begin # what is behind the source's end counts as dirty
qemu-img convert -O qcow2 "$a" "$b"
qemu-img resize -q "$b" $((disk_size + 2 * granule))
move "vda=$a" -- "vda=$b"
settle
equal "stored: 5 1024 1025" "$(stored_granules "$b" new)" "a larger target"
equal "stored: 1 2 3 1024 1025" "$(stored_granules "$b" old)" "a larger target"
equal "widened widened" "$(row dest vda new) $(row dest vda old)" "what is told"
ok "a larger target"

begin
qemu-img create -q -f qcow2 "$b" $((disk_size / 2))
move "vda=$a" -- "vda=$b"
kept "$a"
equal "dropped SIZE_MISMATCH" "$(row dest vda new)" "a smaller target"
ok "a smaller target: the source keeps its bitmaps"

begin
qemu-img create -q -f qcow2 -o compat=0.10 "$b" "$disk_size"
fails_with 15 'compat|version 2' order dest expect --vm ferry --uuid "$uuid" --image "vda=$b"
qemu-img convert -O raw "$a" "$scratch/b.raw"
fails_with 15 'not a qcow2' order dest expect --vm ferry --uuid "$uuid" --image "vda=$scratch/b.raw"
ok "targets that cannot store bitmaps are refused before anything is done"

# --- two disks ---

begin # of equal size: the copies' metadata tell which is which
make_image "$scratch/a2.qcow2"
put "$scratch/a2.qcow2" 100
cp "$a" "$b"
cp "$scratch/a2.qcow2" "$scratch/b2.qcow2"
move "vda=$a" "vdb=$scratch/a2.qcow2" -- "vda=$scratch/b2.qcow2" "vdb=$b"
kept "$a"
equal "dropped DISK_MISMATCH" "$(row dest vda new)" "disks that were swapped"
ok "swapped disks of equal size: nothing is carried"

begin # one disk is not there, the other moves
make_image "$scratch/a2.qcow2"
qemu-img convert -O qcow2 "$a" "$b"
move "vda=$a" "vdb=$scratch/a2.qcow2" -- "vda=$b"
settle
carried "$b"
equal "carried, dropped NODE_MISSING" "$(row dest vda new), $(row dest vdb new)" "what is told"
order dest wait --quiet --for committed "$arriving" >/dev/null 2>&1 || equal 3 $? "the end of wait"
ok "a disk that is left out is dropped by name"

# --- chains ---

# chain: checkpoint "old", an image on top with "old" and "new"; "sunk" is in the image below alone
chain() {
    begin
    mv "$a" "$scratch/a0.qcow2"
    qemu-img bitmap --remove "$scratch/a0.qcow2" new
    qemu-img bitmap --enable "$scratch/a0.qcow2" old
    checkpoint "$scratch/a0.qcow2" sunk
    put "$scratch/a0.qcow2" 4
    qemu-img create -q -f qcow2 -b "$scratch/a0.qcow2" -F qcow2 "$a"
    checkpoint "$a" old
    put "$a" 6
    checkpoint "$a" new
    put "$a" 7
}

chain
qemu-img convert -O qcow2 "$a" "$b"
move "vda=$a" -- "vda=$b"
settle
equal "stored: 1 2 3 4 6 7" "$(stored_granules "$b" old)" "the union of all layers"
equal "stored: 7" "$(stored_granules "$b" new)" "what began on top"
equal "new old" "$(bitmaps "$b")" "bitmaps of the flat image"
equal "carried, carried, dropped CHAIN_GAP" \
    "$(row dest vda old), $(row dest 'vda[1]' old), $(row dest 'vda[1]' sunk)" "what is told"
equal "" "$(bitmaps "$a")$(bitmaps "$scratch/a0.qcow2")" "bitmaps left at the source"
ok "a chain made flat: each checkpoint has all of its layers, one with a gap is dropped"

chain
cp "$scratch/a0.qcow2" "$scratch/b0.qcow2"
cp "$a" "$b"
qemu-img rebase -u -b "$scratch/b0.qcow2" -F qcow2 "$b"
qemu-img bitmap --remove "$scratch/b0.qcow2" sunk
move "vda=$a" -- "vda=$b"
settle
equal "stored: 1 2 3 4" "$(stored_granules "$scratch/b0.qcow2" old)" "the layer below"
equal "stored: 4" "$(stored_granules "$scratch/b0.qcow2" sunk)" "the layer below"
equal "stored: 6 7" "$(stored_granules "$b" old)" "the layer on top"
equal "stored: 7" "$(stored_granules "$b" new)" "the layer on top"
ok "a chain that is kept: each layer has its own"

chain # the images below do not match: they were converted one by one
qemu-img convert -O qcow2 -o cluster_size=4k "$scratch/a0.qcow2" "$scratch/b0.qcow2"
cp "$a" "$b"
qemu-img rebase -u -b "$scratch/b0.qcow2" -F qcow2 "$b"
move "vda=$a" -- "vda=$b"
settle
equal "stored: 1 2 3 4 6 7" "$(stored_granules "$b" old)" "all of the layers, on top"
equal "stored: 7" "$(stored_granules "$b" new)" "the layer on top"
equal ", dropped CHAIN_GAP" "$(bitmaps "$scratch/b0.qcow2"), $(row dest 'vda[1]' sunk)" "below"
ok "a chain that cannot be matched: each checkpoint has all of its layers, on top"
