#!/usr/bin/env bash
# The daemons with libvirt domains (`--domain`) while people migrate with virsh as ever: what libvirt forgets,
# the definitions of the checkpoints, comes along; what QEMU brings is judged.
. "$(dirname "$0")/migrate_lib.sh"

# configure HOST LINE...: its daemons are stopped with moves under way, and its bitferry-dest does what is told
configure() {
    hosts_run "$1" bash -c 'mkdir -p /etc/bitferry
        printf "%s\n" "[source]" "stop_grace_s = 0" "[dest]" "stop_grace_s = 0" "$@" >/etc/bitferry/bitferry.conf' \
        configure "${@:2}"
}

for host in A B; do
    configure "$host"
    hosts_daemons "$host" start bitferry-source bitferry-dest
done

# tell FROM TO NAME [OPTION...]: `expect` there, `start` here; the ids are in $arriving and $leaving
tell() {
    local from=$1 to=$2 name=$3
    shift 3
    arriving=$(hosts_run "$to" bitferry expect --quiet --domain "$name" --uuid "$uuid")
    leaving=$(hosts_run "$from" bitferry start --quiet --domain "$name" --peer "host-${to,,}" "$@")
    hosts_run "$from" bitferry wait --quiet --for installed --timeout 60 "$leaving"
}

# status HOST ID JQ
status() {
    hosts_run "$1" bitferry status --json "$2" | jq -r ".moves[0] | $3"
}

ended() {
    [ "$(status "$1" "$2" .state)" != under-way ]
}

# both_ended FROM TO STATE [STATE-THERE]
both_ended() {
    wait_for 60 ended "$2" "$arriving"
    wait_for 60 ended "$1" "$leaving"
    equal "$3 ${4:-$3}" "$(status "$1" "$leaving" .state) $(status "$2" "$arriving" .state)" \
        "how it ended: $(tail -n 20 "$HOSTS"/?/var/log/bitferry-*.log)"
}

# shown HOST ID: "chk1 carried defined,chk2 ..."
shown() {
    status "$1" "$2" '[.checkpoints.checkpoints[] | "\(.name) \(.status) \(.definition)"] | join(",")'
}

# proofs HOST ID: of the bitmaps that came
proofs() {
    status "$1" "$2" '[.bitmaps[] | .proof // empty] | join(" ")'
}

copied() {
    local disk=$IMAGES/copied.qcow2
    # Memory of 128 MiB is there before the deltas are kept
    local domain_memory_mib=1024
    begin copied "$disk"
    domain_disk B "$disk" 256M
    tell A B copied
    equal native "$(status A "$leaving" .handover | sed s/auto/native/)" "hand-over"
    domain_write A copied vda 0x14 30M 5M # behind the snapshot
    a migrate --live --persistent --copy-storage-all copied $b_uri
    both_ended A B committed
    equal "chk1 chk2<chk1" "$(tree B copied)" "checkpoints at the destination"
    equal "" "$(tree A copied)" "checkpoints at the source"
    for side in A:$leaving B:$arriving; do
        equal "chk1 carried defined,chk2 carried defined" "$(shown "${side%:*}" "${side#*:}")" "what ${side%:*} tells"
    done
    equal "bits bits" "$(proofs B "$arriving")" "what proves the bitmaps"
    equal "" "$(image_bitmaps A "$disk")" "bitmaps in the source's image"
    b checkpoint-dumpxml copied chk2 | grep -q "<source file='$disk'" || die "no description of the domain"
    proven B copied "$disk"
    b start copied >/dev/null
    ok "--copy-storage-all: the checkpoints arrive, and are told"

    # And back, onto what the first visit left, and with one checkpoint more
    domain_checkpoint B copied chk3
    tell B A copied
    b migrate --live --persistent --copy-storage-all --p2p --undefinesource copied $a_uri
    both_ended B A committed
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree A copied)" "checkpoints back home"
    proven A copied "$disk"
    forget copied
    ok "and back again, peer to peer, from a host that undefines it"
}

shared() {
    local disk=$SHARED/shared.qcow2
    begin shared "$disk"
    domain_qmp A shared '{"execute":"block-dirty-bitmap-add","arguments":{"node":"libvirt-1-format","name":"fleeting"}}' >/dev/null
    # What a former visit left there
    domain_define B shared "$uuid" vda="$disk"
    b checkpoint-create shared /dev/stdin --redefine >/dev/null \
        <<<"<domaincheckpoint><name>old</name><creationTime>1700000000</creationTime><disks><disk name='vda'/></disks></domaincheckpoint>"
    tell A B shared
    hosts_daemons B restart bitferry-dest
    hosts_daemons A restart libvirtd bitferry-source
    hosts_run A bitferry wait --quiet --for installed --timeout 60 "$leaving"
    a migrate --live --persistent --unsafe --suspend shared $b_uri
    equal paused "$(b domstate shared)" "state on arrival"
    b resume shared >/dev/null
    both_ended A B committed
    equal "chk1 chk2<chk1" "$(tree B shared)" "checkpoints at the destination"
    equal "native native dropped" \
        "$(status B "$arriving" '.bitmaps | sort_by(.bitmap) | [.[].outcome] | join(" ")')" "bitmaps"
    equal 3 "$(status B "$arriving" .exit)" "exit of a move that lost a transient bitmap"
    grep -qE '^(bits|count) (bits|count)$' <<<"$(proofs B "$arriving")" || die "it is not told what proves them"
    proven B shared "$disk"
    forget shared
    ok "shared storage, with restarts and a guest that arrives paused; what does not come is told"
}

# While disks are copied libvirt has not asked QEMU to migrate yet: the move waits for the next try.
cancelled() {
    local disk=$IMAGES/cancelled.qcow2
    begin cancelled "$disk"
    domain_disk B "$disk" 256M
    tell A B cancelled
    a migrate --live --persistent --copy-storage-all --bandwidth 1 cancelled $b_uri >/dev/null 2>&1 &
    wait_for 30 copying A cancelled
    a domjobabort cancelled
    wait_for 30 gone B cancelled
    equal under-way "$(status A "$leaving" .state)" "the move after a cancelled migration"
    equal "chk1 chk2<chk1" "$(tree A cancelled)" "checkpoints at the source"
    hosts_run A bitferry abort --quiet "$leaving"
    both_ended A B aborted failed
    equal "chk1 chk2<chk1" "$(tree A cancelled)" "checkpoints at the source"
    equal 2 "$(domain_bitmaps A cancelled | wc -l)" "bitmaps at the source"
    tell A B cancelled
    a migrate --live --persistent --copy-storage-all cancelled $b_uri
    both_ended A B committed
    equal "chk1 chk2<chk1" "$(tree B cancelled)" "checkpoints at the destination"
    forget cancelled
    ok "a migration that is cancelled leaves all as it was, and the next one succeeds"
}

# libvirt fails when the state is sent: a bitmap of the name is in the destination's image
collided() {
    local disk=$IMAGES/collided.qcow2
    begin collided "$disk"
    domain_disk B "$disk" 256M
    hosts_run B qemu-img bitmap --add "$disk" chk1
    tell A B collided
    ! a migrate --live --persistent --copy-storage-all collided $b_uri >/dev/null 2>&1 || die "it did not collide"
    both_ended A B failed
    a destroy collided >/dev/null
    equal "chk1:auto chk2:auto" "$(image_bitmaps A "$disk")" "bitmaps in the source's image"
    equal "chk1 chk2<chk1" "$(tree A collided)" "checkpoints at the source"
    forget collided
    ok "a migration that fails late: the source's bitmaps are mended, and stored at its shutdown"
}

# libvirt cannot keep what it is told: the bitmaps are there, and a command defines the checkpoints later
refused() {
    local disk=$SHARED/refused.qcow2 commands
    begin refused "$disk"
    hosts_run B bash -c 'rm -rf /var/lib/libvirt/qemu/checkpoint && touch /var/lib/libvirt/qemu/checkpoint'
    tell A B refused
    a migrate --live --persistent --unsafe refused $b_uri
    both_ended A B committed
    equal "chk1 metadata_missing missing,chk2 metadata_missing missing" "$(shown B "$arriving")" "what the destination tells"
    equal "native native 3" "$(status B "$arriving" '"\(.bitmaps[0].outcome) \(.bitmaps[1].outcome) \(.exit)"')" "bitmaps and exit"
    equal "chk1 chk2<chk1" "$(tree A refused)" "definitions that are not settled stay at the source"
    commands=$(status B "$arriving" '.checkpoints.checkpoints[].reason.message' | sed -n "s/.*try '\(virsh [^']*\)'.*/\1/p")
    equal 2 "$(grep -c . <<<"$commands")" "commands that are told"
    hosts_run B bash -c "rm /var/lib/libvirt/qemu/checkpoint; set -e; $commands" >/dev/null
    equal "chk1 chk2<chk1" "$(tree B refused)" "checkpoints after the commands"
    proven B refused "$disk"
    forget refused
    ok "definitions that libvirt refuses: the bitmaps stay, exit 3, and the commands that are told help"
}

# reconfigure HOST LINE...
reconfigure() {
    configure "$@"
    hosts_daemons "$1" restart bitferry-dest
}

# told_by_hook EVENT
told_by_hook() {
    grep -q "a hook tells '$1'" "$HOSTS/B/var/log/bitferry-dest.log"
}

# Nobody tells bitferry-dest but libvirt's hook
hooked() {
    local disk=$IMAGES/hooked.qcow2
    begin hooked "$disk"
    domain_disk B "$disk" 256M
    reconfigure B 'expect_domains = yes'
    leaving=$(hosts_run A bitferry start --quiet --domain hooked --peer host-b)
    a migrate --live --persistent --copy-storage-all --bandwidth 1 hooked $b_uri >/dev/null 2>&1 &
    wait_for 30 copying A hooked
    wait_for 10 told_by_hook 'migrate begin'
    a domjobabort hooked
    arriving=$(hosts_run B bitferry list --json | jq -r '.moves[-1].id')
    wait_for 30 gone B hooked
    wait_for 30 ended B "$arriving"
    told_by_hook 'release end' || die "the hook did not tell that it does not come"
    equal aborted "$(status B "$arriving" .state)" "the move at the destination"
    equal "chk1 chk2<chk1" "$(tree A hooked)" "checkpoints at the source"
    # The source waits on if it had not been heard yet
    leaving=$(hosts_run A bitferry start --quiet --domain hooked --peer host-b)
    a migrate --live --persistent --copy-storage-all hooked $b_uri
    arriving=$(hosts_run B bitferry list --json | jq -r '.moves[-1].id')
    both_ended A B committed
    equal "chk1 chk2<chk1" "$(tree B hooked)" "checkpoints at the destination"
    proven B hooked "$disk"
    forget hooked
    reconfigure B
    ok "the hook alone tells the destination what comes, and what does not"
}

# Nobody tells bitferry-dest but bitferry-source, which it believes only where it is told to
announced() {
    local disk=$IMAGES/announced.qcow2
    begin announced "$disk"
    domain_disk B "$disk" 256M
    reconfigure B 'may_announce = host-c, *.example.org'
    leaving=$(hosts_run A bitferry start --quiet --domain announced --peer host-b)
    ! hosts_run A bitferry wait --quiet --for installed --timeout 3 "$leaving" >/dev/null 2>&1 || die "B believed A"
    equal 0 "$(hosts_run B bitferry list --json | jq "[.moves[] | select(.uuid == \"$uuid\" and .state == \"under-way\")] | length")" \
        "moves at a destination that does not believe A"
    reconfigure B 'may_announce = host-c, host-?, host-*'
    hosts_run A bitferry wait --quiet --for installed --timeout 60 "$leaving"
    arriving=$(status A "$leaving" .peer_move)
    equal "$leaving" "$(status B "$arriving" .peer_move)" "each names the other's move"
    a migrate --live --persistent --copy-storage-all announced $b_uri
    both_ended A B committed
    equal "chk1 chk2<chk1" "$(tree B announced)" "checkpoints at the destination"
    equal "" "$(tree A announced)" "checkpoints at the source"
    reconfigure B
    forget announced
    ok "the source's daemon alone tells the destination what comes, where that is allowed"
}

# died HOST DAEMON
died() {
    ! hosts_run "$1" test -e "/proc/$(hosts_run "$1" cat "/run/hosts/$2.pid")"
}

# Killed between what it did and the word of it, first the one, then the other
restarted() {
    local disk=$SHARED/restarted.qcow2
    begin restarted "$disk"
    BITFERRY_FAIL_POINT=dest.committed:kill hosts_daemons B restart bitferry-dest
    tell A B restarted
    a migrate --live --persistent --unsafe restarted $b_uri
    wait_for 60 died B bitferry-dest
    hosts_daemons B start bitferry-dest
    both_ended A B committed
    for side in A:$leaving B:$arriving; do
        equal "chk1 carried defined,chk2 carried defined" "$(shown "${side%:*}" "${side#*:}")" "what ${side%:*} tells"
    done
    equal "" "$(tree A restarted)" "checkpoints at the source"
    equal "chk1 chk2<chk1" "$(tree B restarted)" "checkpoints at the destination"

    BITFERRY_FAIL_POINT=source.committed:kill hosts_daemons B restart bitferry-source
    tell B A restarted
    b migrate --live --persistent --unsafe restarted $a_uri
    wait_for 60 died B bitferry-source
    hosts_daemons B start bitferry-source
    both_ended B A committed
    equal "" "$(tree B restarted)" "checkpoints at the host that was left"
    proven A restarted "$disk"
    forget restarted
    ok "daemons that are killed before they have told what became of the definitions"
}

# Its bitferry-dest learns of it only when the guest runs there already
late() {
    local disk=$SHARED/late.qcow2
    begin late "$disk"
    leaving=$(hosts_run A bitferry start --quiet --domain late --peer host-b)
    a migrate --live --persistent --unsafe late $b_uri
    arriving=$(hosts_run B bitferry expect --quiet --domain late)
    both_ended A B committed
    equal "chk1 chk2<chk1" "$(tree B late)" "checkpoints at the destination"
    forget late
    ok "a destination that is told late"
}

[ $# -gt 0 ] || set -- copied shared cancelled collided refused hooked announced restarted late
for case in "$@"; do
    "$case"
done
