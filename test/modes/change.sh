#!/usr/bin/env bash
# Disks that change while a move is under way: unplugged, plugged, swapped, resized.  Whatever happens, what
# is told is what is there, and no bitmap misses a block.
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

# begin_pair: vda and vdb, of a guest whose data are copied by others (--handover freeze)
begin_pair() {
    local disk
    nr=$((nr + 1))
    folder=$scratch/$nr
    mkdir "$folder"
    rm -f "$scratch"/{source,dest}.pipe.{in,out} "$scratch/ram"
    for disk in vda vdb; do
        qemu-img create -q -f qcow2 "$folder/$disk" "$disk_size"
        qemu-img create -q -f qcow2 "$folder/$disk.copy" "$disk_size"
    done
    qemu source -machine none
    qemu dest -machine none -incoming defer
    for disk in vda vdb; do
        guest_disk source $disk "$folder/$disk" qcow2
        plain_disk dest to-$disk "$folder/$disk.copy" qcow2
        add_bitmap source $disk c recording persistent
        guest_writes source guest-$disk 10 11
    done
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
}

# begin_move [OPTION...]: until all bits are at the destination
begin_move() {
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" \
        --disk vda=to-vda --disk vdb=to-vdb)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --handover freeze "$@")
    order source wait --quiet --for installed --timeout 60 "${move[source]}"
}

both=(--disk vda=vda --disk vdb=vdb)

end_pair() {
    check_leftovers
    end_qemu source
    end_qemu dest
}

unplug() {
    hmp source "drive_del guest-$1" >/dev/null
    wait_for 10 is '' node_of source "$1"
}

node_of() {
    qmp "$1" query-named-block-nodes '{"flat":true}' | jq -r --arg node "$2" '.[] | select(."node-name"==$node) | ."node-name"'
}

begin_pair
begin_move "${both[@]}"
unplug vdb
guest_writes source guest-vda 20
migrate_and_end
equal 'carried' "$(said dest vda)" "the disk that stayed"
equal '10 11 20' "$(dirty_granules dest to-vda c)" "its bitmap"
case $(said dest vdb) in
'dropped BITMAP_VANISHED' | 'dropped SERVE_FAILED') ;;
*) die "a disk that was unplugged: $(said dest vdb)" ;;
esac
equal '' "$(bitmap dest to-vdb c)" "its bitmap"
end_pair
ok "an unplugged disk's bitmap is dropped by name, the others go on"

begin_pair
begin_move "${both[@]}"
unplug vdb
qemu-img create -q -f qcow2 "$folder/other" "$disk_size"
guest_disk source vdb "$folder/other" qcow2
add_bitmap source vdb c recording persistent
guest_writes source guest-vdb 1 2 3
migrate_and_end
case $(said dest vdb) in
dropped\ *) ;;
*) die "a disk that was swapped: $(said dest vdb)" ;;
esac
equal '' "$(bitmap dest to-vdb c)" "the bitmap of a disk that was swapped"
equal '10 11' "$(dirty_granules dest to-vda c)" "the bitmap of the one that was not"
end_pair
ok "a disk that was swapped for one of equal size, name and bitmap is noticed"

begin_pair
begin_move "${both[@]}"
qmp dest blockdev-del '{"node-name":"to-vdb"}' # with what was loaded into it
plain_disk dest to-vdb "$folder/vdb.copy" qcow2
migrate_and_end
case $(said dest vdb) in
'dropped SNAPSHOT_LOST' | 'dropped TRACKER_REFUSED' | 'dropped DELTA_LOST') ;;
*) die "a node that was made anew at the destination: $(said dest vdb)" ;;
esac
equal '' "$(bitmap dest to-vdb c)" "the bitmap on a node that was made anew"
end_pair
ok "a node that was made anew at the destination has lost what was loaded, and that is told"

begin_pair
begin_move "${both[@]}"
qmp source block_resize "{\"node-name\":\"vdb\",\"size\":$((disk_size * 2))}"
guest_writes source guest-vdb 20 1500
migrate_and_end
equal 'dropped DISK_RESIZED' "$(said dest vdb)" "a disk that was resized"
equal '' "$(bitmap dest to-vdb c)" "its bitmap"
equal 'carried' "$(said dest vda)" "the disk that was not"
end_pair
ok "a disk that was resized meanwhile is dropped by name"

begin_pair
begin_move # all disks that there are
qemu-img create -q -f qcow2 "$folder/vdc" "$disk_size"
guest_disk source vdc "$folder/vdc" qcow2
add_bitmap source vdc c recording persistent
migrate_and_end
equal 'dropped BITMAP_APPEARED' "$(said source guest-vdc)" "a disk that was plugged in"
end_pair
ok "a disk that was plugged in meanwhile is told, with its bitmaps"
