#!/bin/bash
# Stops, kills, restarts; journals of other versions and damaged ones; systemd.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"

u() { printf '11111111-2222-3333-4444-%012d\n' "$1"; }
records() { order status "$1" --json | jq '.moves[0].bitmaps[] | select(.disk == "recovered").total_bytes'; }

configure 'stop_grace_s = 1'
serve
good=$(begin good "$(u 1)")
order wait "$good" --json >"$scratch/before"
hold=$(begin hold "$(u 2)")
stubborn=$(begin stubborn "$(u 3)")
order wait "$stubborn" --for installed >/dev/null
clients() { find "/proc/$daemon/fd" -lname 'socket:*' | wc -l; }
before=$(clients)
order wait "$hold" >"$scratch/waited" &
waiter=$!
order wait "$stubborn" >/dev/null 2>"$scratch/told" &
told=$!
bf_children+=("$waiter" "$told")
waiting() { [ "$(clients)" = $((before + 2)) ]; }
wait_for 30 waiting
kill "$daemon"
wait "$waiter" || die "the move that came to its end in the grace: $(cat "$scratch/waited")"
fails_with 11 'the daemon is stopping' "$BITFERRY" start --socket "$socket" --vm good --uuid "$(u 4)" --qmp /q --peer h
status=0
wait "$told" || status=$?
equal 10 "$status" "exit status of a wait that the stop ended"
grep -q 'the daemon stops; a move that is under way goes on' "$scratch/told" || die "$(cat "$scratch/told")"
ends_with 0
grep -q '1 moves are left under way' "$scratch/log" || die "$(cat "$scratch/log")"
serve
equal "$(jq -c .move "$scratch/before")" "$(order status "$good" --json | jq -c '.moves[0]')" "a move that had ended"
equal committed "$(state "$hold")" "a move that came to its end in the grace"
equal under-way "$(state "$stubborn")" "a move that did not"
equal 9 "$(records "$stubborn")" "records found"
ok "SIGTERM gives moves time, and leaves the rest to the next start"

kill "$daemon"
wait_for 30 grep -q 'stopping, 1 moves' "$scratch/log"
kill "$daemon"
ends_with 0
ok "a second signal cuts it short"

for _ in 1 2 3; do
    serve
    equal 9 "$(records "$stubborn")" "records found after a kill"
    kill_daemon
done
serve
kill -HUP "$daemon"
wait_for 30 grep -q "move $stubborn: reloads" "$scratch/log"
order abort "$stubborn" >/dev/null
stop_daemon
ok "a killed daemon takes its moves up again; SIGHUP reaches them"

# Journals that must not be acted upon.
configure
serve
damaged=$(begin stubborn "$(u 5)")
newer=$(begin stubborn "$(u 6)")
torn=$(begin stubborn "$(u 7)")
foreign=$(begin stubborn "$(u 8)")
for id in "$damaged" "$newer" "$torn" "$foreign"; do order wait "$id" --for installed >/dev/null; done
kill_daemon
written=$("$BF_BUILD/test/move_folder" read "$scratch/state" | sed -n "s/^$torn //p")
journal() { printf '%s\n' "$scratch/state/moves/$1/journal"; }
printf '\377' | dd of="$(journal "$damaged")" bs=1 seek=60 conv=notrunc status=none
printf 'BFMOVE2\n' | dd of="$(journal "$newer")" conv=notrunc status=none
truncate -s -3 "$(journal "$torn")"
rm "$(journal "$foreign")"
ln -s /etc/passwd "$(journal "$foreign")"
sum=$(sha256sum "$(journal "$damaged")" | cut -d ' ' -f 1)
serve
for id in "$damaged" "$newer" "$foreign"; do
    equal quarantined "$(state "$id")" "state of $id"
    [ -d "$scratch/state/quarantine/$id" ] || die "$id is not in quarantine"
done
equal "IMAGE_CORRUPT" "$(order status "$damaged" --json | jq -r '.moves[0].reason.code')" "damaged"
equal "VERSION" "$(order status "$newer" --json | jq -r '.moves[0].reason.code')" "newer"
equal under-way "$(state "$torn")" torn
equal $((written - 2)) "$(records "$torn")" "records of the torn journal"
equal "$sum" "$(sha256sum "$scratch/state/quarantine/$damaged/journal" | cut -d ' ' -f 1)" "the damaged journal"
order abort "$torn" >/dev/null
stop_daemon
serve
equal aborted "$(state "$torn")" "what was appended to the torn journal"
stop_daemon
run_child "$BF_BUILD/test/daemon_with_driver" bare --config "$scratch/conf" 2>"$scratch/log" # knows no driver's records
daemon=$child
wait_for 30 grep -q 'ready at' "$scratch/log"
equal quarantined "$(state "$torn")" "a move of a daemon that knew more"
equal quarantined "$(state "$damaged")" "what was quarantined before"
stop_daemon
ok "a journal that is damaged, of another version, or none is put into quarantine, untouched"

rm -rf "$scratch/state"
run_child "$BF_BUILD/test/notify_sink" "$scratch/notify" >"$scratch/notified"
wait_for 30 test -S "$scratch/notify"
serve NOTIFY_SOCKET="$scratch/notify" WATCHDOG_USEC=100000
wait_for 30 grep -q READY=1 "$scratch/notified"
beats() { grep -ao WATCHDOG=1 "$scratch/notified" | wc -l; }
three() { [ "$(beats)" -ge 3 ]; }
wait_for 30 three
kill "$daemon"
ends_with 0
wait_for 30 grep -q STOPPING=1 "$scratch/notified"
serve NOTIFY_SOCKET="$scratch/notify" WATCHDOG_USEC=100000 BITFERRY_FAIL_POINT=loop.stuck:stop
stuck() { grep -q '^State:.*stopped' "/proc/$daemon/status"; }
wait_for 30 stuck
before=$(beats)
kill -CONT "$daemon"
one_more() { [ "$(beats)" -gt "$before" ]; }
wait_for 30 one_more
wait_for 30 stuck # again, at the next beat: there is one for each turn of the loop
equal 1 "$(($(beats) - before))" "beats of a loop that is stuck"
kill_daemon
ok "systemd is told: ready, alive as long as the loop turns, stopping"

# A log that cannot be written does not matter.
run_child sh -c 'exec "$0" source --config "$1" 2>/dev/full' "$BF_BUILD/test/daemon_with_driver" "$scratch/conf"
daemon=$child
wait_for 30 order list >/dev/null
id=$(begin good)
order wait "$id" >/dev/null
stop_daemon
mkfifo "$scratch/fifo"
exec 7<>"$scratch/fifo"
head -c 65536 /dev/zero >&7 # a reader that reads nothing
run_child "$BF_BUILD/test/daemon_with_driver" source --config "$scratch/conf" 2>&7
daemon=$child
wait_for 30 order list >/dev/null
id=$(begin good)
order wait "$id" >/dev/null
stop_daemon
ok "a full or stuck log loses lines, not moves"

# No more file descriptors: new moves are refused, the daemon goes on.
serve
prlimit --pid "$daemon" --nofile="$(($(ls "/proc/$daemon/fd" | wc -l) + 3)):"
refused=
for i in $(seq 10 20); do
    begin stubborn "$(u "$i")" >"$scratch/id" 2>"$scratch/said" || refused=yes
done
[ "$refused" ] || die "no move was refused"
prlimit --pid "$daemon" --nofile=1024:
order list >/dev/null
id=$(begin good "$(u 99)")
order wait "$id" >/dev/null
kill_daemon
ok "without file descriptors moves are refused, and the daemon goes on"
