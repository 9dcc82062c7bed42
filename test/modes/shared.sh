#!/usr/bin/env bash
# An image that both hosts have open: whatever becomes of the source's daemon, and whatever was asked of it, it
# never touches that image once the guest has left.  And what the destination's QEMU did not load as it should
# have is told of each bitmap.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
export by=bitferry
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

nr=0
begin_pair() {
    nr=$((nr + 1))
    image=$scratch/$nr.qcow2
    rm -f "$scratch"/{source,dest}.pipe.{in,out} "$scratch/ram"
    qemu-img create -q -f qcow2 "$image" "$disk_size"
    [ -z "${before:-}" ] || "$before"
    qemu source -machine none
    qemu dest -machine none -incoming defer
    # without QEMU's locks, as on many a network: nothing but ourselves holds us back
    equal '"OK\r\n"' "$(hmp source "drive_add 0 if=none,id=guest-vda,node-name=vda,format=qcow2,file.driver=file,file.filename=$image,file.locking=off")" "drive_add"
    qmp dest blockdev-add "$(jq -nc --arg image "$image" --argjson locked "${read_only:-false}" '{driver:"qcow2",
        "node-name":"there","read-only":$locked,file:{driver:"file",filename:$image,locking:"off"}}')"
    add_bitmap source vda c recording persistent
    guest_writes source guest-vda 10 11
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
}

begin_move() {
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=there)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --disk vda=vda "$@")
    order source wait --quiet --for installed --timeout 60 "${move[source]}"
}

migrate_to_pause() {
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
    order source wait --quiet --for frozen --timeout 60 "${move[source]}"
}

migrate_to_end() {
    migrate_on
    guest_writes dest there 20
}

migrate_on() {
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is completed migration source
    wait_for 60 is running run_state dest
}

outcome() {
    order "$1" status --json "${move[$1]}" | jq -r '.moves[0].bitmaps[0].outcome'
}

# end_pair GRANULES: the source's QEMU ends first
end_pair() {
    check_leftovers
    end_qemu source
    equal "$1" "$(dirty_granules dest there c)" "the bitmap when the source's QEMU is gone"
    end_qemu dest
    equal "stored: $1" "$(stored_granules "$image" c)" "the bitmap in the image"
    qemu-img check -q "$image"
}

BITFERRY_FAIL_POINT=source.committed:kill start_helpers
begin_pair
begin_move
migrate_to_pause
migrate_to_end
status=0
wait "${helper[source]}" || status=$?
equal 137 "$status" "end of the daemon that was to be killed"
mv "$scratch/source/log" "$scratch/source/log.killed"
run_child "$BF_BUILD/bitferry-source" --config "$scratch/source/conf" 2>>"$scratch/source/log"
helper[source]=$child
wait_for 30 grep -q 'ready at' "$scratch/source/log"
for role in source dest; do
    order $role wait --quiet --for committed --timeout 60 "${move[$role]}"
    equal native "$(outcome $role)" "says the $role"
done
equal c "$(qemu-img info -U --output=json "$image" | jq -r '[."format-specific".data.bitmaps[]?.name] | join(" ")')" \
    "bitmaps in the image, which the destination has open"
end_pair '10 11 20'
ok "a daemon that was killed when all was committed leaves the shared image alone"

begin_pair
begin_move --mode vda=nbd --handover freeze # against what is found
order dest status --json "${move[dest]}" | jq -e 'any(.moves[0].warnings[]; test("against what is found"))' >/dev/null
migrate_to_pause
migrate_to_end
for role in source dest; do
    order $role wait --quiet --for committed --timeout 60 "${move[$role]}"
done
equal carried "$(outcome dest)" "a shared image that goes by another mode, as asked"
end_pair '10 11 20'
ok "a wrong wish does not make the source touch the shared image"

# --- bitmaps that are not as they should be at the destination ---

# One that was not stored properly, as behind a crash.
leave_inconsistent() {
    qemu-img bitmap --add -g $granule "$image" torn
    (ulimit -c 0 && qemu-io -f qcow2 -c "write -q 0 $granule" -c abort "$image") >/dev/null 2>&1 || true
}

# switch_over_unseen: the guest runs with other bitmaps than were there before bitferry-dest looks
# and one of them is in use
switch_over_unseen() {
    kill -STOP "${helper[dest]}"
    migrate_to_end
    qmp dest nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$scratch/in-use.nbd\"}}}"
    qmp dest block-export-add '{"type":"nbd","id":"in-use","node-name":"there","bitmaps":[{"node":"there","name":"c"}]}'
    qmp dest block-dirty-bitmap-remove '{"node":"there","name":"gone"}'
    qmp dest block-dirty-bitmap-clear '{"node":"there","name":"cleared"}'
    kill -CONT "${helper[dest]}"
}

# told SIDE: "BITMAP OUTCOME [REASON]; ..."
told() {
    order "$1" status --json "${move[$1]}" | jq -r '[.moves[0].bitmaps[] |
        "\(.bitmap) \(.outcome) \(.reason.message // "" | sub(":.*"; ""))" | sub(" $"; "")] | sort | join("; ")'
}

before=leave_inconsistent begin_pair
for name in gone cleared; do
    add_bitmap source vda $name recording persistent
done
guest_writes source guest-vda 12
begin_move
migrate_to_pause
switch_over_unseen
warned() {
    order dest status --json "${move[dest]}" |
        jq -e ".moves[0].warnings[] | select(test(\"waits until nobody uses a bitmap here.*'c'\"))" >/dev/null
}
wait_for 30 warned
qmp dest block-export-del '{"id":"in-use"}'
qmp dest nbd-server-stop
for role in source dest; do
    order $role wait --quiet --for committed --timeout 60 "${move[$role]}" >/dev/null 2>&1 || true
    equal 'c native; cleared carried; gone carried; torn dropped BITMAP_INCONSISTENT' "$(told $role)" "says the $role"
done
equal '12 20 / 12 20' "$(dirty_granules dest there gone) / $(dirty_granules dest there cleared)" \
    "bitmaps that the destination's QEMU had not"
equal '' "$(bitmap dest there torn)" "an inconsistent bitmap, which was dropped"
end_pair '10 11 12 20'
equal 'stored: 12 20' "$(stored_granules "$image" gone)" "in the image, of what the destination's QEMU had not"
ok "each bitmap that the destination did not load as it should have is told by name, or made good"

# --- an image that the destination opens read-only: its bitmaps can be neither changed nor removed ---

read_only=true before=leave_inconsistent begin_pair
begin_move
migrate_to_pause
migrate_on
for role in source dest; do
    order $role wait --quiet --for committed --timeout 60 "${move[$role]}" >/dev/null 2>&1 || true
    equal 'c native; torn dropped BITMAP_INCONSISTENT' "$(told $role)" "says the $role, of a read-only image"
done
order dest status --json "${move[dest]}" |
    jq -e '.moves[0].warnings[] | select(test("torn. stays on vda here.*read-only"))' >/dev/null ||
    die "nobody says what stays"
end_pair '10 11'
ok "bitmaps in an image that is read-only at the destination are proven as they are; what cannot be removed is told"
