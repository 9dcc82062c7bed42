#!/usr/bin/env bash
# Disks of a guest that are told apart by what it sees as their serials: called and ordered differently on
# both sides they are found, and one that only has the name of another is not taken for it.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
export by=bitferry
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

# side SIDE DISK... -- [OPTION...]: a QEMU with these disks, each NAME=NODE=SERIAL@SLOT, in this order
side() {
    local side=$1 disk node devices=()
    shift
    while [ "$1" != -- ]; do
        disk=$1 node=${1#*=}
        node=${node%%=*}
        qemu-img create -q -f qcow2 "$scratch/$nr.$side.$node" "$disk_size"
        devices+=(-blockdev "driver=qcow2,node-name=$node,file.driver=file,file.filename=$scratch/$nr.$side.$node"
            -device "virtio-blk-pci,id=${disk%%=*},drive=$node,serial=$(serial_of "$disk"),addr=${disk#*@}")
        backend[$side.$node]="-d /machine/peripheral/${disk%%=*}/virtio-backend"
        shift
    done
    qemu "$side" -machine pc -m 16 "${devices[@]}" "${@:2}"
}

serial_of() {
    local serial=${1##*=}
    printf '%s' "${serial%@*}"
}

nr=0
# begin_pair DISK...: the destination's; the source has vda and vdb
begin_pair() {
    nr=$((nr + 1))
    rm -f "$scratch"/{source,dest}.pipe.{in,out} "$scratch/ram"
    side source vda=first=ONE@4 vdb=second=TWO@5 --
    side dest "$@" -- -incoming defer
    add_bitmap source first c recording persistent
    add_bitmap source second c recording persistent
    guest_writes source first 10 11
    guest_writes source second 20
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
}

# begin_move: of all disks that there are
begin_move() {
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp")
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --handover freeze)
    order source wait --quiet --for installed --timeout 60 "${move[source]}"
}

end_pair() {
    check_leftovers
    end_qemu source
    end_qemu dest
}

# planned [OPTION...]: "vda>vdb c:carry; ..."
planned() {
    "$BITFERRY" plan --json --qmp "$scratch/source.qmp" --dest-qmp "$scratch/dest.qmp" "$@" >"$scratch/plan" || true
    jq -r '[.disks[] | "\(.disk)>\(.partner // "-") \(.bitmaps[0] | .reason // .fate)"] | join("; ")' "$scratch/plan"
}

start_helpers

begin_pair vda=x=TWO@5 vdb=y=ONE@4
equal 'vda ONE vdb TWO' "$("$BITFERRY" facts --qmp "$scratch/source.qmp" |
    jq -r '[.disks[] | .name, .serial] | join(" ")')" "serials of the source"
equal 'vda>vdb carry; vdb>vda carry' "$(planned)" "the plan"
begin_move
migrate_and_end
for role in source dest; do
    equal 'carried carried' "$(said $role vda) $(said $role vdb)" "says the $role"
done
equal '10 11' "$(dirty_granules dest y c)" "the disk ONE"
equal '20' "$(dirty_granules dest x c)" "the disk TWO"
end_pair
ok "disks with other names in another order are found by their serials"

begin_pair vda=x=ONE@4 vdb=y=THREE@5
equal 'vda>vda carry; vdb>- DISK_MISMATCH' "$(planned)" "the plan"
equal 'vda>vda carry; vdb>- DISK_MISMATCH' "$(planned --dest-disk vda=x --dest-disk vdb=y)" \
    "the plan where a person names what is not the disk"
begin_move
migrate_and_end
for role in source dest; do
    equal 'carried' "$(said $role vda)" "the $role of the disk that is there"
    equal 'dropped DISK_MISMATCH' "$(said $role vdb)" "the $role of the one that was swapped"
done
equal '10 11' "$(dirty_granules dest x c)" "the bitmap of the disk that is there"
equal '' "$(bitmap dest y c)" "a bitmap on the one that was swapped"
end_pair
ok "a disk that was swapped with one of equal size and another serial gets no bitmap"
