#!/bin/bash
# Moves as an orchestrator sees them: begun, waited for, shown, ended.  The driver is the test's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"

configure 'max_moves = 3' 'keep_moves = 4'
serve
u() { printf '11111111-2222-3333-4444-%012d\n' "$1"; }

id=$(begin stubborn)
[[ $id =~ ^[0-9a-f]{32}$ ]] || die "id: $id"
equal "$id" "$(begin stubborn)" "id of the same request again"
options=(--socket "$socket" --qmp /run/qmp.sock --vm stubborn)
equal true "$("$BITFERRY" start --quiet --json "${options[@]}" --uuid "$uuid" --peer host2 | jq .existing)" existing
fails_with 11 "under way already, by another request \(move $id\)" \
    "$BITFERRY" start "${options[@]}" --uuid "${uuid^^}" --peer host3
order abort "$id" >/dev/null
[ "$(begin stubborn)" != "$id" ] || die "a move that is over is given out again"
order abort "$(begin stubborn)" >/dev/null
ok "a request can be repeated"

id=$(begin mixed "$(u 1)")
order wait "$id" --for installed --timeout 30 >/dev/null
equal installed "$(order status "$id" --json | jq -r '.moves[0].milestones[0]')" milestone
order status "$id" --watch >"$scratch/watched"
equal "$id committed" "$(tail -n 1 "$scratch/watched")" "the last line of a watch"
fails_with 3 'dropped vda/tuesday: BITMAP_BUSY: .*held.*; the next backup from it is a full one' \
    "$BITFERRY" wait "$id" --socket "$socket"
order wait "$id" --json >"$scratch/json" || true
equal "true committed 3 dropped BITMAP_BUSY 11" \
    "$(jq -r '[.reached, .move.state, .move.exit] + (.move.bitmaps[] | select(.bitmap == "tuesday") |
        [.outcome, .reason.code, .reason.exit]) | join(" ")' "$scratch/json")" "wait --json"
equal "wednesday é" "$(jq -r '.move.bitmaps[2].bitmap' "$scratch/json")" "a name"
ok "the end names what was dropped"

good=$(begin good "$(u 2)")
order wait "$good" | grep -qx committed || die "end of a good move"
failed=$(begin fail "$(u 3)")
fails_with 14 'failed: the digest of vda/monday is another \(DIGEST_MISMATCH\)' "$BITFERRY" wait "$failed" --socket "$socket"
equal false "$(order wait "$failed" --for installed --json | jq .reached)" "reached by a failed move"
fails_with 11 'a backup of refuse runs' "$BITFERRY" start --socket "$socket" --vm refuse --uuid "$(u 4)" --qmp /q --peer h
fails_with 1 'has ended already: committed' "$BITFERRY" abort "$good" --socket "$socket"
ok "exit codes tell how a move ended"

ids=()
for i in 5 6 7; do ids+=("$(begin stubborn "$(u $i)")"); done
fails_with 11 '3 moves are under way, as many as max_moves' \
    "$BITFERRY" start --socket "$socket" --vm good --uuid "$(u 8)" --qmp /q --peer h
order status --watch --json >"$scratch/json" &
watcher=$!
bf_children+=("$watcher")
for i in 0 1 2; do
    order abort "${ids[i]}" | grep -q '^aborted: an operator' || die "abort"
    order abort "${ids[i]}" >/dev/null # again
done
wait "$watcher"
equal 0 "$(jq -s '[last.moves[] | select(.state == "under-way")] | length' "$scratch/json")" "the last of a watch"
ok "moves are limited, and can be ended"

child_pid() { pgrep -P "$daemon" -x sh; }
id=$(begin child "$(u 9)")
wait_for 30 child_pid >/dev/null
sh=$(child_pid)
order abort "$id" >/dev/null
gone() { [ ! -e "/proc/$sh" ]; }
wait_for 30 gone
grep -q 'the child ended: status 0, signal 9' "$scratch/log" || die "$(cat "$scratch/log")"
ok "a child that ignores SIGTERM is killed, and reaped"

kept() { [ "$(order list --json | jq '.moves | length')" = 4 ] && [ "$(ls "$scratch/state/moves" | wc -l)" = 4 ]; }
wait_for 30 kept
equal "$id" "$(order list --json | jq -r '.moves[-1].id')" "the youngest move"
order list | grep -qE "^$id  child +source +aborted" || die "$(order list)"
ok "the oldest moves are forgotten"

# Many at once, on a loop that nobody holds up.
stop_daemon
configure 'max_moves = 100'
serve
for i in $(seq 20); do
    (id=$(begin good "$(u "1$i")") && order wait "$id" --timeout 60 >/dev/null) &
    waiters[i]=$!
done
for i in $(seq 20); do wait "${waiters[i]}" || die "move $i"; done
stop_daemon
ok "twenty moves at once"

for command in "wait x" "abort 00" "status zz"; do
    # shellcheck disable=SC2086
    fails_with 2 'is no move.s id' "$BITFERRY" $command
done
fails_with 2 'installed, committed or frozen' "$BITFERRY" wait "$id" --for ever
fails_with 2 'NAME=NODE' "$BITFERRY" start --vm a --uuid "$uuid" --qmp q --peer h --disk vda
fails_with 2 'expect: give --qmp .* or --domain' "$BITFERRY" expect
fails_with 2 'expect: --vm NAME is required' "$BITFERRY" expect --qmp /run/web1.qmp
fails_with 10 "no daemon listens at $scratch/none" "$BITFERRY" list --socket "$scratch/none"
configure
run_child "$BF_BUILD/test/daemon_with_driver" bare --config "$scratch/conf" 2>"$scratch/log"
daemon=$child
wait_for 30 grep -q 'ready at' "$scratch/log"
fails_with 15 'without the part that moves live VMs' "$BITFERRY" start --vm a --uuid "$uuid" --qmp q --peer h --socket "$socket"
fails_with 1 'this is bitferry-source, which takes .start.' "$BITFERRY" expect --vm a --uuid "$uuid" --qmp q --socket "$socket"
stop_daemon
ok "what cannot be is refused with a reason"
