#!/usr/bin/env bash
# libvirt domains that somebody else moves, with QEMU's own commands through libvirt: then the destination's QEMU
# can be seen before the guest runs, and the hand-overs with trackers and with a freeze work.  Where libvirt itself
# moves the domain they cannot, and that is said at once.
. "$(dirname "$0")/migrate_lib.sh"

for host in A B; do
    hosts_daemons "$host" start bitferry-source bitferry-dest
done
node=libvirt-1-format

# arriving HOST NAME PATH: the same domain, whose QEMU waits for a migration; libvirt takes it for a paused one
arriving() {
    domain_xml "$2" "$uuid" vda="$3" | sed -e "s|<domain type='qemu'>|<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>|" \
        -e "s|</domain>|<qemu:commandline><qemu:arg value='-incoming'/><qemu:arg value='defer'/></qemu:commandline></domain>|" |
        hosts_run "$1" virsh -q create --paused /dev/stdin >/dev/null
}

# q HOST COMMAND [ARGUMENTS]: of the domain $name
q() {
    domain_qmp "$1" "$name" "$(jq -nc --arg command "$2" --argjson arguments "${3:-{\}}" '{execute:$command,$arguments}')" ||
        die "$1: QEMU refuses $2 ${3:-}"
}

mirror_ready() {
    q "$1" query-block-jobs | jq -e 'length == 1 and .[0].ready' >/dev/null
}

no_mirror() {
    [ "$(q "$1" query-block-jobs)" = '[]' ]
}

# migration_is HOST STATUS
migration_is() {
    [ "$(q "$1" query-migrate | jq -r .status)" = "$2" ]
}

# tell FROM TO HANDOVER
tell() {
    arriving=$(hosts_run "$2" bitferry expect --quiet --domain "$name" --uuid "$uuid")
    leaving=$(hosts_run "$1" bitferry start --quiet --domain "$name" --peer "host-${2,,}" --handover "$3")
}

# mirror FROM TO: the destination serves its disk, the source copies to it
mirror() {
    local address
    address=$(hosts_address "$2")
    q "$2" nbd-server-start "{\"addr\":{\"type\":\"inet\",\"data\":{\"host\":\"$address\",\"port\":\"10900\"}}}" >/dev/null
    q "$2" block-export-add "{\"type\":\"nbd\",\"id\":\"copy\",\"node-name\":\"$node\",\"name\":\"copy\",\"writable\":true}" >/dev/null
    q "$1" blockdev-add "{\"driver\":\"nbd\",\"node-name\":\"copy\",\"export\":\"copy\",
        \"server\":{\"type\":\"inet\",\"host\":\"$address\",\"port\":\"10900\"}}" >/dev/null
    q "$1" blockdev-mirror "{\"job-id\":\"copy\",\"device\":\"$node\",\"target\":\"copy\",\"sync\":\"full\"}" >/dev/null
    wait_for 60 mirror_ready "$1"
}

# switch_over FROM TO: with a last write when all is installed
switch_over() {
    q "$1" migrate-set-capabilities '{"capabilities":[{"capability":"pause-before-switchover","state":true}]}' >/dev/null
    q "$2" migrate-incoming "{\"uri\":\"tcp:$(hosts_address "$2"):10901\"}" >/dev/null
    q "$1" migrate "{\"uri\":\"tcp:$(hosts_address "$2"):10901\"}" >/dev/null
    wait_for 60 migration_is "$1" pre-switchover
    q "$1" block-job-cancel '{"device":"copy"}' >/dev/null
    wait_for 60 no_mirror "$1"
    q "$1" blockdev-del '{"node-name":"copy"}' >/dev/null
    q "$2" block-export-del '{"id":"copy","mode":"hard"}' >/dev/null # it may not have heard yet that nobody is there
    q "$2" nbd-server-stop >/dev/null
    [ -z "$frozen" ] ||
        hosts_run "$1" bitferry wait --quiet --for frozen --timeout 60 "$leaving"
    q "$1" migrate-continue '{"state":"pre-switchover"}' >/dev/null
    wait_for 60 migration_is "$1" completed
    hosts_run "$2" virsh -q resume "$name" >/dev/null
}

# status HOST ID JQ
status() {
    hosts_run "$1" bitferry status --json "$2" | jq -r ".moves[0] | $3"
}

ended() {
    [ "$(status "$1" "$2" .state)" != under-way ]
}

# arrived FROM TO: committed on both, and all checkpoints are there
arrived() {
    wait_for 60 ended "$2" "$arriving"
    wait_for 60 ended "$1" "$leaving"
    equal "committed committed" "$(status "$1" "$leaving" .state) $(status "$2" "$arriving" .state)" \
        "how it ended: $(status "$1" "$leaving" .) $(status "$2" "$arriving" .) $(tail -n 20 "$HOSTS"/?/var/log/bitferry-*.log)"
    equal "carried carried" "$(status "$2" "$arriving" '[.bitmaps[].outcome] | join(" ")')" "bitmaps: $(status "$2" "$arriving" .bitmaps)"
    equal "chk1 chk2<chk1" "$(tree "$2" "$name")" "checkpoints at the destination"
    equal "" "$(tree "$1" "$name")" "checkpoints at the source"
}

tracker() {
    local disk=$IMAGES/tracked.qcow2
    name=tracked frozen=
    begin tracked "$disk"
    domain_disk B "$disk" 256M
    arriving B tracked "$disk"
    tell A B tracker
    mirror A B
    domain_write A tracked vda 0x31 20M 1M
    hosts_run A bitferry wait --quiet --for installed --timeout 60 "$leaving"
    domain_write A tracked vda 0x32 24M 1M
    switch_over A B
    arrived A B
    a destroy tracked >/dev/null
    equal "" "$(image_bitmaps A "$disk")" "bitmaps in the source's image"
    proven B tracked "$disk"
    forget tracked
    ok "trackers: a domain that is mirrored and moved with QEMU's own commands"
}

freeze() {
    local disk=$IMAGES/frozen.qcow2
    name=frozen frozen=yes
    begin frozen "$disk"
    domain_disk B "$disk" 256M
    arriving B frozen "$disk"
    tell A B freeze
    mirror A B
    hosts_run A bitferry wait --quiet --for installed --timeout 60 "$leaving"
    domain_write A frozen vda 0x32 24M 1M
    switch_over A B
    arrived A B
    proven B frozen "$disk"
    forget frozen
    ok "freeze: what is written last travels in the pause"
}

# libvirt shows nobody the QEMU at the destination
hidden() {
    local disk=$IMAGES/hidden.qcow2
    begin hidden "$disk"
    name=hidden
    domain_disk B "$disk" 256M
    tell A B tracker
    a migrate --live --persistent --copy-storage-all --bandwidth 1 hidden $b_uri >/dev/null 2>&1 &
    wait_for 60 ended B "$arriving"
    wait_for 60 ended A "$leaving"
    for side in A:$leaving B:$arriving; do
        equal failed "$(status "${side%:*}" "${side#*:}" .state)" "the move at ${side%:*}"
        status "${side%:*}" "${side#*:}" .reason.message | grep -q 'libvirt itself moves the machine' ||
            die "${side%:*} says: $(status "${side%:*}" "${side#*:}" .reason.message)"
    done
    a domjobabort hidden
    wait_for 30 gone B hidden
    equal "chk1 chk2<chk1" "$(tree A hidden)" "checkpoints at the source"
    equal "chk1 chk2" "$(domain_bitmaps A hidden | cut -f 2 | sort | xargs)" "bitmaps at the source"
    forget hidden
    ok "where libvirt moves the domain, trackers and freeze are refused at once, with the reason"
}

[ $# -gt 0 ] || set -- tracker freeze hidden
for case in "$@"; do
    "$case"
done
