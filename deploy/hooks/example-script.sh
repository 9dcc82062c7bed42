#!/bin/bash
# How a script that drives QEMU itself calls the hooks: the VM's storage is mirrored to an NBD export of the
# destination, then the VM migrates.  Look through it, and take over what your own script lacks.
#
# In the environment:
#   vm, uuid       its name and UUID
#   source, dest   the hosts, by names under which ssh and bitferry reach them
#
# On both hosts QEMU has the disk as node "disk", and two QMP sockets: /run/VM.qmp for this script,
# /run/VM-bitferry.qmp for bitferry.  At the destination it was started with -incoming defer, the disk is an
# empty image of the same size.  Storage and state travel in the clear here, through ports 10809 and 10811.
set -euo pipefail
: "${vm:?}" "${uuid:?}" "${source:?}" "${dest:?}"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
declare -A to from

# on HOST COMMAND...
on() {
    local host=$1
    shift
    # shellcheck disable=SC2029 # expanded here, quoted for there
    ssh "$host" "$(printf '%q ' "$@")"
}

# connect HOST: one connection to its QEMU, for all that follows
connect() {
    local greeting write read
    mkfifo "$work/$1.to" "$work/$1.from"
    on "$1" nc -U "/run/$vm.qmp" <"$work/$1.to" >"$work/$1.from" &
    exec {write}>"$work/$1.to" {read}<"$work/$1.from"
    to[$1]=$write from[$1]=$read
    read -r -t 30 greeting <&"$read" && [[ $greeting == *QMP* ]]
    qmp "$1" qmp_capabilities >/dev/null
}

# qmp HOST COMMAND [ARGUMENTS]: prints what it returns
qmp() {
    local answer
    printf '{"execute":"%s","arguments":%s}\n' "$2" "${3:-{\}}" >&"${to[$1]}"
    while read -r -t 30 answer <&"${from[$1]}"; do
        case $answer in
        *'"event":'*) ;;
        '{"return":'*)
            jq -c .return <<<"$answer"
            return
            ;;
        *) break ;;
        esac
    done
    printf '%s: %s: %s\n' "$1" "$2" "${answer:-no answer}" >&2
    return 1
}

# hook STEP: the destination's first, so that it is ready when the source's begins.  It cannot fail: no
# backup is to stop a migration (with --strict it could).
hook() {
    on "$dest" bitferry-hook-general "$1" dest --vm "$vm" --uuid "$uuid" \
        --qmp "/run/$vm-bitferry.qmp" --disk vda=disk
    on "$source" bitferry-hook-general "$1" source --vm "$vm" --uuid "$uuid" \
        --qmp "/run/$vm-bitferry.qmp" --disk vda=disk --peer "$dest"
}

# give_up: the VM goes on at the source
give_up() {
    qmp "$source" migrate_cancel >/dev/null || true
    qmp "$source" block-job-cancel '{"device":"mirror","force":true}' >/dev/null || true
    hook abort
    exit 1
}

wait_for_mirror() {
    local job
    while job=$(qmp "$source" query-block-jobs | jq -ec '.[] | select(.device == "mirror")'); do
        ! jq -e .ready <<<"$job" >/dev/null || return 0
        sleep 0.1
    done
    give_up # it has ended with an error
}

# wait_for_migration STATUS
wait_for_migration() {
    local status
    while status=$(qmp "$source" query-migrate | jq -r .status); do
        case $status in
        "$1") return ;;
        failed | cancelled) break ;;
        esac
        sleep 0.1
    done
    give_up
}

connect "$source"
connect "$dest"
hook prepare

qmp "$dest" nbd-server-start '{"addr":{"type":"inet","data":{"host":"0.0.0.0","port":"10809"}}}' >/dev/null
qmp "$dest" block-export-add '{"type":"nbd","id":"disk","node-name":"disk","name":"disk","writable":true}' >/dev/null
qmp "$source" blockdev-add '{"driver":"nbd","node-name":"target","export":"disk",
    "server":{"type":"inet","host":"'"$dest"'","port":"10809"}}' >/dev/null
qmp "$source" blockdev-mirror '{"job-id":"mirror","device":"disk","target":"target","sync":"full"}' >/dev/null
wait_for_mirror
hook ready

for host in "$source" "$dest"; do
    qmp "$host" migrate-set-capabilities \
        '{"capabilities":[{"capability":"pause-before-switchover","state":true},{"capability":"events","state":true}]}' >/dev/null
done
qmp "$dest" migrate-incoming '{"uri":"tcp:0.0.0.0:10811"}' >/dev/null
qmp "$source" migrate '{"uri":"tcp:'"$dest"':10811"}' >/dev/null
wait_for_migration pre-switchover
hook switchover
qmp "$source" block-job-cancel '{"device":"mirror"}' >/dev/null # ends it; the copy is whole
while [ "$(qmp "$source" query-block-jobs)" != '[]' ]; do
    sleep 0.05
done
qmp "$source" migrate-continue '{"state":"pre-switchover"}' >/dev/null
wait_for_migration completed
qmp "$dest" nbd-server-stop >/dev/null
qmp "$dest" cont >/dev/null
hook finish
qmp "$source" quit >/dev/null 2>&1 || true # it may be gone before it answers
