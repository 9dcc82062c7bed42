#!/bin/bash
# Checkpoints that are described in JSON travel with the offer, and come out of `bitferry status --json` at the
# destination with what became of each: an orchestrator without libvirt needs no more.
. "$(dirname "$0")/../faults/lib.sh"

# checkpoints SIDE ID: a line for each: name, parent, time, status, then its disks
checkpoints() {
    order "$1" status --json "$2" | jq -r '.moves[0].checkpoints | .style as $style | .checkpoints[] |
        "\($style) \(.name)<\(.parent) \(.time) \(.status): \([.disks[] |
            "\(.disk)/\(.bitmap)=\(.outcome)\(if .reason then " " + .reason.code else "" end)"] | join(", "))"'
}

# describe STYLE CHECKPOINT...: NAME:PARENT:BITMAP, all on the disk vda
describe() {
    local style=$1
    shift
    jq -n --arg style "$style" '{schema:1, style:$style, checkpoints: [$ARGS.positional | to_entries[] |
        (.value / ":") as $part | {name:$part[0], parent:(if $part[1] == "" then null else $part[1] end),
        time:(1700000000 + .key), disks:[{disk:"vda", bitmap:$part[2]}]}]}' --args "$@"
}

begin_pair
add_bitmap source vda gone recording persistent
begin_daemons
describe nested lost::nowhere monday:lost:old tuesday:monday:new wednesday:tuesday:gone >"$scratch/checkpoints.json"
status=0
said=$(order source start --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" --peer "127.0.0.1:$port" \
    --checkpoints "$scratch/source.conf" 2>&1) || status=$?
[[ $status != 0 && $said == *"not JSON"* ]] || die "a file that is none gets $status: $said"
start_move --checkpoints "$scratch/checkpoints.json"
way_copy
order source wait "$leaving" --for installed --timeout 30 >/dev/null
equal "nested wednesday<tuesday 1700000003 pending: vda/gone=pending" "$(checkpoints dest "$arriving" | tail -n 1)" \
    "the last one under way"
qmp source block-dirty-bitmap-remove '{"node":"vda","name":"gone"}'
guest_writes source vda 6
way_migrate
way_complete
order dest wait "$arriving" --for committed --timeout 30 >/dev/null 2>&1 || true
order source wait "$leaving" --for committed --timeout 30 >/dev/null 2>&1 || true
wanted="nested lost<null 1700000000 dropped: vda/nowhere=dropped BITMAP_NOT_FOUND
nested monday<lost 1700000001 carried: vda/old=carried
nested tuesday<monday 1700000002 carried: vda/new=carried
nested wednesday<tuesday 1700000003 dropped: vda/gone=dropped BITMAP_VANISHED"
for side in source dest; do
    id=$arriving
    [ "$side" = dest ] || id=$leaving
    equal "$wanted" "$(checkpoints "$side" "$id")" "what the $side tells of the checkpoints"
done
order dest status "$arriving" | grep -q '^  checkpoint tuesday *carried$' || die "people are not told of them"
ok "each checkpoint is told as carried, or as dropped and why"

kill "${daemon[dest]}"
wait "${daemon[dest]}" || true
begin_daemon dest
equal "$wanted" "$(checkpoints dest "$arriving")" "after a restart of bitferry-dest"
ok "the end of the move remembers them"

# The way back: what the destination told is what the next `start` takes.
order dest status --json "$arriving" | jq '.moves[0].checkpoints' >"$scratch/back.json"
equal "$(jq -cS . "$scratch/checkpoints.json")" \
    "$(jq -cS 'del(.checkpoints[].status) | del(.checkpoints[].disks[]["outcome","reason","needs"])' "$scratch/back.json")" \
    "the description, there and back"
id=$(order source start --quiet --vm other --uuid "${uuid/1/2}" --qmp "$scratch/dest.qmp" \
    --peer "127.0.0.1:$port" --disk vda=vda --checkpoints "$scratch/back.json")
[ -n "$id" ] || die "what status tells is not taken by start"
ok "what status tells is what start takes"
