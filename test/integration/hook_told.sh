#!/bin/bash
# The hook tells the daemons which VM comes and goes; they show it and log it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"
. "$(dirname "$0")/hook_lib.sh"

mkdir -p "$BITFERRY_RUN_DIR"
configure "run_dir = $BITFERRY_RUN_DIR/source"
sed -i "0,/^run_dir/{/^run_dir/d}" "$scratch/conf"
socket=$BITFERRY_RUN_DIR/source/control.sock
serve
called release end <<<"$domain"
wait_for 10 grep -q "a hook tells 'release end' of web ($uuid); no move of it is under way here" "$scratch/log"
equal "" "$(cat "$scratch/said")" "what the hook says"
id=$(begin hold) # until it is ended
called migrate begin <<<"$domain"
wait_for 10 grep -q "move $id: a hook tells 'migrate begin'" "$scratch/log"
equal "migrate begin" "$(order status --json "$id" | jq -r '.moves[0].hook')" "hook of the move"
ok "the daemon logs it and shows it with the move"

called migrate begin 'na"me,"op":"abort' <<<"$domain"
wait_for 10 grep -qF 'migrate begin'"'" <(tail -n 1 "$scratch/log")
equal under-way "$(state "$id")" "state after a name that looks like a request"
called migrate begin $'\xff\xfe' <<<"$domain"
equal "$id" "$(raw '{"schema":1,"op":"hook","event":"finish","vm":"web","uuid":"'$uuid'"}' | jq -r .id)" "the move's id"
equal null "$(raw '{"schema":1,"op":"hook","event":"finish","vm":"web","uuid":"'${uuid/1/2}'"}' | jq -r .id)" "no move's id"
said() {
    equal INVALID "$(raw "$1" | jq -r '.error.code')" "answer to $1"
}
said '{"schema":1,"op":"hook","event":"Finish!","vm":"web","uuid":"'$uuid'"}'
said '{"schema":1,"op":"hook","event":"finish","vm":"web","uuid":"x"}'
said '{"schema":1,"op":"hook","event":"finish","vm":"web","uuid":"'$uuid'","id":"x"}'
said '{"schema":1,"op":"hook","vm":"web","uuid":"'$uuid'"}'
stop_daemon
ok "what a hook sends is judged like any other request"
