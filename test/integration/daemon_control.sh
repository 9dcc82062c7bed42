#!/bin/bash
# The control socket: who may use it, what it refuses, and that no client holds it up.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"

chmod 711 "$scratch"
configure 'max_clients = 4'
serve
equal "700 600" "$(stat -c %a "$scratch/run" "$socket" | paste -sd ' ')" "modes"
fails_with 1 'Permission denied' setpriv --reuid 65534 --clear-groups "$BITFERRY" list --socket "$socket"
ok "others do not even reach the socket"

# said CODE LINE: this request is refused with this code
said() {
    equal "$1" "$(raw "$2" | jq -r '.error.code')" "answer to $2"
}
plan='"vm":"good","uuid":"'$uuid'","qmp":"/q"'
said PROTOCOL 'hello'
said PROTOCOL '[]'
said PROTOCOL ''
said PROTOCOL '{"schema":1,"op":"list"} x'
said PROTOCOL '{"schema":1,"op":"list","op":"abort"}'
said PROTOCOL "$(printf '[%.0s' $(seq 3000))"
said PROTOCOL '{"op":"list"}'
said VERSION '{"schema":2,"op":"list"}'
said INVALID '{"schema":1,"op":"destroy"}'
said INVALID '{"schema":1,"op":"list","id":"x"}'
said INVALID '{"schema":1,"op":"wait","id":"../../etc","for":"committed"}'
said INVALID '{"schema":1,"op":"wait","id":"00000000000000000000000000000000","for":"ever"}'
said NOT_FOUND '{"schema":1,"op":"wait","id":"00000000000000000000000000000000","for":"committed"}'
said NOT_FOUND '{"schema":1,"op":"abort","id":"00000000000000000000000000000000"}'
said INVALID '{"schema":1,"op":"expect",'"$plan"'}'
said INVALID '{"schema":1,"op":"start",'"$plan"'}'
said INVALID '{"schema":1,"op":"start",'"$plan"',"peer":"$(reboot)"}'
said INVALID '{"schema":1,"op":"start",'"$plan"',"peer":"h","read":"tea leaves"}'
said INVALID '{"schema":1,"op":"start",'"$plan"',"peer":"h","speed":9}'
said INVALID '{"schema":1,"op":"start","vm":"a\nb","uuid":"'$uuid'","qmp":"/q","peer":"h"}'
said INVALID '{"schema":1,"op":"start","vm":"a","uuid":"'${uuid}0'","qmp":"/q","peer":"h"}'
said INVALID '{"schema":1,"op":"start","vm":"a","uuid":"'$uuid'","qmp":"q","peer":"h"}'
said INVALID '{"schema":1,"op":"start",'"$plan"',"peer":"h","disks":[{"name":"a/b","node":"n"}]}'
said INVALID '{"schema":1,"op":"start",'"$plan"',"peer":"h","disks":[{"name":"a","node":"n"},{"name":"a","node":"m"}]}'
said BITMAP_BUSY '{"schema":1,"op":"start","vm":"refuse","uuid":"'$uuid'","qmp":"/q","peer":"h"}'
equal "" "$(ls -A "$scratch/state/moves")" "folders of refused moves"
equal 0 "$(order list --json | jq '.moves | length')" "moves after all that"
ok "what is not understood whole is refused, and leaves nothing"

# As many bytes as the daemon reads: nc gives up at a reset, before it looks for an answer.
answer=$(head -c 262145 /dev/zero | tr '\0' x | timeout 30 nc -NU "$socket" | jq -r .error.code)
equal LIMIT "$answer" "answer to a line without end"
list='{"schema":1,"op":"list"}'
equal 3 "$(raw "$list" "$list" "$list" | grep -c '"ok":true')" "answers to three requests at once"
ok "lines have a cap; several in one go are answered one by one"

# None of these clients gets more than its second of patience; nc ends when the daemon hangs up.
timeout 20 nc -dU "$socket" || die "a client that says nothing is kept"
(trap '' PIPE && while printf '{'; do sleep 0.2; done || true) 2>/dev/null | timeout 20 nc -U "$socket" ||
    die "a client that never comes to its line's end is kept"
ok "silent and slow clients are disconnected"

id=$(begin stubborn)
yes '{"schema":1,"op":"status"}' 2>/dev/null | timeout 60 nc -U "$socket" | sleep 60 &
greedy=$!
bf_children+=("$greedy")
wait_for 30 grep -q 'does not take its answers' "$scratch/log"
kill "$greedy"
order list >/dev/null
ok "a client that does not take its answers is disconnected"

waiting=()
for _ in 1 2 3 4; do
    "$BITFERRY" wait "$id" --socket "$socket" >/dev/null 2>&1 &
    waiting+=("$!")
    bf_children+=("$!")
done
full() { [ "$(order list --json | jq -r .error.code)" = LIMIT ]; }
wait_for 30 full
kill -9 "${waiting[@]}"
wait "${waiting[@]}" 2>/dev/null || true
wait_for 30 order list >/dev/null
fails_with 10 'the time is over' "$BITFERRY" wait "$id" --socket "$socket" --timeout 1
answer=$(raw '{"schema":1,"op":"status","watch":true}' "$list" | jq -r 'select(.error).error.code')
equal PROTOCOL "$answer" "a request while another is under way"
order abort "$id" >/dev/null
ok "clients that wait are many, but not too many, and dead ones do not count"
stop_daemon

# With users in the list, the kernel's word for who connects decides.
as() { setpriv --reuid "$1" --clear-groups "$BITFERRY" list --socket "$socket"; }
configure 'allow_uids = 65534'
serve
equal "711 666" "$(stat -c %a "$scratch/run" "$socket" | paste -sd ' ')" "modes with allow_uids"
as 65534 >/dev/null || die "a user of the list is refused"
fails_with 12 'may not give orders' as 65533
grep -q 'user 65533 .*refused' "$scratch/log" || die "nothing in the log"
stop_daemon
ok "allow_uids lets those in, and nobody else"

configure
mkdir "$scratch/elsewhere"
for folder in run state; do
    mv "$scratch/$folder" "$scratch/kept"
    ln -s "$scratch/elsewhere" "$scratch/$folder"
    fails_with 1 'symbolic link' "$BF_BUILD/bitferry-source" -c "$scratch/conf"
    rm "$scratch/$folder"
    mkdir -m 777 "$scratch/$folder"
    fails_with 1 'others may write' "$BF_BUILD/bitferry-source" -c "$scratch/conf"
    chmod 755 "$scratch/$folder"
    chown 65534 "$scratch/$folder"
    fails_with 1 'belongs to user 65534' "$BF_BUILD/bitferry-source" -c "$scratch/conf"
    rmdir "$scratch/$folder"
    mv "$scratch/kept" "$scratch/$folder"
done
touch "$socket"
fails_with 1 'no socket: remove it' "$BF_BUILD/bitferry-source" -c "$scratch/conf"
rm "$socket"
equal "" "$(ls -A "$scratch/elsewhere")" "written through a symbolic link"
serve
fails_with 11 'another daemon has' "$BF_BUILD/bitferry-source" -c "$scratch/conf"
order list >/dev/null
kill_daemon
fails_with 10 'no daemon listens' "$BITFERRY" list --socket "$socket"
serve
order list >/dev/null
stop_daemon
ok "folders of others are refused, a second daemon too, and a dead one's socket is replaced"
