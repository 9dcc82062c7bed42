#!/bin/bash
# A link over which one of the bitmaps would not arrive in time: it is dropped as soon as that can be seen, and the
# others are carried; nobody waits for it, least of all the guest (FAULTS.md, 56).
. "$(dirname "$0")/lib.sh"

disk_size=$((16 << 30))
begin_pair
begin_hosts
many_bits 512
# After a quarter of the limit the rate counts.
begin_daemons 'pull_limit_s = 16'
slow source 1mbit
begun=$SECONDS
start_move
fails_with 10 'not so far yet' order source wait "$leaving" --for installed --timeout 1

row() {
    order dest status --json "$arriving" | jq -r --arg name "$1" '.moves[0].bitmaps[] | select(.bitmap == $name) |
        "\(.outcome) \(.reason.code // "")"'
}
wait_for 30 is "dropped TOO_SLOW" row many
[ $((SECONDS - begun)) -lt 14 ] || die "only dropped when the time was over"
in_log dest "'[0-9a-f]*/[0-9]+/bits': [0-9]+ of [0-9]+ bytes in [0-9.]+ s, and the limit is 16.0 s" ||
    die "$(cat "$scratch/dest.log")"
install
ok "what would not arrive in time is dropped, and the others are installed"

switch_over
wait_for 60 ended dest "$arriving" committed
wait_for 60 ended source "$leaving" committed
fails_with 3 'dropped vda/many: TOO_SLOW: the link is too slow.*pull_limit_s.*full one' \
    order source wait "$leaving"
fails_with 3 'TOO_SLOW' order dest wait "$arriving"
equal "5 6 7 9" "$(dirty_granules dest vda new)" "the recording bitmap"
equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
equal "" "$(bitmap dest vda many)" "the one that did not arrive"
clean source
clean dest
no_carriers || die "carriers are left"
ok "committed without it, and both sides say so"
