#!/bin/bash
# An archive keeps what a checkpoint needs: links, layers of a chain, and which is which.  `serve --since` hands
# the union to a backup tool, and names what is missing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_carry_lib.sh"
granule=65536
cd "$scratch"

put() {
    local file=$1 at commands=()
    shift
    for at; do
        commands+=(-c "write -P $((at + 1)) $((at * granule)) $granule")
    done
    qemu-io "${commands[@]}" "$file" >/dev/null
}

# link IMAGE NAME [BEFORE]: a checkpoint by links: the bitmap of the one before stops recording
link() {
    [ $# -lt 3 ] || qemu-img bitmap --disable "$1" "$3"
    qemu-img bitmap --add -g "$granule" "$1" "$2"
}

# served TARGET CHECKPOINT [OPTION...]: the granules that a client of QEMU's gets for vda
served() {
    local target=$1 checkpoint=$2
    shift 2
    rm -f got.qcow2
    qemu-img create -q -f qcow2 got.qcow2 64M
    "$BITFERRY" serve "$target" --since "$checkpoint" --quiet "$@" --run \
        "qemu-img bitmap --add --merge $checkpoint -b \"nbd+unix:///vda/$checkpoint.qcow2?socket=\$unixsocket\" \
            -F qcow2 got.qcow2 since" || die "serve --since $checkpoint ends with $?"
    qemu-nbd -r -f qcow2 -B since -k "$scratch/got" got.qcow2 &
    wait_for 30 [ -S "$scratch/got" ]
    nbdinfo --json --map=qemu:dirty-bitmap:since "nbd+unix:///?socket=$scratch/got" | jq -r "[.[] |
        select(.type==1) | range(.offset / $granule | floor; (.offset + .length) / $granule | ceil)] | join(\" \")"
    wait $!
    rm -f "$scratch/got"
}

# --- links, and the manifest that knows them ---

qemu-img create -q -f qcow2 vda.qcow2 64M
put vda.qcow2 0 9
link vda.qcow2 c1
qemu-img convert -O raw vda.qcow2 full.raw
put vda.qcow2 1 2
link vda.qcow2 c2 c1
put vda.qcow2 2 3
link vda.qcow2 c3 c2
put vda.qcow2 40
jq -n '{schema:1,style:"links",checkpoints:[
    {name:"c1",disks:[{disk:"vda"}]},
    {name:"c2",parent:"c1",disks:[{disk:"vda"}]},
    {name:"c3",parent:"c2",disks:[{disk:"vda"}]}]}' >chain.json
"$BITFERRY" archive vda.qcow2 --to links --checkpoints chain.json --quiet >/dev/null
equal "links c1,c2,c3" "$(jq -r '.checkpoints | .style + " " + ([.checkpoints[].name] | join(","))' \
    links/manifest.json)" "checkpoints in the manifest"
equal "1 2 3 40" "$(served links c1)" "since c1"
equal "2 3 40" "$(served links c2)" "since c2"
equal "40" "$(served links c3)" "since c3"
equal "1 2 3 40" "$(served vda.qcow2 c1 --checkpoints chain.json)" "out of the image itself"
nothing_left
ok "links: all from the checkpoint on"

for at in $(served links c1); do
    qemu-io -f raw -c "write -P $((at + 1)) $((at * granule)) $granule" full.raw >/dev/null
done
qemu-img compare -q -f raw -F qcow2 full.raw vda.qcow2 || die "full and incremental are not the disk"
ok "a full backup and what is served restore the disk, byte for byte"

packed=$("$BITFERRY" serve links --since c1 --quiet --run \
    'nbdcopy "nbd+unix:///vda/c1?socket=$unixsocket" - | sha256sum')
equal "$(qemu_digest got.qcow2 since)" "${packed%% *}" "the packed bits"
ok "as packed bits they are the same"

fails_with 1 "no checkpoint 'c4'" "$BITFERRY" serve links --since c4 --run true
fails_with 2 '--checkpoints goes with' "$BITFERRY" serve links --checkpoints chain.json --run true
fails_with 14 'vda.*BITMAP_FROZEN.*--checkpoints' "$BITFERRY" serve vda.qcow2 --since c1 --run true
qemu-img convert -O qcow2 --bitmaps vda.qcow2 gap.qcow2
qemu-img bitmap --remove gap.qcow2 c2
fails_with 14 'gap.*is not covered' "$BITFERRY" serve gap.qcow2 --since c1 --checkpoints chain.json --run true
"$BITFERRY" archive "$(mkdir g && mv gap.qcow2 g/vda.qcow2 && echo g/vda.qcow2)" --to gap --quiet \
    --checkpoints chain.json >/dev/null
fails_with 14 'since checkpoint .c1.: the bitmap is not there .BITMAP_MISSING, checkpoint c2' \
    "$BITFERRY" serve gap --since c1 --run true
equal "40" "$(served gap c3)" "behind the gap"
ok "a gap is refused by name, and what is behind it served"

# --- a chain of images ---

qemu-img create -q -f qcow2 base.qcow2 64M
qemu-img bitmap --add -g "$granule" base.qcow2 c
qemu-img bitmap --add -g "$granule" base.qcow2 sunk
put base.qcow2 5
mkdir top
qemu-img create -q -f qcow2 -b "$scratch/base.qcow2" -F qcow2 top/vda.qcow2 64M
qemu-img bitmap --add -g "$granule" top/vda.qcow2 c
put top/vda.qcow2 7
"$BITFERRY" archive top/vda.qcow2 --to chain --quiet >/dev/null
equal "vda[1].carrier.qcow2 vda.carrier.qcow2" "$(cd chain && echo vda\[* vda.c*)" "carriers"
equal "5 7" "$(served chain c)" "since c, of both images"
equal "5 7" "$(served top/vda.qcow2 c)" "out of the images themselves"
fails_with 14 'vda.*LAYER_GAP' "$BITFERRY" serve chain --since sunk --run true
ok "a chain: all of its images"

equal "vda:c vda[1]:c,sunk" "$("$BITFERRY" inspect --json top/vda.qcow2 |
    jq -r '[.disks[] | .name + ":" + ([.bitmaps[].name] | sort | join(","))] | join(" ")')" "inspect"
qemu-img create -q -f qcow2 flat.qcow2 64M
cp base.qcow2 base-copy.qcow2
qemu-img bitmap --clear base-copy.qcow2 c
"$BITFERRY" serve top/vda.qcow2 --run "$BITFERRY pull \"\$uri\" --into flat.qcow2 --quiet &&
    $BITFERRY pull \"\$uri\" --disk 'vda[1]' --into base-copy.qcow2 --replace --quiet" >/dev/null
equal "$(qemu_digest top/vda.qcow2 c)" "$(qemu_digest flat.qcow2 c)" "pulled: the image on top"
equal "$(qemu_digest base.qcow2 c)" "$(qemu_digest base-copy.qcow2 c)" "pulled: the image below"
mv base.qcow2 away.qcow2
equal "vda" "$("$BITFERRY" inspect --json top/vda.qcow2 2>said | jq -r '.disks[].name')" "inspect alone"
grep -q 'not all images below' said || die "nobody says that the image below is away: $(cat said)"
mv away.qcow2 base.qcow2
ok "inspect, serve and pull know the images below"

qemu-img bitmap --remove top/vda.qcow2 c
"$BITFERRY" archive top/vda.qcow2 --to holed --quiet >/dev/null
fails_with 14 'vda.*LAYER_GAP' "$BITFERRY" serve holed --since c --run true
ok "an image on top without the bitmap is a gap, though nothing of it is kept"

cp -r "$scratch/base.qcow2" copy.qcow2
qemu-img bitmap --remove copy.qcow2 c
"$BITFERRY" restore chain --disk 'vda[1]' --into copy.qcow2 --bitmap c --quiet >/dev/null
equal "$(qemu_digest base.qcow2 c)" "$(qemu_digest copy.qcow2 c)" "restored into the image below"
ok "an image below gets its own back"

printf x | dd of=chain/vda.carrier.qcow2 bs=1 seek=70000 conv=notrunc status=none
fails_with 14 'damaged' "$BITFERRY" serve chain --since c --run true
fails_with 14 'damaged' "$BITFERRY" verify chain
"$BITFERRY" verify links || die "verify of an archive ends with $?"
equal "" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'bitferry-since.*' -newer chain.json)" "folders"
ok "an archive proves itself later, or is refused"
