#!/bin/bash
# How a script that drives QEMU itself calls the hooks: a VM's storage is mirrored to an NBD export of the
# destination, then the VM migrates.  Set these, look through it, and take over what your own script lacks.
#
#   vm, uuid       its name and UUID
#   source, dest   the hosts, by names that ssh and bitferry know
#   dest_address   for the migration stream
#
# On both hosts QEMU has two QMP sockets: /run/VM.qmp for this script, /run/VM-bitferry.qmp for bitferry; at
# the destination it was started with -incoming defer, and has an image of the same size behind node "disk".
set -euo pipefail
: "${vm:?}" "${uuid:?}" "${source:?}" "${dest:?}" "${dest_address:?}"

# on HOST COMMAND...
on() {
    # shellcheck disable=SC2029 # expanded here, quoted for there
    ssh "$1" "$(printf '%q ' "${@:2}")"
}

# qmp HOST JSON...: each must succeed
qmp() {
    local host=$1
    shift
    printf '%s\n' '{"execute":"qmp_capabilities"}' "$@" |
        on "$host" timeout 10 nc -U "/run/$vm.qmp" |
        jq -ne --argjson nr $(($# + 1)) 'last(limit($nr; inputs | select(has("return") or has("error")))) |
            if has("return") then .return else error(.error.desc) end'
}

# hook STEP: on both hosts.  It fails only with --strict: backups must not stop a migration.
hook() {
    on "$dest" bitferry-hook-general "$1" dest --vm "$vm" --uuid "$uuid" --qmp "/run/$vm-bitferry.qmp" &&
        on "$source" bitferry-hook-general "$1" source --vm "$vm" --uuid "$uuid" \
            --qmp "/run/$vm-bitferry.qmp" --peer "$dest"
}

# until_true COMMAND...: asked ten times a second
until_true() {
    until "$@" >/dev/null; do
        sleep 0.1
    done
}

mirror_is_ready() {
    qmp "$source" '{"execute":"query-block-jobs"}' | jq -e '.[0].ready'
}

# migration_is STATUS
migration_is() {
    local status
    status=$(qmp "$source" '{"execute":"query-migrate"}' | jq -r .status)
    [[ $status != failed && $status != cancelled ]] || {
        hook abort
        exit 1
    }
    [ "$status" = "$1" ]
}

hook prepare
qmp "$dest" '{"execute":"nbd-server-start","arguments":{"addr":{"type":"inet","data":{"host":"::","port":"10809"}}}}' \
    '{"execute":"block-export-add","arguments":{"type":"nbd","id":"disk","node-name":"disk","writable":true}}'
qmp "$source" '{"execute":"blockdev-add","arguments":{"driver":"nbd","node-name":"target","export":"disk","server":{"type":"inet","host":"'"$dest_address"'","port":"10809"}}}' \
    '{"execute":"blockdev-mirror","arguments":{"job-id":"mirror","device":"disk","target":"target","sync":"full"}}'
until_true mirror_is_ready
hook ready

qmp "$dest" '{"execute":"migrate-incoming","arguments":{"uri":"tcp:[::]:10811"}}'
qmp "$source" '{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"pause-before-switchover","state":true}]}}' \
    '{"execute":"migrate","arguments":{"uri":"tcp:'"$dest_address"':10811"}}'
until_true migration_is pre-switchover
hook switchover
qmp "$source" '{"execute":"block-job-complete","arguments":{"device":"mirror"}}'
qmp "$source" '{"execute":"migrate-continue","arguments":{"state":"pre-switchover"}}'
until_true migration_is completed
qmp "$dest" '{"execute":"cont"}'
hook finish
qmp "$source" '{"execute":"quit"}'
