#!/usr/bin/env bash
# Chains of images: which image's bitmaps end where, and what becomes of those that cannot.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
export by=bitferry
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

start_helpers
nr=0

# base IMAGE, over IMAGE BELOW: empty ones
base() { qemu-img create -q -f qcow2 "$folder/$1" "${2:-$disk_size}"; }
over() { qemu-img create -q -f qcow2 -b "$folder/$2" -F qcow2 "$folder/$1" "${3:-$disk_size}"; }

# checkpoint IMAGE NAME GRANULE: a bitmap in it, and one granule that is written then
checkpoint() {
    qemu-img bitmap --add -g $granule "$folder/$1" "$2"
    qemu-io -c "write -P 3 $((granule * $3)) $granule" "$folder/$1" >/dev/null
}

begin() {
    nr=$((nr + 1))
    folder=$scratch/$nr
    mkdir "$folder"
    rm -f "$scratch"/{source,dest}.pipe.{in,out} "$scratch/ram"
}

# move_chain TOP-HERE TOP-THERE: the guest writes granules 10 and 20; the bitmap "c" of the top image is made if
# there is none
move_chain() {
    local side
    qemu source -machine none
    qemu dest -machine none -incoming defer
    guest_disk source vda "$folder/$1" qcow2
    plain_disk dest there "$folder/$2" qcow2
    [ -n "$(bitmap source vda c)" ] || add_bitmap source vda c recording persistent
    guest_writes source guest-vda 10
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
    "$BITFERRY" plan --qmp "$scratch/source.qmp" --dest-qmp "$scratch/dest.qmp" --disk vda=vda \
        --dest-disk vda=there --json >"$scratch/plan" 2>/dev/null || true
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=there)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --handover freeze --disk vda=vda)
    order source wait --quiet --for installed --timeout 60 "${move[source]}" >/dev/null 2>&1 || true
    guest_writes source guest-vda 20
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
    order source wait --quiet --for frozen --timeout 60 "${move[source]}" >/dev/null 2>&1 || true
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is completed migration source
    wait_for 60 is running run_state dest
    for side in source dest; do
        order $side wait --quiet --for committed --timeout 60 "${move[$side]}" >/dev/null 2>&1 || true
    done
    check_leftovers
    here=$(order dest status --json "${move[dest]}" | jq -r '[.moves[0].bitmaps[] |
        "\(.disk)/\(.bitmap) \(.outcome) \((.reason.message // "") | sub(":.*"; ""))" | sub(" $"; "")] | sort | join("; ")')
    there=
    [ -z "$(bitmap dest there c)" ] || there=$(dirty_granules dest there c)
    end_qemu source
    end_qemu dest
}

# fate BITMAP LAYER: what the plan said
fate() {
    jq -r --arg bitmap "$1" --argjson layer "$2" '.disks[0].bitmaps[] |
        select(.bitmap==$bitmap and .layer==$layer) | .reason // .fate' "$scratch/plan"
}

begin
base s1
checkpoint s1 b 1
checkpoint s1 c 2
cp "$folder/s1" "$folder/t1"
over s2 s1
over t2 t1
move_chain s2 t2
equal 'vda, 1 below/b native; vda, 1 below/c native; vda/c carried' "$here" "a chain that is kept"
equal '10 20' "$there" "its top bitmap"
equal 'carry in-image in-image' "$(fate c 0) $(fate c 1) $(fate b 1)" "as planned"
ok "a chain that is kept: each image keeps its own bitmaps"

begin
base s1
checkpoint s1 b 1
checkpoint s1 c 2
qemu-img convert -O qcow2 "$folder/s1" "$folder/t1" # which leaves the bitmaps behind
over s2 s1
over t2 t1
move_chain s2 t2
equal 'vda, 1 below/b dropped CHAIN_GAP; vda/c carried' "$here" "a chain whose images do not match"
equal '2 10 20' "$there" "the union of its images' bitmaps"
equal union "$(fate c 0)" "as planned"
order dest status --json "${move[dest]}" | jq -e 'any(.moves[0].warnings[]; test("not known to be the same"))' >/dev/null
ok "images below that are not known to be the same: the union of all, which misses nothing"

begin
base s1
checkpoint s1 c 1
over s2 s1
checkpoint s2 c 2
over s3 s2
base t
move_chain s3 t
equal 'vda/c carried' "$here" "three images that end in one"
equal '1 2 10 20' "$there" "the union of three"
ok "a chain that ends in one image: the union from the top down"

begin
base s1
checkpoint s1 c 1
over s2 s1
over s3 s2
base t
move_chain s3 t
equal 'vda, 2 below/c dropped CHAIN_GAP; vda/c dropped CHAIN_GAP' "$here" "a gap"
equal '' "$there" "the bitmap with the gap"
equal CHAIN_GAP "$(fate c 0)" "as planned"
ok "a gap in the chain drops that checkpoint by name"

begin
base s1 $((disk_size / 2))
checkpoint s1 c 1
over s2 s1
base t
move_chain s2 t
equal 'vda, 1 below/c dropped CHAIN_RESIZED; vda/c dropped CHAIN_RESIZED' "$here" "images of two sizes"
ok "images of two sizes: their bitmaps are dropped by name"
