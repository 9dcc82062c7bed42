#!/usr/bin/env bash
# `bitferry migrate` where the daemons run: they are told, and carry the checkpoints; what they do is not done twice,
# and what they do not do the command does.
. "$(dirname "$0")/migrate_lib.sh"

dest_socket=$SHARED/dest/control.sock

# configure HOST LINE...: of its bitferry-dest
configure() {
    hosts_run "$1" bash -c 'mkdir -p /etc/bitferry && { echo "[dest]" && printf "%s\n" "$@"; } >/etc/bitferry/bitferry.conf' \
        configure "${@:2}"
}

# by_helpers: the report is theirs; their moves are in $leaving and $arriving, and this command has defined nothing
by_helpers() {
    equal true "$(jq .helpers.used <<<"$said")" "who did it: $said"
    leaving=$(jq -r .helpers.source.id <<<"$said")
    arriving=$(jq -r .helpers.destination.id <<<"$said")
    ! grep -q 'defining checkpoint' "$scratch/steps" || die "done twice: $(<"$scratch/steps")"
}

# told HOST EXIT ARGUMENT...: `bitferry migrate --json`; the steps it tells go to a file
told() {
    local host=$1 wanted=$2 status=0
    shift 2
    said=$(hosts_run "$host" bitferry migrate --json --verbose "$@" 2>"$scratch/steps") || status=$?
    [ "$status" = "$wanted" ] || die "exit $status instead of $wanted from: migrate $*: $said $(<"$scratch/steps")"
}

# state HOST ROLE ID
state() {
    hosts_run "$1" bitferry status --json --socket "/run/bitferry/$2/control.sock" "$3" | jq -r '.moves[0].state'
}

# Of B's daemons source is where it always is, and dest where both hosts can reach it
configure A 'may_announce = host-b'
configure B "run_dir = $SHARED/dest"
hosts_daemons A start bitferry-source bitferry-dest
hosts_daemons B start bitferry-source
hosts_daemons B start bitferry-dest

there_and_back() {
    local disk=$IMAGES/told.qcow2
    begin told "$disk"
    domain_disk B "$disk" 256M
    told A 0 --dest-socket "$dest_socket" told $b_uri -- --live --persistent --copy-storage-all
    by_helpers
    equal "REDEFINED REDEFINED" "$(jq -r '[.checkpoints[].status] | join(" ")' <<<"$said")" "status"
    # Where the migration is over too soon for the last writes to be read, counts are all there is
    equal "$(jq -c '[.helpers.destination.move.bitmaps | sort_by(.bitmap)[].proof]' <<<"$said")" \
        "$(jq -c '[.checkpoints | sort_by(.name)[].disks[].by]' <<<"$said")" "proofs"
    jq -r '.checkpoints[].disks[].by' <<<"$said" | grep -qE '^(bits|count)$' || die "no proofs: $said"
    equal "committed committed" "$(jq -r '[.helpers.source.move.state, .helpers.destination.move.state] | join(" ")' <<<"$said")" \
        "the moves"
    equal "chk1 chk2<chk1" "$(tree B told)" "checkpoints at the destination"
    equal "" "$(tree A told)" "checkpoints at the source"
    nothing_captured A
    ok "both daemons are told, over their sockets, and carry it; nothing is done twice"

    domain_checkpoint B told chk3
    ferry B 0 migrate told $a_uri -- --live --persistent --copy-storage-all --p2p --undefinesource
    says 'chk3 +vda +there, covers the source.s, by (bits|count)'
    says '^Carried by bitferry-source here, move [0-9a-f]{32}, and bitferry-dest on host-a, move [0-9a-f]{32}$'
    arriving=$(sed -n 's/^Carried by .* on host-a, move //p' <<<"$said")
    equal committed "$(state A dest "$arriving")" "the move at the destination"
    equal "chk1 chk2<chk1 chk3<chk2" "$(tree A told)" "checkpoints back home"
    proven A told "$disk"
    forget told
    ok "and back: bitferry-source announces it, the report names both moves"
}

# The daemons finish when the guest runs
paused() {
    local disk=$SHARED/paused.qcow2
    begin paused "$disk"
    told A 4 --dest-socket "$dest_socket" paused $b_uri -- --live --persistent --unsafe --suspend
    by_helpers
    equal "UNPROVEN UNPROVEN" "$(jq -r '[.checkpoints[].status] | join(" ")' <<<"$said")" "status"
    b resume paused >/dev/null
    hosts_run A bitferry wait --quiet --timeout 60 "$leaving"
    equal "chk1 chk2<chk1" "$(tree B paused)" "checkpoints at the destination"
    equal "" "$(tree A paused)" "checkpoints at the source"
    ok "a guest that arrives paused: they define its checkpoints when it runs"

    ! BITFERRY_FAIL_POINT=migrate.finished:kill hosts_run B bitferry migrate --quiet paused $a_uri -- \
        --live --persistent --unsafe 2>/dev/null || die "the command was not killed"
    leaving=$(hosts_run B bitferry list --json --socket /run/bitferry/source/control.sock | jq -r '.moves[-1].id')
    hosts_run B bitferry wait --quiet --timeout 60 --socket /run/bitferry/source/control.sock "$leaving"
    equal "chk1 chk2<chk1" "$(tree A paused)" "checkpoints at the destination"
    equal "" "$(tree B paused)" "checkpoints at the source"
    forget paused
    ok "the command is killed when the machine has left: the daemons finish"
}

# libvirt fails when the state is sent: a bitmap of the name is in the destination's image
failed() {
    local disk=$IMAGES/failed.qcow2
    begin failed "$disk"
    domain_disk B "$disk" 256M
    hosts_run B qemu-img bitmap --add "$disk" chk1
    told A 10 --dest-socket "$dest_socket" failed $b_uri -- --live --persistent --copy-storage-all
    equal "" "$(hosts_run A bitferry list --json | jq -r '.moves[] | select(.state == "under-way").id')" "moves that go on"
    equal "" "$(hosts_run B bitferry list --json --socket "$dest_socket" | jq -r '.moves[] | select(.state == "under-way").id')" \
        "moves that go on at the destination"
    a destroy failed >/dev/null
    equal "chk1:auto chk2:auto" "$(image_bitmaps A "$disk")" "bitmaps in the source's image"
    equal "chk1 chk2<chk1" "$(tree A failed)" "checkpoints at the source"
    forget failed
    ok "a migration that fails: the moves end, the source's bitmaps are stored"
}

# Nobody tells bitferry-dest; then bitferry-source is lost on the way
alone() {
    local disk=$SHARED/alone.qcow2
    begin alone "$disk"
    told A 0 alone $b_uri -- --live --persistent --unsafe
    equal "false REDEFINED REDEFINED" "$(jq -r '[.helpers.used, .checkpoints[].status] | join(" ")' <<<"$said")" "$said"
    jq -r .helpers.why <<<"$said" | grep -q 'bitferry-dest on host-b was not told' || die "why: $said"
    equal "" "$(hosts_run A bitferry list --json | jq -r '.moves[] | select(.state == "under-way").id')" "moves that go on"
    equal "chk1 chk2<chk1" "$(tree B alone)" "checkpoints at the destination"
    ok "a destination that cannot be told: the command does it, and says why"

    BITFERRY_FAIL_POINT=source.sealed:kill hosts_daemons B restart bitferry-source
    told B 0 alone $a_uri -- --live --persistent --unsafe
    equal "false REDEFINED REDEFINED" "$(jq -r '[.helpers.used, .checkpoints[].status] | join(" ")' <<<"$said")" "$said"
    equal "chk1 chk2<chk1" "$(tree A alone)" "checkpoints at the destination"
    equal "" "$(tree B alone)" "checkpoints at the source"
    proven A alone "$disk"
    forget alone
    ok "bitferry-source is killed in the middle: the command does it"
}

[ $# -gt 0 ] || set -- there_and_back paused failed alone
for case in "$@"; do
    "$case"
done
