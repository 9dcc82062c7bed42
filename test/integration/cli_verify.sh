#!/bin/bash
# verify: equal, superset and missing, between any two kinds of targets.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

a=$scratch/a.qcow2
b=$scratch/b.qcow2
dirty_image "$a" 64M monday 64k 0 1M 8M 64k
cp "$a" "$b"

equal equal "$(field '.bitmaps[0].result' "$BITFERRY" verify --json "$a" "$b")" "copy"
qemu-io -c 'write 32M 1M' "$b" >/dev/null
equal "superset true 0 1048576" "$(field '"\(.bitmaps[0].result) \(.covered) \(.bitmaps[0].missing_bytes) \(.bitmaps[0].extra_bytes)"' \
    "$BITFERRY" verify --json "$a" "$b")" "written after"
"$BITFERRY" verify "$a" "$b" | grep -qE '^a +monday +superset +0 B +1 MiB$' || die "row of a superset"
fails_with 14 '^a? ?.*monday +missing +1 MiB +0 B' "$BITFERRY" verify "$b" "$a"
fails_with 14 'not covered: 1 MiB at byte 33554432' "$BITFERRY" verify "$b" "$a"
equal '[{"offset_bytes":33554432,"length_bytes":1048576}]' \
    "$( ("$BITFERRY" verify --json "$b" "$a" || true) | jq -c '.bitmaps[0].missing')" "missing ranges"
equal 14 "$("$BITFERRY" verify --json "$b" "$a" >/dev/null && echo 0 || echo $?)" "exit status with --json"
ok "image against image"

"$BITFERRY" archive "$a" --to "$scratch/archive" >/dev/null
mkdir "$scratch/folder"
cp "$scratch/archive/a.carrier.qcow2" "$scratch/folder/"
serve_bitmaps "$a" --name other
targets=("$a" "$scratch/archive" "$scratch/folder" "$scratch/folder/a.carrier.qcow2" "$uri" "${uri/\/\/\//\/\/\/other\/monday}")
for left in "${targets[@]}"; do
    for right in "${targets[@]}"; do
        equal equal "$(field '.bitmaps[0].result' "$BITFERRY" verify --json "$left" "$right")" "$left, $right"
    done
    equal superset "$(field '.bitmaps[0].result' "$BITFERRY" verify --json "$left" "$b")" "$left, $b"
    fails_with 14 missing "$BITFERRY" verify "$b" "$left"
done
stop_serving
clean_temp
ok "any target against any other"

# Every second granule: more ranges than are shown.
commands=()
for ((i = 0; i < 40; i++)); do
    commands+=(-c "write $((40 * 1024 + i * 128))k 64k")
done
qemu-io "${commands[@]}" "$b" >/dev/null
status=0
"$BITFERRY" verify "$b" "$a" >"$scratch/said" || status=$?
equal 14 "$status" "exit status"
equal 10 "$(grep -c 'not covered' "$scratch/said")" "ranges shown"
grep -q 'and 31 more ranges' "$scratch/said" || die "count: $(cat "$scratch/said")"
equal "41 41" "$( ("$BITFERRY" verify --json "$b" "$a" || true) |
    jq -r '.bitmaps[0] | "\(.nr_missing_ranges) \(.missing | length)"')" "ranges in JSON"
ok "ranges are counted, and not all shown"

qemu-img bitmap --add "$a" tuesday
fails_with 3 "tuesday +absent" "$BITFERRY" verify "$a" "$b"
fails_with 4 "tuesday +absent" "$BITFERRY" verify "$a" "$b" --bitmap tuesday
fails_with 4 "no bitmap 'friday'" "$BITFERRY" verify "$a" "$b" --bitmap friday
"$BITFERRY" verify "$a" "$b" --bitmap tuesday --as monday | grep -q 'tuesday *superset' || die "--as"
fails_with 2 "choose with --bitmap" "$BITFERRY" verify "$a" "$b" --as monday
fails_with 4 "no such disk" "$BITFERRY" verify "$a" "$b" --as-disk sda
qemu-img create -q -f qcow2 "$scratch/none.qcow2" 64M
fails_with 4 "no bitmap to compare" "$BITFERRY" verify "$scratch/none.qcow2" "$b"
fails_with 3 "absent" "$BITFERRY" verify "$a" "$b"
ok "names, and bitmaps that are not there"

# Another granularity covers the same and more; the other way round something is missing.
coarse=$scratch/coarse.qcow2
dirty_image "$coarse" 64M monday 1M 0 1M 8M 64k
equal "superset $((1048576 - 65536))" "$(field '"\(.bitmaps[0].result) \(.bitmaps[0].extra_bytes)"' \
    "$BITFERRY" verify --json "$a" "$coarse" --bitmap monday)" "coarser"
fails_with 14 "960 KiB at byte 8454144" "$BITFERRY" verify "$coarse" "$a"
ok "granularities may differ"

inconsistent "$b"
fails_with 4 "unusable|inconsistent" "$BITFERRY" verify "$a" "$b" --bitmap monday
fails_with 4 "in the reference" "$BITFERRY" verify "$b" "$a" --bitmap monday
ok "an inconsistent bitmap proves nothing"
