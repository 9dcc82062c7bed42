#!/bin/bash
# A whole move between two QEMUs: every kind of bitmap arrives bit by bit, and nothing else is left anywhere.
. "$(dirname "$0")/../faults/lib.sh"

# bitmap_of GRANULARITY NAME PERSISTENT: one more recording bitmap
bitmap_of() {
    qmp source block-dirty-bitmap-add \
        "{\"node\":\"vda\",\"name\":\"$2\",\"granularity\":$1,\"persistent\":$3}"
}

digests() {
    local name
    for name in old new fine coarse; do
        printf '%s %s\n' "$name" "$(digest_in "$1" "$name")"
    done
}

# states SIDE: name, recording, persistent, granularity of the users' bitmaps on the disk
states() {
    qmp "$1" query-named-block-nodes '{"flat":true}' | jq -r '.[] | select(."node-name"=="vda") |
        ."dirty-bitmaps"[]? | select(.name // "bitferry-tmp." | startswith("bitferry-tmp.") | not) |
        "\(.name) \(.recording) \(.persistent) \(.granularity)"' | sort
}

begin_pair
bitmap_of 16384 fine false
bitmap_of 1048576 coarse true
guest_writes source vda 8 9 40
begin_daemons

# The source calls before anybody expects it: its word is not lost.
start_vm
wait_for 30 in_log source 'SWEEPING -> OFFERING'
expect_vm
way_copy
equal "under-way: installed, waiting for the switchover" \
    "$(order source wait "$leaving" --for installed --timeout 30)" "wait for installed"
guest_writes source vda 6 41 1000
ok "installed while the guest writes, in either order of start and expect"

before=$(digests source) # from the migration on they may be out of QEMU
wanted=$(states source)
[ "$(grep -c . <<<"$wanted")" = 4 ] || die "of four bitmaps the source has: $wanted"
way_migrate
way_complete
order dest wait "$arriving" --for committed --timeout 30 >/dev/null
order source wait "$leaving" --for committed --timeout 30 >/dev/null
equal "$before" "$(digests dest)" "digests, by QEMU, before and after"
equal "$wanted" "$(states dest)" "states of all bitmaps"
ok "digests and states are what they were"

for side in source dest; do
    id=$arriving
    [ "$side" = dest ] || id=$leaving
    equal "committed 0 frozen,installed,committed 4" "$(order "$side" status --json "$id" | jq -r '.moves[0] |
        "\(.state) \(.exit) \(.milestones | join(",")) \([.bitmaps[] | select(.outcome=="carried")] | length)"')" \
        "what the $side tells"
    clean "$side"
    equal "" "$(pgrep -P "${daemon[$side]}" || true)" "children of bitferry-$side"
done
equal "" "$(states source)" "bitmaps left at the source"
no_carriers || die "carriers are left: $(ls -R "$scratch/carriers")"
ok "nothing else is left"

for side in source dest; do
    in_log "$side" "^[0-9:]{8}\.[0-9]{6} bitferry-$side: move [0-9a-f]{32}: QEMU: transaction: [0-9]+\.[0-9]{3} ms\$" ||
        die "no times: $(tail -n 5 "$scratch/$side.log")"
done
ok "at log_level = debug the log is a timeline, of QEMU's commands too"

guest_writes dest vda 50
end_qemu dest
equal "stored: 5 6 8 9 40 41 50 1000" "$(stored_granules "$image_dest" new)" "the image after a clean end"
equal "stored: 1 2 3" "$(stored_granules "$image_dest" old)" "the frozen one"
equal "" "$(stored_granules "$image_dest" fine)" "the transient one"
ok "what was persistent is stored by the destination's QEMU, with what was written since"

for side in source dest; do
    kill "${daemon[$side]}"
    status=0
    wait "${daemon[$side]}" || status=$?
    equal 0 "$status" "exit of bitferry-$side: $(tail -n 5 "$scratch/$side.log")"
done
ok "both daemons end in peace"
