#!/usr/bin/env bash
# QEMU's own transfer of bitmaps, set up by bitferry: what is said of it before, and what is mended after it
# has failed.
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

# begin_pair BITMAP...: the source's bitmaps; $granule each but for "huge", which has far too many bits
begin_pair() {
    local side bitmap
    for side in source dest; do
        qemu-img create -q -f qcow2 "$scratch/$side.qcow2" "$disk_size"
    done
    qemu source -machine none
    guest_disk source vda "$scratch/source.qcow2" qcow2
    qemu dest -machine none -incoming defer
    plain_disk dest there "$scratch/dest.qcow2" qcow2
    for bitmap; do
        add_bitmap source vda "$bitmap" recording persistent
    done
    guest_writes source guest-vda 10 11
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
}

# begin_move OPTION...: until everything is at the destination
begin_move() {
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=there)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --disk vda=vda --mode vda=stream "$@")
    order source wait --quiet --for installed --timeout 60 "${move[source]}"
}

migrate_until_pause() {
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
}

cancel() {
    qmp source migrate_cancel
    wait_for 60 is cancelled migration source
    order source wait --quiet --for committed --timeout 60 "${move[source]}" >/dev/null 2>&1 || true
    wait_for 60 is running run_state source
    guest_writes source guest-vda 30
}

end_pair() {
    local role
    end_qemu source
    kill -KILL "${qemu_pid[dest]}" 2>/dev/null || true # it may have ended by itself
    wait "${qemu_pid[dest]}" 2>/dev/null || true
    unset "qemu_pid[dest]"
    for role in source dest; do
        order $role abort --timeout 20 "${move[$role]}" >/dev/null 2>&1 || true
        rm -f "$scratch/$role.pipe.in" "$scratch/$role.pipe.out"
    done
}

warnings() {
    order source status --json "${move[source]}" | jq -r '.moves[0].warnings[]'
}

mapped() {
    qmp "$1" query-migrate-parameters |
        jq -r '."block-bitmap-mapping"[] | "\(."node-name") \(.alias) \([.bitmaps[].name] | sort | join(","))"'
}

begin_pair one two
begin_move
equal 'vda vda one,two' "$(mapped source)" "the source's mapping"
equal 'there vda one,two' "$(mapped dest)" "the destination's"
migrate_until_pause
cancel
warnings | grep -q '^made anew after the failed migration'
equal 2 "$(order source status --json "${move[source]}" | jq '[.moves[0].bitmaps[] | select(.note)] | length')" \
    "bitmaps with a note that they were mended"
equal false "$(qmp source query-migrate-capabilities | jq '.[] | select(.capability=="dirty-bitmaps") | .state')" \
    "the capability at the source, afterwards"
check_leftovers
end_pair
for name in one two; do
    equal 'stored: 10 11 30' "$(stored_granules "$scratch/source.qcow2" $name)" "$name, as stored in the end"
done
ok "bitmaps are made anew after a cancelled migration, and stored"

begin_pair one
begin_move --no-repair
migrate_until_pause
cancel
warnings | grep -q '^not mended, as asked'
end_pair
equal '' "$(stored_granules "$scratch/source.qcow2" one)" "what QEMU stores if nothing is done"
ok "--no-repair only says so"

begin_pair one
add_bitmap source vda huge recording persistent
qmp source migrate-set-parameters '{"downtime-limit":1}'
qmp source block-dirty-bitmap-remove '{"node":"vda","name":"huge"}'
qmp source block-dirty-bitmap-add '{"node":"vda","name":"huge","granularity":512,"persistent":true}'
begin_move
warnings | grep -qE 'will not end by itself|while the guest is idle'
warnings | grep -qE "QEMU's limit is 1 ms; set downtime-limit to [0-9]+ ms"
end_pair
ok "a downtime limit that will not be met is told before"

begin_pair one
end_qemu source # which stores it
rm "$scratch/source.pipe.in" "$scratch/source.pipe.out"
qemu source -machine none
guest_disk source vda "$scratch/source.qcow2" qcow2
guest_writes source guest-vda 12
end_qemu source KILL # which leaves it inconsistent
rm "$scratch/source.pipe.in" "$scratch/source.pipe.out"
qemu source -machine none
guest_disk source vda "$scratch/source.qcow2" qcow2
add_bitmap source vda good recording persistent
guest_writes source guest-vda 10 11
begin_move
equal null "$(qmp source query-migrate-parameters | jq -c '."block-bitmap-mapping"')" \
    "a mapping with an inconsistent bitmap on its node"
migrate_until_pause
order source wait --quiet --for frozen --timeout 60 "${move[source]}"
qmp source migrate-continue '{"state":"pre-switchover"}'
wait_for 60 is completed migration source
wait_for 60 is running run_state dest
order dest wait --quiet --for committed --timeout 60 "${move[dest]}" >/dev/null 2>&1 || true
equal 'good carried' "$(order dest status --json "${move[dest]}" |
    jq -r '.moves[0].bitmaps[] | select(.outcome=="carried") | "\(.bitmap) \(.outcome)"')" "what was carried"
equal '10 11' "$(dirty_granules dest there good)" "the good one"
end_pair
ok "beside an inconsistent bitmap, which would fail QEMU's transfer, bitferry carries the others"

# Somebody sets the capability when all is under way, and no mapping: then QEMU sends every bitmap that it sees,
# by the names of nodes and block backends.
begin_pair one
qmp dest blockdev-del '{"node-name":"there"}'
plain_disk dest guest-vda "$scratch/dest.qcow2" qcow2
move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=guest-vda)
move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
    --peer "$peer" --disk vda=vda --handover freeze)
order source wait --quiet --for installed --timeout 60 "${move[source]}"
capabilities source dirty-bitmaps
capabilities dest dirty-bitmaps
migrate_until_pause
order source wait --quiet --for frozen --timeout 20 "${move[source]}" >/dev/null 2>&1 || true
qmp source migrate-continue '{"state":"pre-switchover"}'
wait_for 60 migration_ended source
equal completed "$(migration source)" "a migration in which QEMU sends our temporaries too"
wait_for 60 is running run_state dest
for role in source dest; do
    order $role wait --quiet --for committed --timeout 60 "${move[$role]}" >/dev/null 2>&1 || true
done
case $(order dest status --json "${move[dest]}" | jq -r '.moves[0].bitmaps[0].outcome'),$(dirty_granules dest guest-vda one 2>/dev/null || true) in
carried,'10 11' | native,'10 11' | dropped,) ;;
*) die "what is told is not what is there: $(order dest status --json "${move[dest]}")" ;;
esac
check_leftovers
end_pair
ok "a transfer of QEMU's that somebody sets up late does not fail with our temporaries"
