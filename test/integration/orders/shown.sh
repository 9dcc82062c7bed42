#!/bin/bash
# What a person sees of a move while it goes on: bars for each disk and bitmap that fit into any terminal, lines
# where there is none, and documents for programs.
. "$(dirname "$0")/../faults/lib.sh"

# on_terminal ROWS COLUMNS FILE COMMAND...: in the background; what it writes to a terminal of that size
on_terminal() {
    local rows=$1 columns=$2 file=$3
    shift 3
    run_child env TERM=xterm script -qefc "stty rows $rows cols $columns -onlcr; $(printf '%q ' "$@")" "$file" \
        </dev/null >/dev/null 2>&1
}

# last_drawn FILE: of what was drawn over and over
last_drawn() {
    sed '/^Script /d; s/\x1b\[[0-9]*A/\n&/g' "$1" | awk '/\x1b\[[0-9]*A/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }' |
        sed 's/\x1b\[[0-9]*[AJm]//g'
}

# The destination stops behind each bitmap that it has fetched, until it is told to go on.
begin_pair
for i in 1 2 3 4 5 6 7 8; do
    add_bitmap source vda "many-$i" recording transient
done
guest_writes source vda 9
configure source
configure dest
begin_daemon source
begin_daemon dest BITFERRY_FAIL_POINT=dest.pulled:stop
start_vm
socket=$scratch/source.run/control.sock
wait_for 30 is "waiting for the destination" phase source "$leaving"
order source status "$leaving" >"$scratch/shown"
equal "ferry  source  $leaving" "$(sed -n 1p "$scratch/shown")" "the head"
equal "  under-way: waiting for the destination" "$(sed -n 2p "$scratch/shown")" "the state"
grep -qE '^  vda +▕ {24}▏   0 % of 1.2 KiB  10 bitmaps$' "$scratch/shown" || die "$(cat "$scratch/shown")"
grep -qE '^    old +▕ {24}▏   0 % of 128 B  waiting for the destination$' "$scratch/shown" || die "$(cat "$scratch/shown")"
ok "a bar for each disk and each bitmap"

LC_ALL=C order source status "$leaving" >"$scratch/shown"
grep -qE '^    old +\[ {24}\]   0 % of 128 B' "$scratch/shown" || die "without UTF-8: $(cat "$scratch/shown")"
# watched ROWS COLUMNS: the first picture of a watch, on terminals of several sizes
watched() {
    on_terminal "$1" "$2" "$scratch/picture.$1" "$BITFERRY" status --watch "$leaving" --socket "$socket"
    wait_for 30 grep -qE '^  vda ' "$scratch/picture.$1"
    kill "$child"
    wait "$child" || true
    last_drawn "$scratch/picture.$1"
}
watched 24 80 >"$scratch/large"
equal 13 "$(grep -c . "$scratch/large")" "lines on a large terminal"
watched 8 50 >"$scratch/small"
equal 3 "$(grep -c . "$scratch/small")" "lines on a small terminal: $(cat "$scratch/small")"
equal "" "$(grep -E '^.{51}' "$scratch/small" || true)" "lines that would wrap"
grep -q '^  vda ' "$scratch/small" || die "no bar of the disk: $(cat "$scratch/small")"
ok "what is drawn fits into the terminal"

order source status --watch "$leaving" >"$scratch/lines" &
lines=$!
order source status --watch --json "$leaving" >"$scratch/documents" &
documents=$!
bf_children+=("$lines" "$documents")
expect_vm
revive() {
    kill -CONT "${daemon[dest]}"
    "$@"
}
wait_for 30 is 'PULLING -> LOADING' grep -o 'PULLING -> LOADING' "$scratch/dest.log"
# A mirror that QEMU holds to a byte a second stands still half way.
qmp source blockdev-add "$(jq -nc --arg path "$scratch/dest.nbd" '{driver:"nbd","node-name":"peer",export:"vda",
    server:{type:"unix",path:$path}}')"
qmp source blockdev-mirror \
    '{"job-id":"copy","device":"vda","target":"peer","sync":"full","speed":1,"buf-size":65536,"granularity":65536}'
shows_mirror() {
    order source status "$leaving" >"$scratch/shown"
    grep -qE '^    mirror +▕█* +▏ +[0-9]+ % of [0-9.]+ .iB$' "$scratch/shown"
}
wait_for 30 revive shows_mirror
order source status --json "$leaving" | jq -e '.moves[0].how[0] | .disk == "vda" and .mode == "nbd" and
    .mirror.done_bytes < .mirror.total_bytes' >/dev/null || die "$(order source status --json "$leaving")"
qmp source block-job-set-speed '{"device":"copy","speed":0}'
wait_for 60 job_ready source copy
ok "a bar for a mirror that goes on"
reached() {
    order source status --json "$leaving" | jq -e '.moves[0].milestones | index("installed")' >/dev/null
}
wait_for 60 revive reached
equal "installed, waiting for the switchover" "$(phase source "$leaving")" "the source"
wait_for 30 revive is "installed, waiting for the switchover" phase dest "$arriving"
order dest status "$arriving" | grep -qE '^    many-3 +▕█{24}▏ 100 % of 128 B  fetched$' || die "$(order dest status)"
ok "both ends tell the same"

on_terminal 30 100 "$scratch/drawn" "$BITFERRY" status --watch "$leaving" --socket "$socket"
drawn=$child
way_migrate
way_complete
wait "$lines" "$documents" "$drawn"
wait_for 60 revive is committed state dest "$arriving"
equal "$leaving committed" "$(tail -n 1 "$scratch/lines")" "the last line"
equal "" "$(uniq -d "$scratch/lines")" "lines that tell nothing new"
jq -es 'length > 5 and all(.[]; .schema == 1 and (.moves | length) == 1)
    and ([.[] | .moves[0].bitmaps | length] | max) == 10
    and last.moves[0].state == "committed" and all(last.moves[0].bitmaps[]; .outcome == "carried")
    and all(.[]; all(.moves[0].bitmaps[]?; .done_bytes <= .total_bytes))' "$scratch/documents" >/dev/null ||
    die "$(tail -n 1 "$scratch/documents")"
equal "$(wc -l <"$scratch/documents")" "$(jq -s length "$scratch/documents")" "a document a line"
last_drawn "$scratch/drawn" >"$scratch/last"
grep -qE '^  vda +10 of 10 bitmaps carried$' "$scratch/last" || die "$(cat "$scratch/last")"
equal 10 "$(grep -cE '^    (old|new|many-.) +carried$' "$scratch/last")" "bitmaps that were carried"
ok "a watch ends with the move, drawn, in lines and in documents"
