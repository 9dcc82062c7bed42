#!/bin/bash
# The command line: mistakes are named and end with 2, help works everywhere.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

mapfile -t commands < <("$BITFERRY" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ ${#commands[@]} -gt 12 ] || die "commands: ${commands[*]}"
for command in "${commands[@]}"; do
    "$BITFERRY" "$command" --help >"$scratch/help"
    grep -q "^Usage: bitferry $command " "$scratch/help" || die "$command --help"
    grep -q -- '--json' "$scratch/help" || die "$command --help lists no common options"
    ! grep -qE '.{81}' "$scratch/help" || die "$command --help is wider than 80 columns"
    mistake=() # for most it is one to say nothing
    case $command in status | list) mistake=(x y) ;; esac
    fails_with 2 "^bitferry: $command: " "$BITFERRY" "$command" "${mistake[@]}"
    fails_with 2 "did you mean --verbose" "$BITFERRY" "$command" --verbos
    equal "2 USAGE" "$("$BITFERRY" "$command" "${mistake[@]}" --json 2>/dev/null >"$scratch/json" || echo $? "$(jq -r .error.code "$scratch/json")")" \
        "$command --json"
done
ok "every command has help and names mistakes"

fails_with 0 '^bitferry [0-9]' "$BITFERRY" --version
fails_with 2 "a command is missing" "$BITFERRY"
fails_with 2 "did you mean 'inspect'" "$BITFERRY" inspct
fails_with 2 "unknown option --frobnicate" "$BITFERRY" --frobnicate
fails_with 2 "unknown option -z" "$BITFERRY" inspect -z x
equal 1 "$("$BITFERRY" --json inspect "$scratch/none" | jq .schema)" "a switch in front of the command"
equal "" "$("$BITFERRY" inspect "$scratch/none" 2>/dev/null || true)" "stdout of a failure"
equal 1 "$("$BITFERRY" inspect "$scratch/none" 2>&1 | wc -l)" "lines of a failure"
equal "" "$("$BITFERRY" inspect "$scratch/none" --json 2>&1 >/dev/null || true)" "stderr of a failure in JSON"
ok "errors are said once"

bad=$scratch/$'\xff\e[31m'
equal NOT_FOUND "$( ("$BITFERRY" inspect --json "$bad" || true) | jq -r .error.code)" "name that is not UTF-8"
! "$BITFERRY" inspect "$bad" 2>&1 | grep -q $'\e' || die "an escape sequence reaches the terminal"
qemu-img create -q -f qcow2 "$scratch/a.qcow2" 1M
fails_with 1 "No space left" sh -c '"$BITFERRY" inspect "$0" >/dev/full' "$scratch/a.qcow2"
fails_with 1 "No space left" sh -c '"$BITFERRY" inspect --json "$0" >/dev/full' "$scratch/a.qcow2"
ok "what cannot be written is an error"

# A server that accepts and says nothing: a signal ends the wait at once, the deadline ends it anyway.
run_child nc -dklU "$scratch/mute"
wait_for 30 test -S "$scratch/mute"
fails_with 10 . "$BITFERRY" inspect --deadline 1 "nbd+unix:///?socket=$scratch/mute"
"$BITFERRY" inspect --deadline 600 "nbd+unix:///?socket=$scratch/mute" 2>"$scratch/said" &
waiting=$!
bf_children+=($!)
connected() { readlink "/proc/$waiting/fd/"* | grep -q socket:; }
wait_for 30 connected
kill -INT "$waiting" # background jobs of a script ignore SIGINT
kill -TERM "$waiting"
status=0
wait "$waiting" || status=$?
equal 1 "$status" "exit status of an interrupted command"
grep -q 'SIGTERM' "$scratch/said" || die "said: $(cat "$scratch/said")"
ok "a server that is still is given up"
