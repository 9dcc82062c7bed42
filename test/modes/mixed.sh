#!/usr/bin/env bash
# A VM with one shared, one mirrored and one stream-carried disk: planned, moved, and what came of it.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
export by=bitferry
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

disks=(vda vdb vdc) # shared, mirrored, stream
declare -A image=([vda]=$scratch/shared.qcow2 [vdb]=$scratch/b.qcow2 [vdc]=$scratch/c.qcow2)
declare -A copy=([vda]=$scratch/shared.qcow2 [vdb]=$scratch/b-copy.qcow2 [vdc]=$scratch/c-copy.qcow2)

each_write() {
    local side=$1 at=$2 disk
    for disk in "${disks[@]}"; do
        if [ "$side" = source ]; then
            guest_writes source "guest-$disk" "$at"
        else
            guest_writes dest "to-$disk" "$at"
        fi
    done
}

begin() {
    local disk
    for disk in "${disks[@]}"; do
        qemu-img create -q -f qcow2 "${image[$disk]}" "$disk_size"
        [ "${image[$disk]}" = "${copy[$disk]}" ] ||
            qemu-img create -q -f qcow2 "${copy[$disk]}" "$disk_size"
    done
    qemu source -machine none
    qemu dest -machine none -incoming defer
    for disk in "${disks[@]}"; do
        guest_disk source "$disk" "${image[$disk]}" qcow2
        plain_disk dest "to-$disk" "${copy[$disk]}" qcow2
        add_bitmap source "$disk" records recording persistent
        add_bitmap source "$disk" frozen recording persistent
        add_bitmap source "$disk" passing recording transient
        guest_writes source "guest-$disk" 10 11
        qmp source block-dirty-bitmap-disable "{\"node\":\"$disk\",\"name\":\"frozen\"}"
        guest_writes source "guest-$disk" 20
    done
}

# begin_copy DISK: a mirror of its data
begin_copy() {
    qmp dest block-export-add "{\"type\":\"nbd\",\"id\":\"$1\",\"node-name\":\"to-$1\",\"name\":\"$1\",\"writable\":true}"
    qmp source blockdev-add "$(jq -nc --arg path "$scratch/dest.nbd" --arg disk "$1" '{driver:"nbd",
        "node-name":("peer-"+$disk),export:$disk,server:{type:"unix",path:$path}}')"
    qmp source blockdev-mirror "{\"job-id\":\"copy-$1\",\"device\":\"$1\",\"target\":\"peer-$1\",\"sync\":\"full\"}"
    wait_for 60 job_ready source "copy-$1"
}

end_copy() {
    qmp source block-job-cancel "{\"device\":\"copy-$1\"}"
}

disks_here=(--disk vda=vda --disk vdb=vdb --disk vdc=vdc)
disks_there=(--disk vda=to-vda --disk vdb=to-vdb --disk vdc=to-vdc)
plan() {
    "$BITFERRY" plan --qmp "$scratch/source.qmp" --dest-qmp "$scratch/dest.qmp" --mode vdc=stream \
        "${disks_here[@]}" "${disks_there[@]/#--disk/--dest-disk}" "$@"
}

begin
qmp dest nbd-server-start "$(jq -nc --arg path "$scratch/dest.nbd" '{addr:{type:"unix",data:{path:$path}}}')"
begin_copy vdb
begin_copy vdc
qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"

plan --json >"$scratch/plan"
equal 'vda shared' "$(jq -r '.disks[0] | "\(.disk) \(.mode)"' "$scratch/plan")" "plan of the shared disk"
equal 'vdb nbd' "$(jq -r '.disks[1] | "\(.disk) \(.mode)"' "$scratch/plan")" "plan of the mirrored disk"
equal 'vdc stream true' "$(jq -r '.disks[2] | "\(.disk) \(.mode) \(.contradicted)"' "$scratch/plan")" \
    "plan of the disk in the stream, asked for beside a mirror"
equal freeze "$(jq -r .handover "$scratch/plan")" "how the last writes travel"
plan >"$scratch/plan.text" 2>"$scratch/plan.notes"
grep -q '^vda: shared, because both QEMUs have the same image open$' "$scratch/plan.text"
grep -qE '^  passing +vda +recording, transient +carry +' "$scratch/plan.text"
grep -q 'pause-before-switchover), which is not set yet' "$scratch/plan.notes"
before=$(qmp source query-named-block-nodes | jq -S 'map(."dirty-bitmaps")')
plan >/dev/null 2>&1
equal "$before" "$(qmp source query-named-block-nodes | jq -S 'map(."dirty-bitmaps")')" "bitmaps after planning"
status=0
plan --no-pause --json >"$scratch/no-pause" || status=$?
equal '3 NO_PAUSE' "$status $(jq -r '.disks[0].bitmaps[] | select(.bitmap=="passing") | .reason' "$scratch/no-pause")" \
    "a transient bitmap of a shared disk, without a pause"
ok "the plan says what each disk does, and changes nothing"

"$BITFERRY" facts --qmp "$scratch/source.qmp" "${disks_here[@]}" >"$scratch/source.facts"
"$BITFERRY" facts --qmp "$scratch/dest.qmp" "${disks_there[@]}" >"$scratch/dest.facts"
"$BITFERRY" plan --facts "$scratch/source.facts" --dest-facts - --mode vdc=stream --json \
    <"$scratch/dest.facts" >"$scratch/plan.again"
equal "$(jq -S . "$scratch/plan")" "$(jq -S . "$scratch/plan.again")" "plan from what was gathered before"
fails_with 2 "no disk 'vdx'" "$BITFERRY" plan --facts "$scratch/source.facts" --dest-facts "$scratch/dest.facts" --mode vdx=nbd
fails_with 2 "not 'tape'" "$BITFERRY" plan --facts "$scratch/source.facts" --dest-facts "$scratch/dest.facts" --mode vda=tape
fails_with 2 "give --dest-qmp or --dest-facts" "$BITFERRY" plan --facts "$scratch/source.facts"
fails_with 1 "not the facts of a VM" "$BITFERRY" plan --facts "$scratch/plan" --dest-facts "$scratch/dest.facts"
ok "facts gathered on each host give the same plan"

start_helpers
slip=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
    --peer "$peer" "${disks_here[@]}" --mode vdx=nbd)
fails_with 1 "disk 'vdx', which the machine has not" order source wait --timeout 30 "$slip"
fails_with 1 "not 'tape'" order source start --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
    --peer "$peer" "${disks_here[@]}" --mode vda=tape
ok "a slip in a wish is told"

move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" \
    "${disks_there[@]}")
move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
    --peer "$peer" "${disks_here[@]}" --mode vdc=stream)
order source wait --quiet --for installed --timeout 60 "${move[source]}"
for role in source dest; do
    equal 'vda shared,vdb nbd,vdc stream' "$(order $role status --json "${move[$role]}" |
        jq -r '[.moves[0].how[] | "\(.disk) \(.mode)"] | join(",")')" "how the disks go, says the $role"
done
order source status "${move[source]}" >"$scratch/status"
grep -qx '  vda: shared, because both QEMUs have the same image open' "$scratch/status"
each_write source 30
capabilities source pause-before-switchover
qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
wait_for 60 is pre-switchover migration source
order source wait --quiet --for frozen --timeout 60 "${move[source]}"
end_copy vdb
end_copy vdc
wait_for 60 no_job source
for disk in vdb vdc; do
    qmp source blockdev-del "{\"node-name\":\"peer-$disk\"}"
    qmp dest block-export-del "{\"id\":\"$disk\",\"mode\":\"hard\"}"
done
qmp source migrate-continue '{"state":"pre-switchover"}'
wait_for 60 is completed migration source
wait_for 60 is running run_state dest
each_write dest 40
for role in source dest; do
    order $role wait --quiet --for committed --timeout 60 "${move[$role]}"
done

# outcome ROLE DISK BITMAP
outcome() {
    order "$1" status --json "${move[$1]}" | jq -r --arg disk "$2" --arg bitmap "$3" \
        '.moves[0].bitmaps[] | select(.disk==$disk and .bitmap==$bitmap) | .outcome'
}

for role in source dest; do
    for bitmap in records frozen; do
        equal native "$(outcome $role vda $bitmap)" "$bitmap of the shared disk, says the $role"
        equal carried "$(outcome $role vdb $bitmap)" "$bitmap of the mirrored disk, says the $role"
        equal native "$(outcome $role vdc $bitmap)" "$bitmap of the disk in the stream, says the $role"
    done
    equal 'carried carried native' "$(for disk in "${disks[@]}"; do outcome $role "$disk" passing; done | paste -sd ' ')" \
        "transient bitmaps, says the $role"
done
for disk in "${disks[@]}"; do
    equal '10 11 20 30 40' "$(dirty_granules dest "to-$disk" records)" "recording bitmap of $disk"
    equal '10 11' "$(dirty_granules dest "to-$disk" frozen)" "frozen bitmap of $disk"
    equal '10 11 20 30 40' "$(dirty_granules dest "to-$disk" passing)" "transient bitmap of $disk"
done
check_leftovers
equal false "$(qmp dest query-migrate-capabilities | jq '.[] | select(.capability=="dirty-bitmaps") | .state')" \
    "the capability at the destination, afterwards"
end_qemu source
end_qemu dest
for disk in "${disks[@]}"; do
    equal 'stored: 10 11 20 30 40' "$(stored_granules "${copy[$disk]}" records)" "stored bitmap of $disk"
done
equal 0 "$(qemu-img info --output=json "${image[vdb]}" | jq '[."format-specific".data.bitmaps[]?] | length')" \
    "copies that are left in the source's image"
ok "three disks in three modes go in one move"
