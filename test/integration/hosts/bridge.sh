#!/usr/bin/env bash
# QMP through libvirt's monitor passthrough: answers under their own ids, events, the end of QEMU.
. "$(dirname "$0")/migrate_lib.sh"

domain_disk A "$IMAGES/bridge.qcow2" 64M
domain_define A bridge "$uuid" vda="$IMAGES/bridge.qcow2"
fails_with 1 "does not run" hosts_run A "$BF_BUILD/test/bridge-probe" qemu:///system bridge
a start bridge >/dev/null

# One that is killed leaves its socket, which goes with the next
hosts_run A bash -c 'exec "$0" qemu:///system bridge' "$BF_BUILD/test/bridge-probe" >"$scratch/killed" &
probe=$!
wait_for 30 grep -q '^answered' "$scratch/killed"
hosts_run A bash -c 'kill -KILL $(pidof bridge-probe)'
wait "$probe" 2>/dev/null || true
hosts_run A "$BF_BUILD/test/bridge-probe" qemu:///system bridge >"$scratch/said" &
probe=$!
wait_for 30 grep -qx 'event RESUME' "$scratch/said"
equal "ready |refused no-such-command: The command no-such-command has not been found (CommandNotFound)|answered running|event STOP|event RESUME" \
    "$(paste -sd '|' "$scratch/said")" "what the probe was told"
ok "commands are answered under their ids, in order, with QEMU's own errors; events follow"

a destroy bridge >/dev/null
status=0
wait "$probe" || status=$?
equal 0 "$status" "exit status of the probe"
equal "closed " "$(tail -n 1 "$scratch/said")" "the last thing that it was told"
# What is locked is another test's
equal "" "$(find /tmp -maxdepth 1 -name 'bitferry-qmp.*' -exec flock -n {} echo {} \;)" "sockets that were left"
ok "the connection ends with QEMU"
forget bridge
