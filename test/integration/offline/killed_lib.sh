# shellcheck shell=bash
# killed SIDE POINT...: at each of these, that daemon is killed and started again.  Two disks move, one of
# them with an image below.  The end is the same as if nothing had been, or the source keeps all.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

revive() {
    dead "$1" || return 0
    wait "${daemon[$1]}" 2>/dev/null || true
    [ "$killed" = no ] || die "killed again"
    killed=yes
    begin_daemon "$1"
}

dead() {
    ! readlink -q "/proc/${daemon[$1]}/exe" >/dev/null
}

# both STATE SIDE: so has the move ended at both
both() {
    revive "$2"
    ended source "$leaving" "$1" && ended dest "$arriving" "$1"
}

make_disks() {
    find "$scratch" -maxdepth 1 -name '*.qcow2' -delete
    make_image "$scratch/a.qcow2"
    make_image "$scratch/a20.qcow2"
    qemu-img create -q -f qcow2 -b "$scratch/a20.qcow2" -F qcow2 "$scratch/a2.qcow2"
    checkpoint "$scratch/a2.qcow2" old
    checkpoint "$scratch/a2.qcow2" new
    put "$scratch/a2.qcow2" 8
    qemu-img convert -O qcow2 "$scratch/a.qcow2" "$scratch/b.qcow2"
    cp "$scratch/a2.qcow2" "$scratch/b2.qcow2"
    cp "$scratch/a20.qcow2" "$scratch/b20.qcow2"
    qemu-img rebase -u -b "$scratch/b20.qcow2" -F qcow2 "$scratch/b2.qcow2"
}

move_disks() {
    expect_off "vda=$scratch/b.qcow2" "vdb=$scratch/b2.qcow2"
    start_off "vda=$scratch/a.qcow2" "vdb=$scratch/a2.qcow2"
}

all_carried() {
    carried "$scratch/b.qcow2"
    carried "$scratch/b20.qcow2"
    equal "stored: 8" "$(stored_granules "$scratch/b2.qcow2" new)" "the image on top"
    equal "" "$(bitmaps "$scratch/a.qcow2")$(bitmaps "$scratch/a2.qcow2")$(bitmaps "$scratch/a20.qcow2")" \
        "bitmaps left at the source"
    nothing_left
}

# In the middle of writing to an image: nobody can tell then who has written, so the move is given up, and
# can be repeated.
all_kept() {
    carried "$scratch/a.qcow2"
    carried "$scratch/a20.qcow2"
    nothing_left
    move_disks
    wait_for 60 both committed dest
}

# kill_at SIDE POINT
kill_at() {
    local state=committed
    [[ $2 != publish.marked && $2 != publish.clusters ]] || state=failed
    killed=no
    make_disks
    begin_daemon "$1" "BITFERRY_FAIL_POINT=$2:kill"
    move_disks
    wait_for 60 both "$state" "$1"
    equal yes "$killed" "was it killed at $2"
    [ $state = committed ] || all_kept
    all_carried
    ok "bitferry-$1 killed at $2: $state, and nothing is left"
}

killed() {
    local side=$1 point
    shift
    configure source 'peer_timeout_s = 3'
    configure dest 'peer_timeout_s = 3'
    begin_daemon source
    begin_daemon dest
    for point; do
        kill "${daemon[$side]}"
        wait "${daemon[$side]}" || true
        kill_at "$side" "$point"
    done
}
