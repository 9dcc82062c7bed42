#!/usr/bin/env bash
# The live bench does not rot: one small round gives every figure.  How large they are is asserted nowhere.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"

bash "$BF_SOURCE/test/bench/live.sh" --quick --data 16 --ways none,bitferry,native-postcopy --json >"$scratch/summary.json"
jq -e '.cases | length == 2' "$scratch/summary.json" >/dev/null || die "not both links"
jq -e 'all(.cases[]; all(.rows[]; .arrived == 1 and .downtime_ms >= 0 and .pause_ms > 0 and .migration_ms > 0 and
    .mirror_ms > 0 and .total_ms > .mirror_ms))' \
    "$scratch/summary.json" >/dev/null || die "moves without figures: $(cat "$scratch/summary.json")"
jq -e 'all(.cases[].rows[] | select(.way == "bitferry"); .waited_ms > 0 and .told_ms > 0 and
    all(.guest, .copying; .gap_ms == null or .gap_ms >= .longest_ms) and # none where the guest does not survive (live/move.sh)
    .source_kib > 0 and .dest_kib > 0 and .server_kib > 0)' "$scratch/summary.json" >/dev/null ||
    die "bitferry's figures are not there: $(cat "$scratch/summary.json")"
jq -e 'all(.cases[] | select(.link == "veth").rows[]; .wire_mib > 0)' "$scratch/summary.json" >/dev/null ||
    die "nothing went over the link"
jq -e 'all(.cases[]; .aims | map(.what) | index("downtime, bitferry / none"))' "$scratch/summary.json" >/dev/null ||
    die "no ratio"
jq -r -f "$BF_SOURCE/test/bench/live/tables.jq" "$scratch/summary.json"
ok "a round over Unix sockets and over a link gives all figures"
