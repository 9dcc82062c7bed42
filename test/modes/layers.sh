#!/usr/bin/env bash
# A chain whose lower image was copied without its bitmaps: what is told, and how they are put in before the move.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
export by=bitferry
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

s1=$scratch/s1.qcow2 s2=$scratch/s2.qcow2 t1=$scratch/t1.qcow2 t2=$scratch/t2.qcow2

# node SIDE IMAGE: QEMU's own name of its node
node() {
    qmp "$1" query-named-block-nodes '{"flat":true}' | jq -r --arg file "$2" \
        '.[] | select(.drv=="qcow2" and .file==$file) | ."node-name"'
}

# digest SIDE IMAGE BITMAP: QEMU's
digest() {
    qmp "$1" x-debug-block-dirty-bitmap-sha256 "$(jq -nc --arg node "$(node "$1" "$2")" --arg name "$3" \
        '{node:$node,name:$name}')" | jq -r .sha256
}

plan() {
    "$BITFERRY" plan --qmp "$scratch/source.qmp" --dest-qmp "$scratch/dest.qmp" --disk vda=vda \
        --dest-disk vda=there "$@" 2>/dev/null || true
}

# fates: of the plan, the top's first
fates() {
    plan --json | jq -r '[.disks[0].bitmaps[] | "\(.bitmap)@\(.layer) \(.reason // .fate)"] | sort | join("; ")'
}

# told SIDE: what became of each
told() {
    order "$1" status --json "${move[$1]}" | jq -r '[.moves[0].bitmaps[] | "\(.disk)/\(.bitmap) \(.outcome)"] |
        sort | join("; ")'
}

dest_begins() {
    rm -f "$scratch"/dest.pipe.{in,out} "$scratch/dest.nbd"
    qemu dest -machine none -incoming defer
    plain_disk dest there "$t2" qcow2
}

mirror() {
    qmp dest nbd-server-start "$(jq -nc --arg path "$scratch/dest.nbd" '{addr:{type:"unix",data:{path:$path}}}')"
    qmp dest block-export-add '{"type":"nbd","id":"copy","node-name":"there","name":"vda","writable":true}'
    qmp source blockdev-add "$(jq -nc --arg path "$scratch/dest.nbd" \
        '{driver:"nbd","node-name":"peer",export:"vda",server:{type:"unix",path:$path}}')"
    qmp source blockdev-mirror '{"job-id":"copy","device":"vda","target":"peer","sync":"top"}'
    wait_for 60 job_ready source copy
}

move_disk() {
    local side
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=there)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --disk vda=vda)
    mirror
    order source wait --quiet --for installed --timeout 60 "${move[source]}" >/dev/null
    guest_writes source vda 20
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
    order source wait --quiet --for frozen --timeout 60 "${move[source]}" >/dev/null
    qmp source block-job-cancel '{"device":"copy"}'
    wait_for 60 no_job source
    qmp source blockdev-del '{"node-name":"peer"}'
    qmp dest block-export-del '{"id":"copy","mode":"hard"}'
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is completed migration source
    wait_for 60 is running run_state dest
    for side in source dest; do
        order $side wait --quiet --for committed --timeout 60 "${move[$side]}" >/dev/null
    done
    check_leftovers
}

# restore: into the full backup, what the bitmaps "c" of both layers say, by QEMU
restore() {
    qmp dest blockdev-add "$(jq -nc --arg file "$scratch/full.raw" \
        '{driver:"raw","node-name":"full",file:{driver:"file",filename:$file}}')"
    qmp dest transaction "$(jq -nc --arg below "$(node dest "$t1")" '{actions:[
        {type:"block-dirty-bitmap-add",data:{node:"there",name:"since",granularity:'$granule',disabled:true}},
        {type:"block-dirty-bitmap-merge",data:{node:"there",target:"since",bitmaps:["c",{node:$below,name:"c"}]}},
        {type:"blockdev-backup",data:{"job-id":"backup",device:"there",target:"full",sync:"bitmap",
            bitmap:"since","bitmap-mode":"never"}}]}')"
    wait_for 60 no_job dest
}

start_helpers
qemu-img create -q -f qcow2 "$s1" "$disk_size"
qemu-img bitmap --add -g $granule "$s1" c
qemu-img convert -O raw "$s1" "$scratch/full.raw" # a full backup
qemu-io -c "write -P 3 $((2 * granule)) $granule" "$s1" >/dev/null
qemu-img bitmap --add -g $granule "$s1" b
qemu-io -c "write -P 4 $((5 * granule)) $((2 * granule))" "$s1" >/dev/null
qemu-img convert -O qcow2 "$s1" "$t1" # which leaves the bitmaps behind
qemu-img create -q -f qcow2 -b "$s1" -F qcow2 "$s2"
qemu-img create -q -f qcow2 -b "$t1" -F qcow2 "$t2"
qemu source -machine none
guest_disk source vda "$s2" qcow2
add_bitmap source vda c recording persistent
guest_writes source vda 10
declare -A here_before=([b]=$(digest source "$s1" b) [c]=$(digest source "$s1" c))

dest_begins
equal 'b@1 CHAIN_GAP; c@0 union; c@1 part' "$(fates)" "without the lower image's bitmaps"
plan >"$scratch/plan"
plan --json >"$scratch/plan.json"
serve=$(jq -r '.disks[0].install[0].serve' "$scratch/plan.json")
pull=$(jq -r '.disks[0].install[0].pull' "$scratch/plan.json")
equal "bitferry serve '$s1' | bitferry pull URI --into '$t1'" "$serve | $pull" "what is to be done"
grep -qF "$serve" "$scratch/plan"
grep -qF "$pull" "$scratch/plan"
move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=there)
move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" --peer "$peer" \
    --handover freeze --disk vda=vda)
order source wait --quiet --for installed --timeout 60 "${move[source]}" >/dev/null
order dest status --json "${move[dest]}" >"$scratch/status"
reason=$(jq -r '.moves[0].bitmaps[] | select(.disk=="vda, 1 below" and .bitmap=="b") | .reason.message' "$scratch/status")
case $reason in
CHAIN_GAP:*"$serve"*"$pull"*) ;;
*) die "the report does not say what is to be done: $reason" ;;
esac
order source abort --quiet "${move[source]}" >/dev/null
order dest wait --quiet --timeout 60 "${move[dest]}" >/dev/null 2>&1 || true
end_qemu dest
ok "bitmaps of a lower image that did not come with its copy: the plan and the report name the commands"

# As printed; the source's QEMU has the lower image open.
PATH=$(dirname "$BITFERRY"):$PATH
pull=${pull/URI/\"\$uri\"}
eval "$serve --run '${pull//\'/\'\\\'\'}'" >/dev/null
dest_begins
equal 'b@1 in-image; c@0 carry; c@1 in-image' "$(fates)" "with them"
equal '' "$(plan --json | jq -r '.disks[0].install[]?')" "what is to be done then"
move_disk
equal 'vda, 1 below/b native; vda, 1 below/c native; vda/c carried' "$(told dest)" "what became of each"
equal 'vda, 1 below/b native; vda, 1 below/c native; vda/c carried' "$(told source)" "says the source"
for bitmap in b c; do
    equal "${here_before[$bitmap]}" "$(digest dest "$t1" $bitmap)" "QEMU's digest of $bitmap in the lower image"
done
equal '10 20' "$(dirty_granules dest there c)" "the top image's c"
ok "a lower image whose bitmaps were put in before: each layer has its own"

restore
end_qemu dest
end_qemu source
qemu-img compare -q -f raw -F qcow2 "$scratch/full.raw" "$t2"
qemu-img compare -q -f qcow2 -F qcow2 "$s2" "$t2"
ok "a full backup and an incremental one over both layers make the disk"
