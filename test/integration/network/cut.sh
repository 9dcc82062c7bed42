#!/bin/bash
# The network between the helpers goes silent, both ways or one way, for a while or for good (FAULTS.md, 53, 54).
# Nothing hangs: either all is carried, or the source keeps its bitmaps and both sides say why.
. "$(dirname "$0")/lib.sh"
at_once pulling pulling-mended switchover-mended switchover deaf-dest deaf-source

disk_size=$((16 << 30))
begin_pair
begin_hosts
many_bits
begin_daemons 'peer_timeout_s = 3' 'pull_timeout_s = 2'

# pulling: a bitmap is half way to the destination
pulling() {
    slow source 1mbit
    start_move
    wait_for 30 half_way
}

installed() {
    start_move
    install
}

# both_give_up REASON-AT-SOURCE REASON-AT-DESTINATION
both_give_up() {
    wait_for 60 ended source "$leaving" failed
    wait_for 60 ended dest "$arriving" failed
    fails_with 10 "$1" order source wait "$leaving"
    fails_with 10 "$2" order dest wait "$arriving"
    equal "" "$(bitmap dest vda many)" "$BF_CASE: a bitmap that was not whole"
}

case $BF_CASE in
pulling)
    pulling
    cut
    both_give_up DEST_SILENT SOURCE_SILENT
    source_kept "$BF_CASE"
    ;;
deaf-*)
    pulling
    deaf "${BF_CASE#deaf-}"
    both_give_up DEST_SILENT SOURCE_SILENT
    source_kept "$BF_CASE"
    ;;
pulling-mended)
    digest=$(digest_in source many)
    pulling
    cut
    wait_for 30 in_log dest 'a bitmap could not be fetched: .* sent nothing for 2.0 s'
    mend
    install
    switch_over
    wait_for 60 ended dest "$arriving" committed
    equal "$digest" "$(digest_in dest many)" "the bitmap that was cut in the middle"
    settle "$BF_CASE"
    ;;
switchover-mended)
    installed
    cut
    switch_over
    mend
    settle "$BF_CASE"
    ;;
switchover) # nobody can know whether the source's bitmaps were good to the end
    installed
    cut
    switch_over
    both_give_up 'never confirmed' SOURCE_SILENT
    equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
    nothing_left "$BF_CASE"
    # The copies that are left here are told with what removes them.
    end_qemu source
    order source status --json "$leaving" | jq -r '.moves[0].bitmaps[].note | split(": ")[-1]' >"$scratch/remedy"
    equal 3 "$(grep -c '^qemu-img bitmap --remove ' "$scratch/remedy")" "remedies"
    [ -n "$(stored_granules "$image_source" new)" ] || die "there is nothing to remove"
    bash -eu "$scratch/remedy"
    equal null "$(qemu-img info --output=json "$image_source" | jq -c '."format-specific".data.bitmaps')" \
        "bitmaps left in the source's image"
    ;;
esac
ok "$BF_CASE"
